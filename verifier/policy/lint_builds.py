"""Builds that never decide anything: twice there, hidden by another, denied, contradicted, or tried for nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import IMAGE_PCRS, ZERO, EvidenceKind
from verifier.policy.lint_codes import Lint, LintCode
from verifier.policy.matching import BuildIndex
from verifier.policy.measurements import pcr_of_text
from verifier.policy.model import SIGNER_PCR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from verifier.policy.model import Build, Policy

_ROLE_PCR, _INSTANCE_PCR = 3, 4


def lint_builds(policy: Policy) -> Iterator[Lint]:
    """Name the builds that cannot do what they are there for; the cost grows with their number and no faster."""
    yield from _lint_twins(policy)
    for build in policy.builds:
        for denied in policy.denied_index.match(build.pcrs):
            yield Lint(code=LintCode.BUILD_DENIED, detail=f"build {build.name} is denied as {denied.name}")
        for index in _contradicted(build, policy):
            yield Lint(code=LintCode.BUILD_CONTRADICTED, detail=f"PCR{index} of build {build.name} is not in [require]")
    if policy.evidence is EvidenceKind.ENCLAVE:
        for denied in policy.denied:
            if all(value == ZERO for value in denied.pcrs.values()) and not denied.pcrs.keys() <= set(IMAGE_PCRS):
                yield Lint(code=LintCode.DENY_UNMEASURED, detail=f"deny {denied.name} names nothing but zeros")


def lint_shadows(policy: Policy, at: datetime) -> Iterator[Lint]:
    """Name the shadow builds whose trial shows nothing."""
    in_force = BuildIndex(policy.builds)
    for shadow in policy.shadows:
        same = [build.name for build in in_force.match(shadow.pcrs) if not is_over(build, at)]
        if same:
            yield Lint(code=LintCode.SHADOW_IN_FORCE, detail=f"shadow {shadow.name} matches as build {same[0]}")
        why = [f"denied as {denied.name}" for denied in policy.denied_index.match(shadow.pcrs)]
        why += [f"[require] wants another PCR{index}" for index in _contradicted(shadow, policy)]
        why += ["its not_after has passed"] if is_over(shadow, at) else []
        if why:
            yield Lint(code=LintCode.SHADOW_UNREACHABLE, detail=f"shadow {shadow.name}: {'; '.join(why)}")


def is_over(build: Build, at: datetime) -> bool:
    """Tell whether a build's window has ended."""
    return build.not_after is not None and build.not_after < at


def required_pcrs(policy: Policy) -> Mapping[int, tuple[bytes, ...]]:
    """Give the values that ``[require]`` allows, by PCR."""
    require = policy.require
    asked = {
        _ROLE_PCR: None if require.pcr3_role_arn is None else tuple(map(pcr_of_text, require.pcr3_role_arn)),
        _INSTANCE_PCR: None if require.pcr4_instance_id is None else tuple(map(pcr_of_text, require.pcr4_instance_id)),
        SIGNER_PCR: require.pcr8,
    }
    return {index: allowed for index, allowed in asked.items() if allowed is not None}


def _lint_twins(policy: Policy) -> Iterator[Lint]:
    by_pcrs: dict[frozenset[tuple[int, bytes]], list[Build]] = defaultdict(list)
    for build in policy.builds:
        by_pcrs[frozenset(build.pcrs.items())].append(build)
    for twins in by_pcrs.values():
        if len(twins) > 1:
            names = ", ".join(build.name for build in twins)
            yield Lint(code=LintCode.BUILD_DUPLICATE, detail=f"builds {names} have the same PCRs")
    place = {build.name: at for at, build in enumerate(policy.builds)}
    for build in policy.builds:
        wider = [
            other
            for other in policy.index.match(build.pcrs)
            if place[other.name] < place[build.name] and other.pcrs != build.pcrs and _covers(other, build)
        ]
        if wider:
            detail = f"whatever is build {build.name} is build {wider[0].name}, which comes first, as well"
            yield Lint(code=LintCode.BUILD_HIDDEN, detail=detail)


def _covers(other: Build, build: Build) -> bool:
    """Tell whether the other one is trusted whenever this one is."""
    if other.not_before is not None and (build.not_before is None or build.not_before < other.not_before):
        return False
    return other.not_after is None or (build.not_after is not None and build.not_after <= other.not_after)


def _contradicted(build: Build, policy: Policy) -> Iterator[int]:
    for index, allowed in required_pcrs(policy).items():
        if index in build.pcrs and build.pcrs[index] not in allowed:
            yield index
