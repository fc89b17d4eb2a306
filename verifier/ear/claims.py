"""What a result says as EAR claims (draft-ietf-rats-ear-04), and what of the document it may repeat.

An unauthenticated sender chooses no byte of what is signed: of a document whose origin was not proven, or that was not
fresh, a token has the SHA-256 and nothing else. Of a document that was refused for other reasons it has what the Nitro
Secure Module vouches for. What the enclave chose (public key, user_data, a nonce nobody asked for) is in affirmed
results alone, and names of unknown fields are only counted: anybody can run an enclave.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from verifier.ear.confirmation import jwk_of, read_spki
from verifier.ear.schema import (
    APPRAISAL_PROFILE,
    DEBUG_DISABLED,
    DEBUG_ENABLED,
    MAX_NONCE_BYTES,
    MIN_NONCE_BYTES,
    PROFILE,
    SUBMODULES,
)
from verifier.ear.strict_json import encode_bytes
from verifier.ear.tiers import Tier
from verifier.ear.vector import is_believed, trust_vector
from verifier.evidence.pcrs import EvidenceKind, unmeasured
from verifier.policy.freshness import FreshnessMode
from verifier.result import Affirmed

if TYPE_CHECKING:
    from verifier.policy.freshness import Freshness
    from verifier.result import AttestationResult, Claims, PolicyReference

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def claims_of(result: AttestationResult) -> dict[str, object]:
    """Give the claims that follow from the result alone, by their JSON names; ``None`` stands for absence."""
    status = Tier.AFFIRMING if isinstance(result, Affirmed) else Tier.CONTRAINDICATED
    key = read_spki(result.claims.public_key) if isinstance(result, Affirmed) else None
    return {
        "eat_profile": PROFILE,
        "ear_status": status,
        "submods": {SUBMODULES[_kind_of(result)]: _appraisal(result, status, attested=key is not None)},
        "cnf": None if key is None else jwk_of(key),
    }


def _kind_of(result: AttestationResult) -> EvidenceKind:
    """Give what a document was appraised as: whoever reads an enclave's appraisal shall not be given an instance's."""
    return EvidenceKind.ENCLAVE if result.policy is None else result.policy.evidence


def _appraisal(result: AttestationResult, status: Tier, *, attested: bool) -> dict[str, object]:
    """Give the one submodule. ``attested`` says that the document's public key may be relied on as one."""
    document = document_of(result) if is_believed(result) else None
    appraisal: dict[str, object] = {
        "eat_profile": APPRAISAL_PROFILE,
        "ear_status": status,
        "ear_trustworthiness_vector": {trust.word: value for trust, value in trust_vector(result).items()},
        "ear_appraisal_policy_ids": None if result.policy is None else (_name_of(result.policy),),
        "ear_verifier_claims": _verifier_claims(result, document),
    }
    if document is not None:
        appraisal |= _attester_claims(document, result)
    if document is not None and attested:
        appraisal["ear_veraison_key_attestation"] = {"akpub": document.public_key}
    return appraisal


def document_of(result: AttestationResult) -> Claims | None:
    """Give what the document says, whatever was thought of it; ``None`` when its origin was not proven."""
    return result.claims if isinstance(result, Affirmed) else result.unaffirmed_claims


def _attester_claims(document: Claims, result: AttestationResult) -> dict[str, object]:
    affirmed = isinstance(result, Affirmed)
    nonce = document.nonce if affirmed or _was_asked_for(result.freshness) else None
    fits = nonce is not None and MIN_NONCE_BYTES <= len(nonce) <= MAX_NONCE_BYTES
    said = {
        "dbgstat": _debug_status(document),
        "nitro_module_id": document.module_id,
        "nitro_timestamp_ms": milliseconds(document.timestamp),
        "nitro_digest": document.digest,
        "nitro_pcrs": dict(document.pcrs),
        "nitro_unrecognised_fields": len(document.unrecognised) or None,
        "nitro_nonce": None if fits else nonce,
        "nitro_user_data": document.user_data if affirmed else None,
        "nitro_public_key": document.public_key if affirmed else None,
    }
    return {"ear_attester_claims": said, "eat_nonce": nonce if fits else None}


def _was_asked_for(freshness: Freshness | None) -> bool:
    """Tell whether the document's nonce was compared with one that we, or the Relying Party, had made."""
    return freshness is not None and freshness.mode is not FreshnessMode.NONE


def _debug_status(document: Claims) -> str | None:
    if document.debug:
        return DEBUG_ENABLED
    known = document.kind is EvidenceKind.ENCLAVE and not unmeasured(document.pcrs)
    return DEBUG_DISABLED if known else None


def _verifier_claims(result: AttestationResult, document: Claims | None) -> dict[str, object]:
    return {
        "verdict": result.verdict.value,
        "reasons": None if isinstance(result, Affirmed) else tuple(dict.fromkeys(r.value for r in result.reasons)),
        "policy": None if result.policy is None else _policy(result.policy),
        "build": result.build if isinstance(result, Affirmed) else None,
        "freshness": None if result.freshness is None else _freshness(result.freshness),
        "path": None if document is None else _path(document),
        "evaluated_at_ms": milliseconds(result.evaluated_at),
        "evidence_sha256": bytes.fromhex(result.evidence_sha256),
    }


def _policy(policy: PolicyReference) -> dict[str, object]:
    return {"name": policy.name, "sha256": bytes.fromhex(policy.sha256), "debug": policy.debug.value}


def _name_of(policy: PolicyReference) -> str:
    """Name a policy by the digest of its canonical text, as RFC 6920 writes it."""
    return f"ni:///sha-256;{encode_bytes(bytes.fromhex(policy.sha256))}"


def _freshness(freshness: Freshness) -> dict[str, object]:
    return {"mode": freshness.mode.value, "age_ms": freshness.age_ms, "single_use": freshness.single_use.value}


def _path(document: Claims) -> dict[str, object]:
    return {
        "anchor": document.anchor.name,
        "anchor_sha256": bytes.fromhex(document.anchor.sha256),
        "not_before": milliseconds(document.not_before) // 1000,
        "not_after": milliseconds(document.not_after) // 1000,
    }


def milliseconds(moment: datetime) -> int:
    """Give a time as milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
