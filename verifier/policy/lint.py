"""What a policy allows that its author may not have meant: valid, but worth a second look.

A lint has a stable code, as a ``Reason`` has. Errors are the model's work; nothing here refuses a policy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from verifier.evidence.pcrs import IMAGE_PCRS, ZERO
from verifier.policy.canonical import write_duration
from verifier.policy.matching import matches
from verifier.policy.measurements import pcr_of_text
from verifier.policy.model import SIGNER_PCR, DebugMode, MeasurementMode, NonceMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from verifier.policy.model import Build, Policy

LONG_MAX_AGE_MS = 3600 * 1000
LONG_CLOCK_SKEW_MS = 5 * 60 * 1000
EXPIRES_SOON = timedelta(days=14)

_ROLE_PCR, _INSTANCE_PCR = 3, 4


class LintCode(StrEnum):
    """One stable code for each thing worth a second look, with the advice that goes with it."""

    advice: str
    is_note: bool

    def __new__(cls, code: str, advice: str, is_note: bool = False) -> Self:  # noqa: FBT001, FBT002 - enum values
        """Make a member that is its code and carries its advice; a note is good to know and wants no change."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.advice = advice
        member.is_note = is_note
        return member

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
    CLOCK_SKEW_LONG = (
        "clock-skew-long",
        "Synchronise the verifier's clock instead: AWS's and yours differ by seconds.",
    )
    BUILD_EXPIRED = ("build-expired", "It affirms nothing any more: remove it, or extend not_after.")
    BUILD_EXPIRES_SOON = ("build-expires-soon", "Deploy its successor before that, or extend not_after.", True)
    ALL_BUILDS_EXPIRED = ("all-builds-expired", "The policy refuses every document: add a build that is still trusted.")
    BUILD_DUPLICATE = ("build-duplicate", "Keep one of them: a result can name only one.")
    BUILD_DENIED = ("build-denied", "A denied build never matches: remove the [[build]], or the [[deny]].")
    BUILD_CONTRADICTED = (
        "build-contradicted",
        "The build and [require] expect different values of one PCR, so it never matches: correct either.",
    )
    SIGNER_ANY_IMAGE = (
        "signer-any-image",
        "Every image ever signed with that certificate matches, old ones too: add a [[deny]] for each revoked one.",
    )
    INSTANCE_PINNED = (
        "instance-pinned",
        "PCR4 is the hash of one EC2 instance's id: replacing the instance breaks the policy.",
        True,
    )
    ROLE_OPAQUE = (
        "role-opaque",
        "PCR3 is the hash of an IAM role's ARN: require.pcr3_role_arn says the same in words.",
        True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """One thing worth a second look."""

    code: LintCode
    detail: str


def lint_policy(policy: Policy, at: datetime) -> tuple[Lint, ...]:
    """Look a valid policy over as of ``at``."""
    return (*_lint_scalars(policy), *_lint_windows(policy, at), *_lint_builds(policy), *_lint_scope(policy))


def _lint_scalars(policy: Policy) -> Iterator[Lint]:
    if policy.debug is DebugMode.ALLOW:
        yield Lint(code=LintCode.DEBUG_ALLOWED, detail="debug mode is allowed")
        for build in policy.builds:
            if build.pcrs.keys() | _required(policy).keys() <= set(IMAGE_PCRS):
                yield Lint(code=LintCode.DEBUG_MATCHES_ANY, detail=f"build {build.name} names no PCR but 0, 1 and 2")
    if policy.nonce is NonceMode.NONE:
        yield Lint(code=LintCode.NONCE_NONE, detail="no nonce is asked for")
    if policy.max_age_ms > LONG_MAX_AGE_MS:
        detail = f"max_age is {write_duration(policy.max_age_ms)}, more than {write_duration(LONG_MAX_AGE_MS)}"
        yield Lint(code=LintCode.MAX_AGE_LONG, detail=detail)
    if policy.clock_skew_ms > LONG_CLOCK_SKEW_MS:
        detail = f"clock_skew is {write_duration(policy.clock_skew_ms)}, more than {write_duration(LONG_CLOCK_SKEW_MS)}"
        yield Lint(code=LintCode.CLOCK_SKEW_LONG, detail=detail)


def _lint_windows(policy: Policy, at: datetime) -> Iterator[Lint]:
    expired = [build for build in policy.builds if build.not_after is not None and build.not_after < at]
    for build in expired:
        yield Lint(code=LintCode.BUILD_EXPIRED, detail=f"build {build.name} was trusted until {build.not_after}")
    for build in policy.builds:
        if build.not_after is not None and at <= build.not_after < at + EXPIRES_SOON:
            detail = f"build {build.name} is trusted until {build.not_after}"
            yield Lint(code=LintCode.BUILD_EXPIRES_SOON, detail=detail)
    if len(expired) == len(policy.builds):
        yield Lint(code=LintCode.ALL_BUILDS_EXPIRED, detail="no build is trusted any more")


def _lint_builds(policy: Policy) -> Iterator[Lint]:
    by_pcrs: dict[frozenset[tuple[int, bytes]], list[str]] = defaultdict(list)
    for build in policy.builds:
        by_pcrs[frozenset(build.pcrs.items())].append(build.name)
    for names in by_pcrs.values():
        if len(names) > 1:
            yield Lint(code=LintCode.BUILD_DUPLICATE, detail=f"builds {', '.join(names)} have the same PCRs")
    for build in policy.builds:
        for denied in policy.denied:
            if matches(denied, build.pcrs):
                yield Lint(code=LintCode.BUILD_DENIED, detail=f"build {build.name} is denied as {denied.name}")
        for index in _contradicted(build, policy):
            yield Lint(code=LintCode.BUILD_CONTRADICTED, detail=f"PCR{index} of build {build.name} is not in [require]")


def _contradicted(build: Build, policy: Policy) -> Iterator[int]:
    for index, allowed in _required(policy).items():
        if index in build.pcrs and build.pcrs[index] not in allowed:
            yield index


def _required(policy: Policy) -> Mapping[int, tuple[bytes, ...]]:
    require = policy.require
    asked = {
        _ROLE_PCR: None if require.pcr3_role_arn is None else tuple(map(pcr_of_text, require.pcr3_role_arn)),
        _INSTANCE_PCR: None if require.pcr4_instance_id is None else tuple(map(pcr_of_text, require.pcr4_instance_id)),
        SIGNER_PCR: require.pcr8,
    }
    return {index: allowed for index, allowed in asked.items() if allowed is not None}


def _lint_scope(policy: Policy) -> Iterator[Lint]:
    for build in policy.builds:
        if policy.mode is MeasurementMode.SIGNER and not policy.denied and not build.pcrs.keys() & {*IMAGE_PCRS}:
            yield Lint(
                code=LintCode.SIGNER_ANY_IMAGE,
                detail=f"build {build.name} names a signer and no image, and nothing is denied",
            )
        if _INSTANCE_PCR in build.pcrs:
            yield Lint(code=LintCode.INSTANCE_PINNED, detail=f"build {build.name} names PCR4")
        if build.pcrs.get(_ROLE_PCR, ZERO) != ZERO:
            yield Lint(code=LintCode.ROLE_OPAQUE, detail=f"build {build.name} names PCR3 by its value")
    if policy.require.pcr4_instance_id is not None:
        yield Lint(code=LintCode.INSTANCE_PINNED, detail="[require] names instances")
