"""What a policy allows that its author may not have meant: valid, but worth a second look.

Errors are the model's work; nothing here refuses a policy. ``lint_text`` looks at files, refused ones too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import IMAGE_PCRS, ZERO, EvidenceKind
from verifier.policy.canonical import write_duration
from verifier.policy.lint_builds import is_over, lint_builds, lint_shadows, required_pcrs
from verifier.policy.lint_codes import Lint, LintCode
from verifier.policy.model import SIGNER_PCR, DebugMode, MeasurementMode, NonceMode
from verifier.policy.nitro_tpm import FIRMWARE_PCRS, RESETTABLE_PCRS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from verifier.policy.model import Build, Policy

LONG_MAX_AGE_MS = 3600 * 1000
CERTIFICATE_LIFE_MS = 3 * 3600 * 1000
"""Of the certificate that signs a document; AWS backdates it by seconds."""
LONG_CLOCK_SKEW_MS = 5 * 60 * 1000
EXPIRES_SOON = timedelta(days=14)

_ROLE_PCR, _INSTANCE_PCR = 3, 4


def lint_policy(policy: Policy, at: datetime) -> tuple[Lint, ...]:
    """Look a valid policy over as of ``at``."""
    return (
        *_lint_scalars(policy),
        *_lint_windows(policy, at),
        *lint_builds(policy),
        *lint_shadows(policy, at),
        *_lint_scope(policy),
    )


def _lint_scalars(policy: Policy) -> Iterator[Lint]:
    if policy.debug is DebugMode.ALLOW:
        yield Lint(code=LintCode.DEBUG_ALLOWED, detail="debug mode is allowed")
        for build in policy.builds:
            if build.pcrs.keys() | required_pcrs(policy).keys() <= set(IMAGE_PCRS):
                yield Lint(code=LintCode.DEBUG_MATCHES_ANY, detail=f"build {build.name} names no PCR but 0, 1 and 2")
    if policy.nonce is NonceMode.NONE:
        yield Lint(code=LintCode.NONCE_NONE, detail="no nonce is asked for")
    yield from _lint_times(policy)


def _lint_times(policy: Policy) -> Iterator[Lint]:
    age = write_duration(policy.max_age_ms)
    if policy.max_age_ms >= CERTIFICATE_LIFE_MS:
        yield Lint(code=LintCode.MAX_AGE_VOID, detail=f"max_age is {age}, and no document is verifiable for so long")
    elif policy.max_age_ms > LONG_MAX_AGE_MS:
        detail = f"max_age is {age}, more than {write_duration(LONG_MAX_AGE_MS)}"
        yield Lint(code=LintCode.MAX_AGE_LONG, detail=detail)
    if policy.clock_skew_ms > LONG_CLOCK_SKEW_MS:
        detail = f"clock_skew is {write_duration(policy.clock_skew_ms)}, more than {write_duration(LONG_CLOCK_SKEW_MS)}"
        yield Lint(code=LintCode.CLOCK_SKEW_LONG, detail=detail)


def _lint_windows(policy: Policy, at: datetime) -> Iterator[Lint]:
    for build in policy.builds:
        if is_over(build, at):
            yield Lint(code=LintCode.BUILD_EXPIRED, detail=f"build {build.name} was trusted until {build.not_after}")
    for build in policy.builds:
        if build.not_after is not None and at <= build.not_after < at + EXPIRES_SOON:
            detail = f"build {build.name} is trusted until {build.not_after}"
            yield Lint(code=LintCode.BUILD_EXPIRES_SOON, detail=detail)
        if build.not_before is not None and build.not_before > at:
            detail = f"build {build.name} is trusted from {build.not_before} on"
            yield Lint(code=LintCode.BUILD_NOT_YET_VALID, detail=detail)
    if all(is_over(build, at) for build in policy.builds):
        yield Lint(code=LintCode.ALL_BUILDS_EXPIRED, detail="no build is trusted any more")


def _lint_scope(policy: Policy) -> Iterator[Lint]:
    for build in policy.builds:
        if policy.evidence is EvidenceKind.NITRO_TPM:
            yield from _lint_tpm_pcrs(build)
            continue
        if policy.mode is MeasurementMode.SIGNER:
            yield from _lint_signer(build, policy)
        if _INSTANCE_PCR in build.pcrs:
            yield Lint(code=LintCode.INSTANCE_PINNED, detail=f"build {build.name} names PCR4")
        if build.pcrs.get(_ROLE_PCR, ZERO) != ZERO:
            yield Lint(code=LintCode.ROLE_OPAQUE, detail=f"build {build.name} names PCR3 by its value")
    if policy.require.pcr4_instance_id is not None:
        yield Lint(code=LintCode.INSTANCE_PINNED, detail="[require] names instances")


def _lint_signer(build: Build, policy: Policy) -> Iterator[Lint]:
    named = [index for index in IMAGE_PCRS if index in build.pcrs]
    if not named and not policy.denied:
        detail = f"build {build.name} names a signer and no image, and nothing is denied"
        yield Lint(code=LintCode.SIGNER_ANY_IMAGE, detail=detail)
    elif 0 < len(named) < len(IMAGE_PCRS):
        listed = " and ".join(f"PCR{index}" for index in named)
        detail = f"build {build.name} names {listed} beside PCR{SIGNER_PCR}"
        yield Lint(code=LintCode.BUILD_IMAGE_PARTLY, detail=detail)


def _lint_tpm_pcrs(build: Build) -> Iterator[Lint]:
    for indices, code in ((RESETTABLE_PCRS, LintCode.TPM_RESETTABLE), (FIRMWARE_PCRS, LintCode.TPM_FIRMWARE_PINNED)):
        for index in indices:
            if index in build.pcrs:
                yield Lint(code=code, detail=f"build {build.name} names PCR{index}")
