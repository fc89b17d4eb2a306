"""A result as a verifier tells it, and whether it is about what was asked.

An answer is a result only if it says the same in every place where it says anything: the status, the header
``Attestation-Verdict``, the verdict, the reasons and the claims; and if it is about the document, the policy and the
nonce of the question. Everything else is a `VerifierProtocolError`: a cache that answers for somebody else, a gateway
that turns every status into 200, an appraisal as of another time.

The values inside are those of `verifier.result`. There they are made of evidence that was verified in this process;
here they are worth what the verifier's word is, and the connection to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self, TypeAlias

from verifier.client.errors import NotAffirmedError
from verifier.evidence.pcrs import EvidenceKind

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.ear.results import EarResult
    from verifier.policy.freshness import Freshness
    from verifier.policy.model import DebugMode
    from verifier.result import Claims

DEBUG_MODE: Final = "debug-mode"
OTHER_KIND: Final = "other-kind-of-evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedReason:
    """One thing that is wrong: a stable code, and two sentences for people, as the verifier wrote them."""

    code: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPolicy:
    """The policy that was applied."""

    name: str
    sha256: str
    """Of its canonical text."""
    debug: DebugMode


@dataclass(frozen=True, slots=True, kw_only=True)
class AffirmedResult:
    """The verifier affirms the document, by this policy, with this nonce."""

    claims: Claims
    build: str | None
    """Which of the policy's builds runs; ``None`` only in debug mode."""
    policy: StatedPolicy
    freshness: Freshness
    evaluated_at: datetime
    """By the verifier's clock."""
    evidence_sha256: str
    request_id: str | None
    body: dict[str, Any] = field(repr=False)
    """The whole answer, as docs/http-api.md describes it."""

    @property
    def verdict(self) -> Literal["affirmed"]:
        """Say it as the wire does."""
        return "affirmed"

    def require_affirmed(self, *, kind: EvidenceKind = EvidenceKind.ENCLAVE, allow_debug: bool = False) -> Self:
        """Give itself.

        Args:
            kind: of whose document it must be: the PCRs of an instance's NitroTPM say nothing about an enclave.
            allow_debug: take an enclave in debug mode, where its parent can read its console. A policy may allow that;
                the caller must as well.

        Raises:
            NotAffirmedError: it is about something else than the caller wants.
        """
        if self.claims.kind is not kind:
            raise NotAffirmedError([OTHER_KIND])
        if self.claims.debug and not allow_debug:
            raise NotAffirmedError([DEBUG_MODE])
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedResult:
    """The verifier does not affirm the document; ``reasons`` says why and is never empty."""

    reasons: tuple[StatedReason, ...]
    policy: StatedPolicy | None
    unaffirmed_claims: Claims | None
    """What an authentic document says that was refused all the same; ``None`` when its origin was not proven."""
    freshness: Freshness | None
    evaluated_at: datetime
    evidence_sha256: str
    request_id: str | None
    body: dict[str, Any] = field(repr=False)

    @property
    def verdict(self) -> Literal["rejected"]:
        """Say it as the wire does."""
        return "rejected"

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all reasons, in order."""
        return tuple(reason.code for reason in self.reasons)

    def require_affirmed(self, *, kind: EvidenceKind = EvidenceKind.ENCLAVE, allow_debug: bool = False) -> NoReturn:  # noqa: ARG002 - as the affirmed one
        """Raise `NotAffirmedError`."""
        raise NotAffirmedError(self.codes)


Result: TypeAlias = AffirmedResult | RejectedResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedResult:
    """A verdict that the verifier signed: verified here already, and good to be passed on as ``token``."""

    token: str | bytes
    """A JWT as text, a CWT as bytes."""
    result: EarResult
    """What it says."""

    def require_affirmed(self) -> Self:
        """Give itself.

        Raises:
            NotAffirmedError: the verdict is another; a token never affirms debug mode.
        """
        if not self.result.affirmed:
            raise NotAffirmedError(self.result.reasons)
        return self
