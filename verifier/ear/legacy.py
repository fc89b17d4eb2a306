"""The older names of EAR claims, which Veraison's and Trustee's Relying Parties read today.

One profile of 2023, before the claims were renamed in draft-ietf-rats-ear-04: dots and hyphens, one policy id instead
of a list, no status but each submodule's. JSON only.
"""

from __future__ import annotations

from typing import cast

LEGACY_PROFILE = "tag:github.com,2023:veraison/ear"

_TOP = {"ear_verifier_id": "ear.verifier-id"}
_APPRAISAL = {
    "ear_status": "ear.status",
    "ear_trustworthiness_vector": "ear.trustworthiness-vector",
    "ear_attester_claims": "ear.veraison.annotated-evidence",
    "ear_verifier_claims": "ear.veraison.policy-claims",
    "ear_veraison_key_attestation": "ear.veraison.key-attestation",
}
_POLICIES, _POLICY = "ear_appraisal_policy_ids", "ear.appraisal-policy-id"


def legacy_claims(claims: object) -> dict[str, object]:
    """Give JSON claims under their older names."""
    ear = dict(cast("dict[str, object]", claims))
    del ear["ear_status"]
    submodules = cast("dict[str, dict[str, object]]", ear["submods"])
    ear |= {
        "eat_profile": LEGACY_PROFILE,
        "submods": {label: _appraisal(appraisal) for label, appraisal in submodules.items()},
    }
    return {_TOP.get(name, name): value for name, value in ear.items()}


def _appraisal(appraisal: dict[str, object]) -> dict[str, object]:
    renamed = {_APPRAISAL.get(name, name): value for name, value in appraisal.items() if name != _POLICIES}
    for policy in cast("list[str]", appraisal.get(_POLICIES, [])):
        renamed[_POLICY] = policy
    return renamed
