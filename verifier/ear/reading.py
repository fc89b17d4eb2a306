"""Reading a token offline: what a Relying Party does with a signed Attestation Result and the issuer's JWKS.

    token -> envelope -> key -> signature -> claims -> times, issuer, audience, nonce -> EarResult

Nothing of a token is used before its signature was verified, but the kid that says by which key. Stricter than the
standards ask: these tokens have one writer. A token that is good says what the Verifier found, which may well be
``rejected``: ``read_token(...).require_affirmed()`` is the whole question.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from verifier.ear import cose, jws
from verifier.ear.codecs import ClaimFault, Form
from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.results import EarResult, read_result
from verifier.ear.schema import EAR, PROFILE
from verifier.ear.strict_json import decode_object
from verifier.evidence.cbor import CborError, decode_item
from verifier.evidence.pcrs import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from verifier.ear.envelopes import SealedToken
    from verifier.ear.keyrings import VerificationKeys
    from verifier.ear.keys import EarKey

MAX_TOKEN_BYTES = 32 * 1024
"""Three times the largest that a document with 32 PCRs and 1024 bytes in every field gives."""
DEFAULT_LEEWAY = timedelta(seconds=30)
MAX_LEEWAY = timedelta(minutes=10)

_CBOR_HEADS = (b"\xd2", b"\xd8")


def read_token(  # noqa: PLR0913 - each is a thing that a Relying Party must have thought about
    token: str | bytes,
    keys: VerificationKeys,
    *,
    at: datetime,
    issuer: str,
    audience: str | None,
    nonce: bytes | None,
    leeway: timedelta = DEFAULT_LEEWAY,
    max_age: timedelta | None = None,
    kind: EvidenceKind = EvidenceKind.ENCLAVE,
) -> EarResult:
    """Verify a token and read what it says. There are no defaults for what makes a token mean something to you.

    Args:
        token: a JWT as text or bytes, or a CWT as bytes.
        keys: the issuer's, from ``read_jwks``.
        at: now, with a time zone.
        issuer: whose token it must be; compared exactly with ``iss``.
        audience: the Relying Party's name. ``None`` when it has none: then a token made for somebody is refused.
        nonce: the challenge that the Relying Party asked to be echoed. ``None`` when it sent none: then any nonce, and
            none, will do, and the token may be one from before, until it expires.
        leeway: how far the clocks of Verifier and Relying Party may differ; at most ten minutes.
        max_age: the Relying Party's own limit on a token's age, besides its expiry.
        kind: of what the appraisal must be. A token about an instance's NitroTPM says nothing about an enclave.

    Raises:
        EarError: the token is refused; ``code`` says why. ``KEY_UNKNOWN`` alone is worth fetching the JWKS again for.
        ValueError: ``at`` has no time zone, or ``leeway`` or ``max_age`` is out of bounds.
    """
    expected = _Expected(at=at, issuer=issuer, audience=audience, nonce=nonce, leeway=leeway, max_age=max_age)
    data = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
    if len(data) > MAX_TOKEN_BYTES:
        raise EarError(EarErrorCode.TOO_LARGE, f"longer than {MAX_TOKEN_BYTES} bytes")
    form = Form.CBOR if isinstance(token, bytes) and data.startswith(_CBOR_HEADS) else Form.JSON
    sealed = cose.decode_sign1(data) if form is Form.CBOR else jws.decode_jws(data)
    key = _authenticate(sealed, keys, form)
    claims = _read_claims(sealed.payload, form)
    expected.check(claims)
    return read_result(claims, kind=kind, key_id=key.kid, algorithm=key.algorithm.jose)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What the Relying Party holds a token against."""

    at: datetime
    issuer: str
    audience: str | None
    nonce: bytes | None
    leeway: timedelta
    max_age: timedelta | None

    def __post_init__(self) -> None:
        if self.at.utcoffset() is None:
            msg = "at needs a time zone"
            raise ValueError(msg)
        if not timedelta(0) <= self.leeway <= MAX_LEEWAY:
            msg = "leeway is at most ten minutes"
            raise ValueError(msg)
        if self.max_age is not None and self.max_age <= timedelta(0):
            msg = "max_age must be more than nothing"
            raise ValueError(msg)

    def check(self, claims: Mapping[str, Any]) -> None:
        if claims["iss"] != self.issuer:
            raise EarError(EarErrorCode.ISSUER_MISMATCH, "iss is another than expected")
        if claims.get("aud") != self.audience:
            raise EarError(EarErrorCode.AUDIENCE_MISMATCH, "the token was made for another audience, or for none")
        if self.nonce is not None and claims.get("eat_nonce") != self.nonce:
            raise EarError(EarErrorCode.NONCE_MISMATCH, "the token does not echo the nonce")
        self._check_times(claims)

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, leeway = self.at.timestamp(), self.leeway.total_seconds()
        if now >= claims["exp"] + leeway:
            raise EarError(EarErrorCode.EXPIRED, f"expired {now - claims['exp']:.0f} s ago")
        if max(claims["iat"], claims.get("nbf", 0)) > now + leeway:
            raise EarError(EarErrorCode.NOT_YET_VALID, "iat or nbf lies in the future: check the clocks")
        if self.max_age is not None and now - claims["iat"] > self.max_age.total_seconds() + leeway:
            raise EarError(EarErrorCode.TOO_OLD, f"issued {now - claims['iat']:.0f} s ago")


def _authenticate(sealed: SealedToken, keys: VerificationKeys, form: Form) -> EarKey:
    """Find the key that the token names and verify its signature, by the key's algorithm and no other."""
    key = keys.find(sealed.kid)
    algorithm = key.algorithm.jose if form is Form.JSON else key.algorithm.cose
    if type(sealed.algorithm) is not type(algorithm) or sealed.algorithm != algorithm:
        raise EarError(EarErrorCode.ALGORITHM_MISMATCH, f"alg is not {key.algorithm.jose}, which is the key's")
    if not key.verify(sealed.to_be_signed, sealed.signature):
        raise EarError(EarErrorCode.SIGNATURE_INVALID, "the signature is not the key's")
    return key


def _read_claims(payload: bytes, form: Form) -> Mapping[str, Any]:
    try:
        item = decode_object(payload) if form is Form.JSON else decode_item(payload)
    except (ValueError, CborError) as error:
        raise EarError(EarErrorCode.MALFORMED, "the payload is not one claims-set") from error
    profile = item.get("eat_profile" if form is Form.JSON else 265) if type(item) is dict else None
    if profile != PROFILE:
        raise EarError(EarErrorCode.PROFILE_UNEXPECTED, f"eat_profile is not {PROFILE}")
    try:
        return cast("Mapping[str, Any]", EAR.read(item, form))
    except ClaimFault as fault:
        name, why = fault.args
        code = EarErrorCode.CLAIM_MISSING if why == "missing" else EarErrorCode.CLAIM_INVALID
        raise EarError(code, f"{name}: {why}") from fault
    except ValueError as error:
        raise EarError(EarErrorCode.CLAIM_INVALID, "not a claims-set") from error
