"""What a Relying Party learns from a token, once it has been verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from verifier.ear.confirmation import jwk_of, read_spki
from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.schema import APPRAISAL_PROFILE, DEBUG_ENABLED, SUBMODULES
from verifier.ear.strict_json import encode_bytes
from verifier.ear.tiers import Tier, Trust, tier_of
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.model import DebugMode
from verifier.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class EarFreshness:
    """What the verdict's freshness rests on, as the Verifier said it."""

    mode: str
    age_ms: int
    single_use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EarAttester:
    """What the enclave's document says.

    The NSM vouches for it, but for nonce, user_data and public_key, which the enclave chose.
    """

    module_id: str
    timestamp_ms: int
    pcrs: Mapping[int, bytes]
    debug: bool | None
    """``None`` where it is not known, as it never is of an instance."""
    nonce: bytes | None
    """The document's own; on a rejected result only one that was asked for."""
    user_data: bytes | None
    """Like the next two, ``None`` on every rejected result."""
    public_key: bytes | None
    """As it is in the document, whatever it may be."""
    spki: bytes | None
    """The same when it is the DER of a SubjectPublicKeyInfo: the key that the token's ``cnf`` confirms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarResult:
    """A verified token. Made by ``read_token`` alone; every claim in it was signed by ``issuer``."""

    kind: EvidenceKind
    """What was appraised, as the Relying Party asked."""
    issuer: str
    audience: str | None
    nonce: bytes | None
    """The Relying Party's, echoed: freshness of the result. The document's own is ``attester.nonce``."""
    issued_at: datetime
    expires_at: datetime
    token_id: str
    key_id: str
    algorithm: str
    verifier_build: str
    """Which software appraised, such as ``nitro-verifier 1.0.0``."""
    verdict: Verdict
    status: Tier
    vector: Mapping[Trust, int]
    policy_ids: tuple[str, ...]
    """``ni:`` URIs (RFC 6920) of the policy's canonical text."""
    policy_name: str | None
    debug_allowed: bool
    """The policy would have let debug mode pass; such policies are for development."""
    build: str | None
    reasons: tuple[str, ...]
    """Stable codes; text, because a newer Verifier may know codes that this version does not."""
    freshness: EarFreshness | None
    attester: EarAttester | None
    """``None`` unless the document's origin was proven and it was fresh."""
    confirmation: Mapping[str, str] | None
    """The enclave's public key as a JWK (RFC 7517), from ``cnf``; only an affirmed result has one."""
    evidence_sha256: str

    @property
    def affirmed(self) -> bool:
        """Whether everything in the token says so, not one claim alone."""
        return (
            self.verdict is Verdict.AFFIRMED
            and self.status is Tier.AFFIRMING
            and not self.reasons
            and self.build is not None
            and self.attester is not None
            and self.attester.debug is (False if self.kind is EvidenceKind.ENCLAVE else None)
            and bool(self.vector)
            and all(tier_of(value) is Tier.AFFIRMING for value in self.vector.values())
        )

    def require_affirmed(self) -> Self:
        """Give this result back when it is affirmed.

        Raises:
            EarError: ``NOT_AFFIRMED`` for anything else.
        """
        if not self.affirmed:
            raise EarError(EarErrorCode.NOT_AFFIRMED, ", ".join(self.reasons))
        return self


def read_result(claims: Mapping[str, Any], *, kind: EvidenceKind, key_id: str, algorithm: str) -> EarResult:
    """Turn the claims of a verified token about this kind of evidence into a result.

    Raises:
        EarError: they contradict each other, or are about the past.
    """
    appraisal = claims["submods"].get(SUBMODULES[kind])
    if appraisal is None or len(claims["submods"]) != 1 or appraisal["eat_profile"] != APPRAISAL_PROFILE:
        raise EarError(EarErrorCode.CLAIM_INVALID, f"submods: not one appraisal, of {SUBMODULES[kind]}")
    said = appraisal["ear_verifier_claims"]
    if said.get("historical"):
        raise EarError(EarErrorCode.HISTORICAL, "a verdict about the past")
    policy = said.get("policy", {})
    result = EarResult(
        kind=kind,
        issuer=claims["iss"],
        audience=claims.get("aud"),
        nonce=claims.get("eat_nonce"),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        token_id=encode_bytes(claims["jti"]),
        key_id=key_id,
        algorithm=algorithm,
        verifier_build=claims["ear_verifier_id"]["build"],
        verdict=_verdict(said["verdict"]),
        status=Tier(claims["ear_status"]),
        vector=_vector(appraisal["ear_trustworthiness_vector"]),
        policy_ids=appraisal.get("ear_appraisal_policy_ids", ()),
        policy_name=policy.get("name"),
        debug_allowed=policy.get("debug") == DebugMode.ALLOW,
        build=said.get("build"),
        reasons=said.get("reasons", ()),
        freshness=EarFreshness(**said["freshness"]) if "freshness" in said else None,
        attester=_attester(appraisal),
        confirmation=claims.get("cnf"),
        evidence_sha256=said["evidence_sha256"].hex(),
    )
    _refuse_contradictions(result, Tier(appraisal["ear_status"]))
    return result


def _attester(appraisal: Mapping[str, Any]) -> EarAttester | None:
    said = appraisal.get("ear_attester_claims")
    if said is None:
        return None
    return EarAttester(
        module_id=said["nitro_module_id"],
        timestamp_ms=said["nitro_timestamp_ms"],
        pcrs=MappingProxyType(said["nitro_pcrs"]),
        debug=said["dbgstat"] == DEBUG_ENABLED if "dbgstat" in said else None,
        nonce=appraisal.get("eat_nonce", said.get("nitro_nonce")),
        user_data=said.get("nitro_user_data"),
        public_key=said.get("nitro_public_key"),
        spki=appraisal.get("ear_veraison_key_attestation", {}).get("akpub"),
    )


def _refuse_contradictions(result: EarResult, status: Tier) -> None:
    """Refuse a token whose claims do not say one thing, so that it does not matter which of them is looked at."""
    affirming = [result.status is Tier.AFFIRMING, status is Tier.AFFIRMING, result.verdict is Verdict.AFFIRMED]
    if any(affirming) and not (all(affirming) and result.affirmed):
        raise EarError(EarErrorCode.CLAIM_INVALID, "claims that contradict each other about the verdict")
    if result.expires_at <= result.issued_at:
        raise EarError(EarErrorCode.CLAIM_INVALID, "exp: not after iat")
    spki = None if result.attester is None else result.attester.spki
    if not result.affirmed and (spki or result.confirmation):
        raise EarError(EarErrorCode.CLAIM_INVALID, "cnf: a key that no affirmed document holds")
    key = read_spki(spki)
    if (spki is not None and key is None) or result.confirmation != (None if key is None else jwk_of(key)):
        raise EarError(EarErrorCode.CLAIM_INVALID, "cnf: another key than the one attested")


def _verdict(word: str) -> Verdict:
    try:
        return Verdict(word)
    except ValueError as error:
        raise EarError(EarErrorCode.CLAIM_INVALID, "verdict: neither affirmed nor rejected") from error


def _vector(claims: Mapping[str, int]) -> Mapping[Trust, int]:
    return MappingProxyType({trust: claims[trust.word] for trust in Trust if trust.word in claims})
