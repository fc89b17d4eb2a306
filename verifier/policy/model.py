"""Appraisal Policies (RFC 9334 section 8.5) as values: right by construction, or never constructed.

Absence is refusal. A policy without a build, a build that leaves out what runs, an expected value that stands for
"not measured" and an empty list of allowed values are errors here, not surprises at appraisal.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

from verifier.evidence.document import MAX_FIELD_BYTES
from verifier.evidence.pcrs import IMAGE_PCRS, PCR_BYTES, ZERO, EvidenceKind
from verifier.policy.canonical import write_policy
from verifier.policy.entries import problems_of_pcrs, problems_of_window
from verifier.policy.matching import BuildIndex
from verifier.policy.nitro_tpm import problems_of_tpm_build
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

DEFAULT_MAX_AGE_MS = 5 * 60 * 1000
DEFAULT_CLOCK_SKEW_MS = 30 * 1000
MAX_MAX_AGE_MS = 366 * 24 * 3600 * 1000
MAX_CLOCK_SKEW_MS = 3600 * 1000
SIGNER_PCR = 8
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""The lower end is NIST SP 800-131A's; the upper one is all that fits public_key's 1024 bytes."""
CURVES = ("secp256r1", "secp384r1", "secp521r1", "secp256k1")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ROLE_ARN = re.compile(r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[\x21-\x7e]{1,512}")
INSTANCE_ID = re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?")


class NonceMode(StrEnum):
    """Whose nonce a document must carry."""

    REQUIRED = "required"
    """One that this verifier issued; a verifier that issues none takes the Relying Party's."""
    CALLER = "caller"
    """The one that the Relying Party names."""
    NONE = "none"
    """Any or none; one that the Relying Party names must match all the same."""


class DebugMode(StrEnum):
    """What to think of an enclave whose console its parent can read."""

    REJECT = "reject"
    ALLOW = "allow"


class MeasurementMode(StrEnum):
    """What a build is known by."""

    IMAGE = "image"
    """PCR0, PCR1 and PCR2; of a NitroTPM, PCR4 and PCR12."""
    SIGNER = "signer"
    """PCR8: any image signed with a certificate. Of a NitroTPM, PCR7: whatever its Secure Boot policy admits."""


class KeyKind(StrEnum):
    """How the document's public key is read."""

    RSA = "rsa"
    """DER SubjectPublicKeyInfo; ``bits`` applies."""
    EC = "ec"
    """DER SubjectPublicKeyInfo; ``curves`` applies."""
    RAW = "raw"
    """Bytes of a fixed length, such as an X25519 key; ``lengths`` applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Reference Values of one build: all of its PCRs must match, inside its window."""

    name: str
    pcrs: Mapping[int, bytes]
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedBuild:
    """A revoked build: a document that matches all of its PCRs is refused whatever else it matches."""

    name: str
    pcrs: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeyRule:
    """What public_key must hold; the allowed sizes are never empty."""

    kind: KeyKind
    bits: tuple[int, ...] = ()
    curves: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What must hold in addition to a build; ``None`` asks for nothing, and no list is ever empty."""

    pcr3_role_arn: tuple[str, ...] | None = None
    pcr4_instance_id: tuple[str, ...] | None = None
    pcr8: tuple[bytes, ...] | None = None
    public_key: PublicKeyRule | None = None
    user_data_sha256: tuple[bytes, ...] | None = None
    known_fields_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One Appraisal Policy for Evidence.

    Raises:
        ConfigurationError: on construction, with everything that is wrong with it.
    """

    name: str
    builds: tuple[Build, ...]
    evidence: EvidenceKind = EvidenceKind.ENCLAVE
    """The only kind of document that it ever accepts."""
    max_age_ms: int = DEFAULT_MAX_AGE_MS
    clock_skew_ms: int = DEFAULT_CLOCK_SKEW_MS
    nonce: NonceMode = NonceMode.REQUIRED
    debug: DebugMode = DebugMode.REJECT
    mode: MeasurementMode = MeasurementMode.IMAGE
    denied: tuple[DeniedBuild, ...] = ()
    require: Requirements = field(default_factory=Requirements)
    shadows: tuple[Build, ...] = ()
    """Builds that are tried: evaluated as if they were among ``builds``, and enforced in nothing."""
    shadow_of: str | None = None
    """The policy that this one shadows; it is then evaluated beside that one and decides nothing."""
    sha256: str = field(init=False, compare=False)
    """Digest of the canonical text, which ``nitro-verifier policy show`` prints."""
    index: BuildIndex[Build] = field(init=False, compare=False, repr=False)
    denied_index: BuildIndex[DeniedBuild] = field(init=False, compare=False, repr=False)
    requires_more: bool = field(init=False, compare=False, repr=False)
    """Whether anything must hold in addition to a build."""
    trial: Policy | None = field(init=False, compare=False, repr=False)
    """This policy as it would be with its shadow builds in force; ``None`` when it has none."""

    def __post_init__(self) -> None:
        """Refuse what a policy cannot mean; then digest it and index its builds."""
        problems = (
            *_problems_of_scalars(self),
            *_problems_of_kind(self),
            *_problems_of_builds(self),
            *_problems_of_requirements(self.require),
        )
        if problems:
            raise ConfigurationError(*(f"policy {self.name}: {problem}" for problem in problems))
        object.__setattr__(self, "sha256", hashlib.sha256(write_policy(self).encode()).hexdigest())
        object.__setattr__(self, "index", BuildIndex(self.builds))
        object.__setattr__(self, "denied_index", BuildIndex(self.denied))
        object.__setattr__(self, "requires_more", self.require != Requirements())
        trial = replace(self, builds=(*self.builds, *self.shadows), shadows=()) if self.shadows else None
        object.__setattr__(self, "trial", trial)

    @property
    def nonce_scope(self) -> str:
        """The name that the nonces it reads were issued for: a shadow is shown those of the policy it shadows."""
        return self.name if self.shadow_of is None else self.shadow_of


def _problems_of_scalars(policy: Policy) -> Iterator[str]:
    if not _NAME.fullmatch(policy.name):
        yield "the name must be 1 to 64 letters, digits, dots, underscores and hyphens"
    if not 0 < policy.max_age_ms <= MAX_MAX_AGE_MS:
        yield "max_age must be more than 0 and at most 366d"
    if not 0 <= policy.clock_skew_ms <= MAX_CLOCK_SKEW_MS:
        yield "clock_skew must be at most 1h"
    if policy.shadow_of is not None:
        if not _NAME.fullmatch(policy.shadow_of) or policy.shadow_of == policy.name:
            yield "shadow_of must name another policy"
        if policy.shadows:
            yield "a shadow policy decides nothing as it is: write its [[shadow]] builds as [[build]]"


def _problems_of_kind(policy: Policy) -> Iterator[str]:
    """Name what has a meaning for enclaves alone."""
    if policy.evidence is EvidenceKind.ENCLAVE:
        return
    if policy.debug is DebugMode.ALLOW:
        yield 'debug = "allow" is for enclaves; an EC2 instance has no such mode'
    for name in ("pcr3_role_arn", "pcr4_instance_id", "pcr8"):
        if getattr(policy.require, name) is not None:
            yield f"require.{name} is for enclaves: this PCR of a NitroTPM holds something else"


def _problems_of_builds(policy: Policy) -> Iterator[str]:
    if not policy.builds:
        yield "no [[build]]: nothing would ever match; add the measurements that nitro-cli build-enclave printed"
    named = Counter(build.name for build in (*policy.builds, *policy.shadows))
    for name in sorted(name for name, count in named.items() if count > 1):
        yield f"two builds are named {name!r}"
    tables = (("build", build) for build in policy.builds), (("shadow", build) for build in policy.shadows)
    for table, build in chain(*tables):
        where = f"{table} {build.name!r}"
        yield from problems_of_pcrs(where, build.name, build.pcrs)
        yield from _problems_of_measurements(where, build, policy)
        yield from problems_of_window(where, build.not_before, build.not_after)
    for denied in policy.denied:
        yield from problems_of_pcrs(f"deny {denied.name!r}", denied.name, denied.pcrs)


def _problems_of_measurements(where: str, build: Build, policy: Policy) -> Iterator[str]:
    if policy.evidence is EvidenceKind.NITRO_TPM:
        yield from problems_of_tpm_build(where, build.pcrs, by_signer=policy.mode is MeasurementMode.SIGNER)
        return
    for index in IMAGE_PCRS:
        if build.pcrs.get(index) == ZERO and policy.debug is DebugMode.REJECT:
            yield f"{where}: PCR{index} is all zero, which is what debug mode reports; take it from a normal run"
    if policy.mode is MeasurementMode.SIGNER:
        if build.pcrs.get(SIGNER_PCR, ZERO) == ZERO:
            yield f'{where}: mode = "signer" needs PCR8, and not all zero'
        return
    missing = [f"PCR{index}" for index in IMAGE_PCRS if index not in build.pcrs]
    if missing:
        absent = " and ".join(missing)
        yield f'{where}: {absent} missing; PCR0, PCR1 and PCR2 together say what runs (or mode = "signer")'


def _problems_of_requirements(require: Requirements) -> Iterator[str]:
    lists = {
        "pcr3_role_arn": require.pcr3_role_arn,
        "pcr4_instance_id": require.pcr4_instance_id,
        "pcr8": require.pcr8,
        "user_data.sha256": require.user_data_sha256,
    }
    for name, allowed in lists.items():
        if allowed is not None and not allowed:
            yield f"require.{name}: an empty list allows nothing; leave it out to ask for nothing"
    yield from _problems_of_identities(require)
    for signer in require.pcr8 or ():
        if len(signer) != PCR_BYTES or signer == ZERO:
            yield "require.pcr8: each value must be 96 hex digits and not all zero"
    for digest in require.user_data_sha256 or ():
        if len(digest) != hashlib.sha256().digest_size:
            yield "require.user_data.sha256: each value must be 64 hex digits"
    if require.public_key is not None:
        yield from _problems_of_key(require.public_key)


def _problems_of_identities(require: Requirements) -> Iterator[str]:
    for arn in require.pcr3_role_arn or ():
        if not ROLE_ARN.fullmatch(arn):
            yield f"require.pcr3_role_arn: {arn!r} is not the ARN of an IAM role (an instance profile's does not work)"
    for instance in require.pcr4_instance_id or ():
        if not INSTANCE_ID.fullmatch(instance):
            yield f"require.pcr4_instance_id: {instance!r} is not an EC2 instance id"


def _problems_of_key(rule: PublicKeyRule) -> Iterator[str]:
    sizes = {
        KeyKind.RSA: ("bits", rule.bits),
        KeyKind.EC: ("curves", rule.curves),
        KeyKind.RAW: ("lengths", rule.lengths),
    }
    for kind, (name, allowed) in sizes.items():
        if kind is rule.kind and not allowed:
            yield f'require.public_key: kind "{rule.kind}" needs {name}'
        if kind is not rule.kind and allowed:
            yield f'require.public_key: {name} does not belong to kind "{rule.kind}"'
    if not all(MIN_RSA_BITS <= bits <= MAX_RSA_BITS for bits in rule.bits):
        yield f"require.public_key: bits must be {MIN_RSA_BITS} to {MAX_RSA_BITS}"
    if not all(0 < length <= MAX_FIELD_BYTES for length in rule.lengths):
        yield f"require.public_key: lengths are in bytes, 1 to {MAX_FIELD_BYTES}"
    for curve in rule.curves:
        if curve not in CURVES:
            yield f"require.public_key: unknown curve {curve!r}; one of {', '.join(CURVES)}"
