"""Which trustworthiness claims (draft-ietf-rats-ar4si section 2.3) each finding stands for.

An affirming token has a vector of affirming values only, and says nothing of what a document cannot prove: memory
encryption, file systems, storage, data. ``executables`` is never more than 3, "approved during boot", because PCRs say
nothing of what was loaded later.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from verifier.ear.tiers import Trust
from verifier.reasons import Reason
from verifier.result import Affirmed, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.result import AttestationResult, Claims

_GENUINE, _RECOGNISED, _APPROVED, _APPROVED_AT_BOOT = 2, 2, 2, 3
_CANNOT_VOUCH, _UNRECOGNISED_CODE, _UNAVAILABLE = 32, 33, 36
_CONTRAINDICATED, _UNRECOGNISED_INSTANCE, _CRYPTO_FAILED = 96, 97, 99

_CODE, _SETUP, _INSTANCE = Trust.EXECUTABLES, Trust.CONFIGURATION, Trust.INSTANCE_IDENTITY

FINDINGS: Mapping[Reason, Mapping[Trust, int]] = MappingProxyType(
    {
        Reason.MEASUREMENT_DEBUG_MODE: {_SETUP: _CONTRAINDICATED, _CODE: _UNRECOGNISED_CODE},
        Reason.MEASUREMENT_UNMEASURED: {_SETUP: _UNAVAILABLE, _CODE: _UNRECOGNISED_CODE},
        Reason.MEASUREMENT_BUILD_DENIED: {_CODE: _CONTRAINDICATED},
        Reason.MEASUREMENT_PCR_MISMATCH: {_CODE: _UNRECOGNISED_CODE},
        Reason.MEASUREMENT_PCR_ABSENT: {_SETUP: _UNAVAILABLE, _CODE: _UNRECOGNISED_CODE},
        Reason.MEASUREMENT_BUILD_EXPIRED: {_CODE: _CANNOT_VOUCH},
        Reason.MEASUREMENT_BUILD_NOT_YET_VALID: {_CODE: _CANNOT_VOUCH},
        Reason.MEASUREMENT_ROLE_MISMATCH: {_SETUP: _CONTRAINDICATED},
        Reason.MEASUREMENT_SIGNER_MISMATCH: {_SETUP: _CONTRAINDICATED},
        Reason.MEASUREMENT_INSTANCE_MISMATCH: {_INSTANCE: _UNRECOGNISED_INSTANCE},
        Reason.BINDING_PUBLIC_KEY_ABSENT: {_SETUP: _UNAVAILABLE},
        Reason.BINDING_PUBLIC_KEY_UNACCEPTABLE: {_SETUP: _CONTRAINDICATED},
        Reason.BINDING_USER_DATA_ABSENT: {_SETUP: _UNAVAILABLE},
        Reason.BINDING_USER_DATA_MISMATCH: {_SETUP: _CONTRAINDICATED},
        Reason.DOCUMENT_FIELD_UNRECOGNISED: {_SETUP: _UNAVAILABLE},
    }
)
"""What each finding about an authentic and fresh document does to the vector. A finding that is not here, such as any
about freshness, makes all of it 99: better no detail than a wrong one."""

_PINNED = {Reason.MEASUREMENT_ROLE_MISMATCH: 3, Reason.MEASUREMENT_SIGNER_MISMATCH: 8}
_ALL_FAILED = MappingProxyType(dict.fromkeys(Trust, _CRYPTO_FAILED))
_NOT_COMPARED = MappingProxyType({Trust.HARDWARE: _GENUINE})


def trust_vector(result: AttestationResult) -> Mapping[Trust, int]:
    """Give the vector of a result; places that nothing is said about are absent."""
    match result:
        case Affirmed():
            return _approved(result)
        case Rejected():
            return _vector_of_rejected(result)
        case _:
            assert_never(result)


def is_believed(result: AttestationResult) -> bool:
    """Tell whether what the document says may be repeated: it is authentic, fresh, and refused for nothing unknown."""
    if isinstance(result, Affirmed):
        return True
    known = FINDINGS.keys() | {Reason.MEASUREMENT_NO_POLICY}
    return result.unaffirmed_claims is not None and known.issuperset(result.reasons)


def _approved(result: AttestationResult) -> dict[Trust, int]:
    vector = {Trust.HARDWARE: _GENUINE, _SETUP: _APPROVED, _CODE: _APPROVED_AT_BOOT}
    if result.policy is not None and result.policy.pins_instance:
        vector[_INSTANCE] = _RECOGNISED
    return vector


def _vector_of_rejected(result: Rejected) -> Mapping[Trust, int]:
    claims = result.unaffirmed_claims
    if claims is None or not is_believed(result):
        return _ALL_FAILED
    if result.policy is None:
        return _NOT_COMPARED
    vector = _approved(result)
    for reason in result.reasons:
        for place, value in _of(reason, claims).items():
            vector[place] = max(value, vector.get(place, 0))
    return vector


def _of(reason: Reason, claims: Claims) -> Mapping[Trust, int]:
    """Give what a finding stands for; a register that the policy wants and the document lacks is unavailable."""
    if reason in _PINNED and _PINNED[reason] not in claims.pcrs:
        return {_SETUP: _UNAVAILABLE}
    return FINDINGS.get(reason, {})
