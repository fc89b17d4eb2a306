"""The claims-sets of our tokens: draft-ietf-rats-ear-04 sections 3 and 3.1, AR4SI, RFC 9711, and claims of ours.

Inside ``ear_attester_claims`` and ``ear_verifier_claims``, maps of whatever their author says, our claims have text
keys in CBOR too. Those about the document begin with ``nitro_``.
"""

from __future__ import annotations

from types import MappingProxyType

from verifier.ear.codecs import Binary, Member, Plain, Record, Sequence, Table, Whole, Word
from verifier.ear.confirmation import Confirmation
from verifier.ear.tiers import TIER_CODES, Trust
from verifier.evidence.pcrs import PCR_BYTES, EvidenceKind

PROFILE = "tag:ietf.org,2026:rats/ear#04"
APPRAISAL_PROFILE = "urn:nitro-verifier:ear:1"
"""What the submodule holds beyond the draft; a URN, as the problem types are."""
SUBMODULES = MappingProxyType({EvidenceKind.ENCLAVE: "aws-nitro-enclave", EvidenceKind.NITRO_TPM: "aws-nitro-tpm"})
"""The label of the one appraisal in a token, by what it is of; they never change."""

MIN_NONCE_BYTES, MAX_NONCE_BYTES = 8, 64
"""RFC 9711 section 4.1."""

LAST_SECOND = 253_402_300_799
"""The end of the year 9999, since 1970: the last time that a token can name."""

DEBUG_ENABLED, DEBUG_DISABLED = "enabled", "disabled-since-boot"

_TEXT, _FLAG = Plain(str), Plain(bool)
_INTEGER, _TIME = Whole(range(-(2**63), 2**63)), Whole(range(LAST_SECOND + 1))
_TRUST = Whole(range(-128, 128))
_BYTES, _DIGEST = Binary(), Binary(hexadecimal=True, sizes=range(32, 33))
_NONCE = Binary(sizes=range(MIN_NONCE_BYTES, MAX_NONCE_BYTES + 1))
_TIER = Word({tier.value: code for tier, code in TIER_CODES.items()})
_DEBUG = Word({DEBUG_ENABLED: 0, DEBUG_DISABLED: 2})


def _ours(required: dict[str, object], optional: dict[str, object]) -> Record:
    """Describe claims that have the same name in both forms."""
    members = {name: Member(key=name, codec=codec, required=True) for name, codec in required.items()}  # type: ignore[arg-type]
    return Record(members | {name: Member(key=name, codec=codec) for name, codec in optional.items()})  # type: ignore[arg-type]


_VECTOR = Record({trust.word: Member(key=trust.value, codec=_TRUST) for trust in Trust})

_ATTESTER = Record(
    {
        "dbgstat": Member(key=263, codec=_DEBUG),
        "nitro_module_id": Member(key="nitro_module_id", codec=_TEXT, required=True),
        "nitro_timestamp_ms": Member(key="nitro_timestamp_ms", codec=_INTEGER, required=True),
        "nitro_digest": Member(key="nitro_digest", codec=_TEXT, required=True),
        "nitro_pcrs": Member(
            key="nitro_pcrs",
            codec=Table(Binary(hexadecimal=True, sizes=range(PCR_BYTES, PCR_BYTES + 1)), indexed=True),
            required=True,
        ),
        "nitro_unrecognised_fields": Member(key="nitro_unrecognised_fields", codec=_INTEGER),
        "nitro_nonce": Member(key="nitro_nonce", codec=_BYTES),
        "nitro_user_data": Member(key="nitro_user_data", codec=_BYTES),
        "nitro_public_key": Member(key="nitro_public_key", codec=_BYTES),
    }
)

_POLICY = _ours({"name": _TEXT, "sha256": _DIGEST, "debug": _TEXT}, {})
_FRESHNESS = _ours({"mode": _TEXT, "age_ms": _INTEGER, "single_use": _TEXT}, {})
_PATH = _ours({"anchor": _TEXT, "anchor_sha256": _DIGEST, "not_before": _INTEGER, "not_after": _INTEGER}, {})
_VERIFIER = _ours(
    {"verdict": _TEXT, "evaluated_at_ms": _INTEGER, "evidence_sha256": _DIGEST},
    {
        "reasons": Sequence(_TEXT),
        "policy": _POLICY,
        "build": _TEXT,
        "freshness": _FRESHNESS,
        "path": _PATH,
        "historical": _FLAG,  # never written; a token that says so is refused
    },
)

_APPRAISAL = Record(
    {
        "eat_profile": Member(key=265, codec=_TEXT, required=True),
        "ear_status": Member(key=1000, codec=_TIER, required=True),
        "ear_trustworthiness_vector": Member(key=1001, codec=_VECTOR, required=True),
        "ear_appraisal_policy_ids": Member(key=1003, codec=Sequence(_TEXT)),
        "eat_nonce": Member(key=10, codec=_NONCE),
        "ear_attester_claims": Member(key=1005, codec=_ATTESTER),
        "ear_verifier_claims": Member(key=1006, codec=_VERIFIER, required=True),
        "ear_veraison_key_attestation": Member(
            key=-70002, codec=Record({"akpub": Member(key="akpub", codec=_BYTES, required=True)})
        ),
    }
)

EAR = Record(
    {
        "iss": Member(key=1, codec=_TEXT, required=True),
        "aud": Member(key=3, codec=_TEXT),
        "exp": Member(key=4, codec=_TIME, required=True),
        "nbf": Member(key=5, codec=_TIME),
        "iat": Member(key=6, codec=_TIME, required=True),
        "jti": Member(key=7, codec=_BYTES, required=True),  # cti in a CWT
        "cnf": Member(key=8, codec=Confirmation()),
        "eat_nonce": Member(key=10, codec=_NONCE),
        "eat_profile": Member(key=265, codec=_TEXT, required=True),
        "submods": Member(key=266, codec=Table(_APPRAISAL), required=True),
        "ear_status": Member(key=1000, codec=_TIER, required=True),
        "ear_verifier_id": Member(
            key=1004,
            codec=Record(
                {
                    "developer": Member(key=0, codec=_TEXT, required=True),
                    "build": Member(key=1, codec=_TEXT, required=True),
                }
            ),
            required=True,
        ),
    }
)
"""A token's claims-set. ``exp``, ``iss`` and ``jti`` are optional to the draft; ours always have them."""
