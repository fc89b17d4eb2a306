"""A policy's measurements as conditions of an AWS KMS key policy.

KMS compares the attestation document's PCRs with ``kms:RecipientAttestation:PCRn``, those of a NitroTPM with
``kms:RecipientAttestation:NitroTPMPCRn``. One statement for each build, since
lists in one condition would also allow one build's PCR0 with another's PCR8. A condition fails where the request
carries no document. What KMS cannot compare (nonce, age, user_data, public_key) is named, so that nobody counts on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import IMAGE_PCRS, ZERO, EvidenceKind
from verifier.policy.measurements import pcr_of_text
from verifier.policy.model import SIGNER_PCR, DebugMode, MeasurementMode, NonceMode
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from verifier.policy.model import Build, DeniedBuild, Policy

KEY_PREFIX = "kms:RecipientAttestation:"
RECIPIENT_ACTIONS = ("kms:Decrypt", "kms:DeriveSharedSecret", "kms:GenerateDataKey", "kms:GenerateDataKeyPair")
"""The operations on a key that take a document; GenerateRandom does too, but is granted by no key policy."""
PLACEHOLDER_PRINCIPAL = "REPLACE-WITH-THE-ARN-OF-THE-PARENT-INSTANCE-ROLE"

_EQUALS, _DIFFERS = "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"
_ROLE_PCR, _INSTANCE_PCR = 3, 4

Statement = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """Statements for a key policy, and what they leave to the verifier."""

    statements: tuple[Statement, ...]
    unsaid: tuple[str, ...]


def key_policy(policy: Policy, principals: tuple[str, ...] = ()) -> KeyPolicy:
    """Write the conditions that say what a policy says of measurements.

    Args:
        policy: its builds, denied builds and required role, instance and signer are written.
        principals: ARNs that may use the key; without them the roles that the policy requires, or a placeholder.

    Raises:
        ConfigurationError: a build expects zeros or contradicts ``[require]``; no statement may stand for it.
    """
    who = principals or policy.require.pcr3_role_arn or (PLACEHOLDER_PRINCIPAL,)
    allowed = (_allow(build, policy, who) for build in policy.builds)
    denied = (_deny(build, policy.evidence) for build in policy.denied)
    return KeyPolicy(statements=(*allowed, *denied), unsaid=tuple(_unsaid(policy)))


def _allow(build: Build, policy: Policy, principals: tuple[str, ...]) -> Statement:
    kind = policy.evidence
    conditions: dict[str, dict[str, object]] = {_EQUALS: _conditions(_expected(build, policy), kind)}
    if policy.mode is MeasurementMode.SIGNER and kind is EvidenceKind.ENCLAVE:
        # A signer says nothing of debug mode, which shows as PCR0, PCR1 and PCR2 of zeros.
        unnamed = {index: (ZERO,) for index in IMAGE_PCRS if index not in build.pcrs}
        conditions[_DIFFERS] = _conditions(unnamed, kind)
    if build.not_before is not None:
        conditions["DateGreaterThanEquals"] = {"aws:CurrentTime": _moment(build.not_before)}
    if build.not_after is not None:
        conditions["DateLessThanEquals"] = {"aws:CurrentTime": _moment(build.not_after)}
    return {
        "Sid": _sid("Allow", build.name),
        "Effect": "Allow",
        "Principal": {"AWS": _one_or_many(principals)},
        "Action": list(RECIPIENT_ACTIONS),
        "Resource": "*",
        "Condition": {operator: keys for operator, keys in conditions.items() if keys},
    }


def _deny(build: DeniedBuild, kind: EvidenceKind) -> Statement:
    return {
        "Sid": _sid("Deny", build.name),
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(RECIPIENT_ACTIONS),
        "Resource": "*",
        "Condition": {_EQUALS: _conditions({index: (value,) for index, value in build.pcrs.items()}, kind)},
    }


def _expected(build: Build, policy: Policy) -> Mapping[int, tuple[bytes, ...]]:
    """Give what each PCR may be: what the build names, and of it what the policy requires."""
    expected: dict[int, tuple[bytes, ...]] = {index: (value,) for index, value in build.pcrs.items()}
    for index, allowed in _required(policy).items():
        named = expected.get(index, allowed)
        expected[index] = tuple(value for value in allowed if value in named)
        if not expected[index]:
            raise _mistake(build, f"names a PCR{index} that [require] does not allow, so nothing matches it")
    if policy.evidence is EvidenceKind.ENCLAVE and any(expected.get(index) == (ZERO,) for index in IMAGE_PCRS):
        raise _mistake(build, "expects zeros, which every enclave in debug mode has")
    return expected


def _required(policy: Policy) -> Mapping[int, tuple[bytes, ...]]:
    require = policy.require
    required = {
        _ROLE_PCR: tuple(map(pcr_of_text, require.pcr3_role_arn or ())),
        _INSTANCE_PCR: tuple(map(pcr_of_text, require.pcr4_instance_id or ())),
        SIGNER_PCR: require.pcr8 or (),
    }
    return {index: values for index, values in required.items() if values}


def _unsaid(policy: Policy) -> Iterator[str]:
    yield "max_age: KMS has a limit of its own"
    if policy.nonce is not NonceMode.NONE:
        yield "nonce: KMS compares none"
    if policy.require.public_key is not None:
        yield "require.public_key: KMS asks for an RSA key in the document and encrypts to it"
    if policy.require.user_data_sha256 is not None:
        yield "require.user_data: KMS does not look at it"
    if policy.require.known_fields_only:
        yield "require.known_fields_only: KMS does not look at it"
    if policy.debug is DebugMode.ALLOW:
        yield 'debug = "allow": zeros are never written into a condition, so enclaves in debug mode are refused'


def _conditions(pcrs: Mapping[int, tuple[bytes, ...]], kind: EvidenceKind) -> dict[str, object]:
    prefix = KEY_PREFIX if kind is EvidenceKind.ENCLAVE else f"{KEY_PREFIX}NitroTPM"
    return {f"{prefix}PCR{index}": _one_or_many(tuple(value.hex() for value in pcrs[index])) for index in sorted(pcrs)}


def _one_or_many(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _sid(effect: str, name: str) -> str:
    """Name a statement; KMS takes letters, digits and blanks."""
    return f"{effect} " + "".join(char if char.isascii() and char.isalnum() else " " for char in name)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _mistake(build: Build, problem: str) -> ConfigurationError:
    return ConfigurationError(f"build {build.name!r}: {problem}")
