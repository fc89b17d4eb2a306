"""What a Relying Party expects of a signed result, thought about once and applied to every token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.reading import DEFAULT_LEEWAY, MAX_LEEWAY, read_token
from verifier.evidence.pcrs import EvidenceKind

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.ear.keyrings import VerificationKeys
    from verifier.ear.results import EarResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """Whose tokens are good, for whom, and by which policy.

    Attributes:
        issuer: the verifier's ``iss``, as its configuration has it.
        audience: the Relying Party's own name. None when it has none: then a token made for somebody is refused.
        policy: by which the enclave must have been appraised. None takes every policy that the issuer has, also one
            that somebody else wrote for something else.
        kind: of what the appraisal must be: one of an instance's NitroTPM says nothing about an enclave.
        leeway: how far the clocks may differ.
        max_age: a limit on a token's age besides its expiry.
    """

    issuer: str
    audience: str | None
    policy: str | None
    kind: EvidenceKind = EvidenceKind.ENCLAVE
    leeway: timedelta = DEFAULT_LEEWAY
    max_age: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what no token, or any, would fulfil.

        Raises:
            ValueError: an empty name, or times out of bounds.
        """
        if "" in {self.issuer, self.audience, self.policy}:
            raise ValueError("issuer, audience and policy are names; leave audience or policy out with None")
        if not timedelta(0) <= self.leeway <= MAX_LEEWAY:
            raise ValueError(f"leeway is at most {MAX_LEEWAY}")
        if self.max_age is not None and self.max_age <= timedelta(0):
            raise ValueError("max_age is more than nothing")

    def read(self, token: str | bytes, keys: VerificationKeys, *, at: datetime, nonce: bytes | None) -> EarResult:
        """Verify a token and read what it says, which may well be that the enclave is rejected.

        Args:
            token: a JWT, or the bytes of a CWT.
            keys: the issuer's.
            at: now.
            nonce: that this Relying Party asked to be echoed. None takes any token until it expires, also one that was
                shown before.

        Raises:
            EarError: it is refused; ``code`` says why.
        """
        result = read_token(
            token,
            keys,
            at=at,
            issuer=self.issuer,
            audience=self.audience,
            nonce=nonce,
            leeway=self.leeway,
            max_age=self.max_age,
            kind=self.kind,
        )
        if self.policy is not None and result.policy_name != self.policy:
            raise EarError(EarErrorCode.POLICY_MISMATCH, "the verdict is by another policy, or by none")
        return result

    def require_affirmed(
        self, token: str | bytes, keys: VerificationKeys, *, at: datetime, nonce: bytes | None
    ) -> EarResult:
        """Give what an affirmed token says.

        Raises:
            EarError: it is refused, or not affirmed; ``code`` says why.
        """
        return self.read(token, keys, at=at, nonce=nonce).require_affirmed()
