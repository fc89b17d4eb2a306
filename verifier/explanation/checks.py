"""What is checked, by names that do not change, and which check each reason belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from verifier.reasons import Reason

if TYPE_CHECKING:
    from verifier.policy.findings import Finding


class Origin(StrEnum):
    """How far it was proven who made the document."""

    PROVEN = "proven"
    PROVEN_AT_ANOTHER_TIME = "proven-at-another-time"
    """Rightly signed, by certificates that are not valid at the time of verification."""
    UNPROVEN = "unproven"
    """Anybody may have written it."""


class CheckOutcome(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"
    """Nothing to be said, because of what failed before or because it is not looked at here."""


class CheckName(StrEnum):
    """Every check, in the order in which evidence flows."""

    question: str

    def __new__(cls, value: str, question: str) -> Self:
        """Make a member that is its name and carries what it asks."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.question = question
        return member

    ENVELOPE = "envelope", "a COSE_Sign1 message, ES384"
    DOCUMENT = "document", "an attestation document"
    ANCHOR = "anchor", "begins at a trusted root"
    PATH = "path", "certificates in order, each fit for its place"
    VALIDITY = "validity", "all certificates valid at this time"
    ISSUERS = "issuers", "each certificate signed by the one before"
    SIGNATURE = "signature", "document signed by the last certificate's key"
    POLICY = "policy", "there is a policy to appraise by"
    KIND = "kind", "of the kind that the policy is for"
    MEASURED = "measured", "measured, and not in debug mode"
    DENIED = "denied", "no denied build"
    BUILD = "build", "a build that the policy trusts"
    ROLE = "role", "IAM role of the parent (PCR3)"
    INSTANCE = "instance", "parent instance (PCR4)"
    SIGNER = "signer", "image signing certificate (PCR8)"
    PUBLIC_KEY = "public-key", "a public_key of an accepted kind"
    USER_DATA = "user-data", "user_data that the policy names"
    KNOWN_FIELDS = "known-fields", "no fields that this version does not know"
    AGE = "age", "neither too old nor of the future"
    CERTIFICATE_TIME = "certificate-time", "made while its certificate was valid"
    NONCE = "nonce", "carries the right nonce"
    SINGLE_USE = "single-use", "its nonce was not used before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check and what came of it."""

    name: CheckName
    outcome: CheckOutcome
    findings: tuple[Finding, ...] = ()
    note: str = ""
    """For people: what was found, or why it was not looked at."""
    unproven: bool = False
    """True when the check looked at what anybody may have written."""


PATH_CHECKS = (CheckName.ANCHOR, CheckName.PATH, CheckName.VALIDITY, CheckName.ISSUERS)
ORIGIN_CHECKS = (CheckName.ENVELOPE, CheckName.DOCUMENT, *PATH_CHECKS, CheckName.SIGNATURE)
APPRAISAL_CHECKS = tuple(name for name in CheckName if name not in ORIGIN_CHECKS)

_BY_STAGE = {
    "evidence": CheckName.ENVELOPE,
    "envelope": CheckName.ENVELOPE,
    "document": CheckName.DOCUMENT,
    "path": CheckName.PATH,
    "signature": CheckName.SIGNATURE,
    "measurement": CheckName.BUILD,
    "freshness": CheckName.NONCE,
}
_BY_REASON = {
    Reason.DOCUMENT_FIELD_UNRECOGNISED: CheckName.KNOWN_FIELDS,
    Reason.DOCUMENT_NITRO_TPM: CheckName.KIND,
    Reason.DOCUMENT_ENCLAVE: CheckName.KIND,
    Reason.PATH_ROOT_UNTRUSTED: CheckName.ANCHOR,
    Reason.PATH_EXPIRED: CheckName.VALIDITY,
    Reason.PATH_NOT_YET_VALID: CheckName.VALIDITY,
    Reason.PATH_SIGNATURE_INVALID: CheckName.ISSUERS,
    Reason.PATH_KEY_UNSUPPORTED: CheckName.ISSUERS,
    Reason.MEASUREMENT_NO_POLICY: CheckName.POLICY,
    Reason.MEASUREMENT_DEBUG_MODE: CheckName.MEASURED,
    Reason.MEASUREMENT_UNMEASURED: CheckName.MEASURED,
    Reason.MEASUREMENT_BUILD_DENIED: CheckName.DENIED,
    Reason.MEASUREMENT_ROLE_MISMATCH: CheckName.ROLE,
    Reason.MEASUREMENT_INSTANCE_MISMATCH: CheckName.INSTANCE,
    Reason.MEASUREMENT_SIGNER_MISMATCH: CheckName.SIGNER,
    Reason.BINDING_PUBLIC_KEY_ABSENT: CheckName.PUBLIC_KEY,
    Reason.BINDING_PUBLIC_KEY_UNACCEPTABLE: CheckName.PUBLIC_KEY,
    Reason.BINDING_USER_DATA_ABSENT: CheckName.USER_DATA,
    Reason.BINDING_USER_DATA_MISMATCH: CheckName.USER_DATA,
    Reason.FRESHNESS_TOO_OLD: CheckName.AGE,
    Reason.FRESHNESS_IN_FUTURE: CheckName.AGE,
    Reason.FRESHNESS_OUTSIDE_CERTIFICATE: CheckName.CERTIFICATE_TIME,
    Reason.FRESHNESS_NONCE_REPLAYED: CheckName.SINGLE_USE,
}


def check_of(reason: Reason) -> CheckName:
    """Give the check that a reason is the failure of."""
    return _BY_REASON.get(reason) or _BY_STAGE[reason.stage]
