"""The stable codes of lints, each with its weight and its advice; docs/lints.md has a paragraph on each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Severity(StrEnum):
    """How much a lint weighs."""

    ERROR = "error"
    """The policy is refused."""
    WARNING = "warning"
    """It is valid, and lets through or keeps out what its author may not have meant."""
    NOTE = "note"
    """Good to know; wants no change."""


class LintCode(StrEnum):
    """One stable code for each thing worth a second look."""

    advice: str
    severity: Severity

    def __new__(cls, code: str, advice: str, severity: Severity = Severity.WARNING) -> Self:
        """Make a member that is its code and carries its advice."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.advice = advice
        member.severity = severity
        return member

    POLICY_INVALID = (
        "policy-invalid",
        "The verifier refuses this policy: docs/policies.md has every key.",
        Severity.ERROR,
    )
    PCR0_ALONE = (
        "pcr0-alone",
        "A changed application could go unnoticed. Name PCR0, PCR1 and PCR2; nitro-cli build-enclave prints all three.",
        Severity.ERROR,
    )
    PCR_ZERO = (
        "pcr-zero",
        "Debug mode has these zeros, whatever it runs. Take the values of a run without --debug-mode.",
        Severity.ERROR,
    )
    PATH_NOT_OPTIONAL = (
        "path-not-optional",
        "Nothing in a policy weakens the certificate path; further roots belong into the service's configuration.",
        Severity.ERROR,
    )
    MEASURED_BY_DESCRIBE_EIF = (
        "measured-by-describe-eif",
        "A crafted file shows it other values than it boots. Build or measure it yourself, then drop that comment.",
    )
    DEBUG_ALLOWED = (
        "debug-allowed",
        'For development only: whoever runs the parent instance reads the enclave\'s console. Write debug = "reject".',
    )
    DEBUG_MATCHES_ANY = (
        "debug-matches-any",
        "Debug mode zeroes these, so it matches anyone's enclave in debug mode: add require.pcr3_role_arn.",
    )
    NONCE_NONE = (
        "nonce-none",
        'A document can be shown again by anyone who has seen it until max_age is over. Write nonce = "required".',
    )
    MAX_AGE_LONG = ("max-age-long", "An enclave makes a document in milliseconds; minutes are enough.")
    MAX_AGE_VOID = (
        "max-age-void",
        "A document's certificate ends after three hours, so this limit is never reached: minutes are enough.",
    )
    CLOCK_SKEW_LONG = (
        "clock-skew-long",
        "Synchronise the verifier's clock instead: AWS's and yours differ by seconds.",
    )
    BUILD_EXPIRED = ("build-expired", "It affirms nothing any more: remove it, or extend not_after.")
    BUILD_EXPIRES_SOON = ("build-expires-soon", "Deploy its successor before that, or extend not_after.", Severity.NOTE)
    BUILD_NOT_YET_VALID = ("build-not-yet-valid", "Deploy it from then on; until then it is refused.", Severity.NOTE)
    ALL_BUILDS_EXPIRED = ("all-builds-expired", "The policy refuses every document: add a build that is still trusted.")
    BUILD_DUPLICATE = ("build-duplicate", "Keep one of them: a result can name only one.")
    BUILD_HIDDEN = ("build-hidden", "No result ever names it: remove it, or write it before the other.")
    BUILD_DENIED = ("build-denied", "A denied build never matches: remove the [[build]], or the [[deny]].")
    BUILD_CONTRADICTED = (
        "build-contradicted",
        "The build and [require] expect different values of one PCR, so it never matches: correct either.",
    )
    BUILD_IMAGE_PARTLY = (
        "build-image-partly",
        "PCR0, PCR1 and PCR2 together say what runs: name all of them or, where the signer alone shall decide, none.",
    )
    DENY_UNMEASURED = (
        "deny-unmeasured",
        "Zero stands for nothing measured, so this denies whatever has nothing there: name the revoked build's values.",
    )
    SIGNER_ANY_IMAGE = (
        "signer-any-image",
        "Every image ever signed with that certificate matches, old ones too: add a [[deny]] for each revoked one.",
    )
    SHADOW_IN_FORCE = (
        "shadow-in-force",
        "A build in force matches what it matches: its trial is over, remove it.",
    )
    SHADOW_UNREACHABLE = (
        "shadow-unreachable",
        "It would match nothing when in force, so its trial shows nothing: correct it, or what denies it.",
    )
    TPM_RESETTABLE = (
        "tpm-resettable",
        "Software on the instance can reset this PCR: rest nothing on it.",
    )
    TPM_FIRMWARE_PINNED = (
        "tpm-firmware-pinned",
        "It is of AWS's early boot code and not of your AMI, so it tells no build from another.",
        Severity.NOTE,
    )
    INSTANCE_PINNED = (
        "instance-pinned",
        "PCR4 is the hash of one EC2 instance's id: replacing the instance breaks the policy.",
        Severity.NOTE,
    )
    ROLE_OPAQUE = (
        "role-opaque",
        "PCR3 is the hash of an IAM role's ARN: require.pcr3_role_arn says the same in words.",
        Severity.NOTE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """One thing worth a second look."""

    code: LintCode
    detail: str
