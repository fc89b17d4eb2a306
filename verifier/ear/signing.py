"""Signing an Attestation Result: the only way from a result to a token.

``iat`` is the moment of the appraisal, so that an old result cannot be made to look new. What is signed is what the
Verifier found, in its own words: see ``claims`` for what of the document may be repeated.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from verifier.ear.cbor import encode_item
from verifier.ear.claims import claims_of
from verifier.ear.codecs import Form
from verifier.ear.cose import sign_sign1
from verifier.ear.jws import sign_jws
from verifier.ear.legacy import LEGACY_PROFILE, legacy_claims
from verifier.ear.schema import EAR, LAST_SECOND, MAX_NONCE_BYTES, MIN_NONCE_BYTES, PROFILE
from verifier.ear.strict_json import encode_object
from verifier.policy.findings import Finding
from verifier.reasons import ConfigurationError, Reason
from verifier.result import Affirmed, Rejected

if TYPE_CHECKING:
    from verifier.ear.keys import EarKey
    from verifier.result import AttestationResult

MIN_LIFETIME, MAX_LIFETIME = timedelta(seconds=1), timedelta(days=1)
TOKEN_ID_BYTES = 16

_NAME = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,255}")
"""StringOrURI (RFC 7519 section 2), without blanks, quotes and what is not ASCII."""


class Profile(Enum):
    """Which names the claims have."""

    EAR = PROFILE
    LEGACY = LEGACY_PROFILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who signs: the name that Relying Parties compare, the software, and how long its results are good for."""

    name: str
    build: str
    affirmed_lifetime: timedelta = timedelta(minutes=5)
    rejected_lifetime: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        """Refuse a name that is none, and lifetimes out of bounds.

        Raises:
            ConfigurationError: with every problem.
        """
        problems = [] if _NAME.fullmatch(self.name) else ["issuer: 1 to 255 characters of a URI, such as https://…"]
        lifetimes = {"affirmed_lifetime": self.affirmed_lifetime, "rejected_lifetime": self.rejected_lifetime}
        problems.extend(
            f"{what}: 1s to 1d" for what, lifetime in lifetimes.items() if not MIN_LIFETIME <= lifetime <= MAX_LIFETIME
        )
        if problems:
            raise ConfigurationError(*problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whom a token is for, as the request says: the Relying Party's name, and its nonce to be echoed."""

    audience: str | None = None
    nonce: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be signed.

        Raises:
            ValueError: the audience is not 1 to 255 characters of a URI, or the nonce not 8 to 64 bytes.
        """
        if self.audience is not None and not _NAME.fullmatch(self.audience):
            msg = "audience: 1 to 255 letters, digits and other characters of a URI"
            raise ValueError(msg)
        if self.nonce is not None and not MIN_NONCE_BYTES <= len(self.nonce) <= MAX_NONCE_BYTES:
            msg = f"nonce: {MIN_NONCE_BYTES} to {MAX_NONCE_BYTES} bytes (RFC 9711 section 4.1)"
            raise ValueError(msg)


NOBODY = Addressee()


class UnsignableError(Exception):
    """A historical result, which says nothing about now, and a token is about nothing else; or no time of ours."""


def signable(result: AttestationResult) -> AttestationResult:
    """Give what of a result may be signed: the result itself, but for one.

    Debug mode is never affirmed in a signed result, whatever the policy allows: tokens travel to people who never saw
    the policy, and AR4SI has no affirming vector for an enclave whose parent reads its console. Such a result is
    rejected, as if the policy forbade debug mode; the unsigned one still says what the policy says.

    Raises:
        UnsignableError: the result is historical.
    """
    if result.historical:
        msg = "a historical result is never signed"
        raise UnsignableError(msg)
    if isinstance(result, Affirmed) and result.claims.debug:
        finding = Finding(
            reason=Reason.MEASUREMENT_DEBUG_MODE,
            detail="signed results affirm no debug mode, whatever the policy allows",
        )
        return Rejected(
            findings=(finding,),
            policy=result.policy,
            unaffirmed_claims=result.claims,
            freshness=result.freshness,
            evaluated_at=result.evaluated_at,
            historical=False,
            evidence_sha256=result.evidence_sha256,
            shadows=result.shadows,
        )
    return result


def sign_jwt(
    result: AttestationResult,
    *,
    issuer: Issuer,
    key: EarKey,
    to: Addressee = NOBODY,
    profile: Profile = Profile.EAR,
    token_id: bytes | None = None,
) -> str:
    """Sign a result as a JWT, ``application/eat+jwt``.

    Args:
        result: what an appraisal gave, just now.
        issuer: who signs.
        key: with which key; its curve chooses the algorithm.
        to: whom it is for.
        profile: which names the claims have.
        token_id: 16 bytes that nobody else uses; fresh random ones by default.

    Raises:
        UnsignableError: the result is historical.
    """
    claims = EAR.write(_claims(result, issuer, to, token_id), Form.JSON)
    named = claims if profile is Profile.EAR else legacy_claims(claims)
    return sign_jws(encode_object(named), key)


def sign_cwt(
    result: AttestationResult,
    *,
    issuer: Issuer,
    key: EarKey,
    to: Addressee = NOBODY,
    token_id: bytes | None = None,
) -> bytes:
    """Sign a result as a CWT, ``application/eat+cwt``; the arguments are those of ``sign_jwt``.

    Raises:
        UnsignableError: the result is historical.
    """
    return sign_sign1(encode_item(EAR.write(_claims(result, issuer, to, token_id), Form.CBOR)), key)


def _claims(result: AttestationResult, issuer: Issuer, to: Addressee, token_id: bytes | None) -> dict[str, object]:
    result = signable(result)
    issued_at = int(result.evaluated_at.timestamp())
    lifetime = issuer.affirmed_lifetime if isinstance(result, Affirmed) else issuer.rejected_lifetime
    expires_at = issued_at + int(lifetime.total_seconds())
    if issued_at < 0 or expires_at > LAST_SECOND:
        msg = "no token can name that time"
        raise UnsignableError(msg)
    return {
        "iss": issuer.name,
        "aud": to.audience,
        "iat": issued_at,
        "exp": expires_at,
        "jti": secrets.token_bytes(TOKEN_ID_BYTES) if token_id is None else token_id,
        "eat_nonce": to.nonce,
        "ear_verifier_id": {"developer": issuer.name, "build": issuer.build},
    } | claims_of(result)
