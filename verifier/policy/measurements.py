"""Does the enclave run what the policy trusts?"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import IMAGE_PCRS, ZERO, EvidenceKind, is_debug, unmeasured
from verifier.policy.matching import matches
from verifier.policy.model import Build, DebugMode, Policy, Requirements
from verifier.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime


def pcr_of_text(text: str) -> bytes:
    """Give the PCR3 of a role ARN or the PCR4 of an instance id: SHA-384 of 48 zero bytes and the UTF-8 text."""
    return hashlib.sha384(ZERO + text.encode()).digest()


def check_measurements(pcrs: Mapping[int, bytes], policy: Policy, at: datetime) -> tuple[str | None, list[Rejection]]:
    """Compare PCRs with a policy's builds; give the name of the build that runs and everything that is wrong.

    The PCRs are those of a document of the kind that the policy is for: only ``appraise_evidence`` calls this.
    """
    blank = unmeasured(pcrs) if policy.evidence is EvidenceKind.ENCLAVE else ()
    debug = blank == IMAGE_PCRS and is_debug(pcrs)
    found = _explain_blank(blank, policy, debug=debug) if blank else []
    if policy.denied:
        for denied in policy.denied_index.match(pcrs):
            found.append(Rejection(Reason.MEASUREMENT_BUILD_DENIED, f"matches the denied build {denied.name}"))
    name = None
    if not debug or policy.debug is DebugMode.ALLOW:
        # Otherwise there is nothing to compare: debug mode zeroes what builds are known by.
        name, mismatch = _check_builds(pcrs, policy, at, debug=debug)
        found += mismatch
    if policy.requires_more:
        found += _check_requirements(pcrs, policy.require)
    return name, found


def _check_builds(
    pcrs: Mapping[int, bytes], policy: Policy, at: datetime, *, debug: bool
) -> tuple[str | None, tuple[Rejection, ...]]:
    candidates = policy.index.match_in_debug(pcrs) if debug else policy.index.match(pcrs)
    in_window = [build for build in candidates if _is_in_window(build, at)]
    if not in_window:
        return None, (_explain_window(candidates[0], at) if candidates else _explain_mismatch(pcrs, policy),)
    # In debug mode nobody knows which build runs, unless the policy expects the very zeros.
    known = [build for build in in_window if matches(build, pcrs)] if debug else in_window
    return known[0].name if known else None, ()


def _explain_blank(blank: tuple[int, ...], policy: Policy, *, debug: bool) -> list[Rejection]:
    if not debug:
        # Not even a policy that allows debug mode means this: real debug mode zeroes all three.
        return [Rejection(Reason.MEASUREMENT_UNMEASURED, f"{_list(blank)} zero or absent")]
    if policy.debug is DebugMode.REJECT:
        return [Rejection(Reason.MEASUREMENT_DEBUG_MODE, "PCR0, PCR1 and PCR2 are all zero")]
    return []


def _is_in_window(build: Build, at: datetime) -> bool:
    return (build.not_before is None or build.not_before <= at) and (build.not_after is None or at <= build.not_after)


def _explain_window(build: Build, at: datetime) -> Rejection:
    if build.not_after is not None and at > build.not_after:
        return Rejection(
            Reason.MEASUREMENT_BUILD_EXPIRED, f"build {build.name} was trusted until {build.not_after.isoformat()}"
        )
    return Rejection(Reason.MEASUREMENT_BUILD_NOT_YET_VALID, f"build {build.name} is not trusted yet")


def _explain_mismatch(pcrs: Mapping[int, bytes], policy: Policy) -> Rejection:
    absent = policy.index.absent(pcrs)
    if absent:
        return Rejection(Reason.MEASUREMENT_PCR_ABSENT, f"the document has no {_list(absent)}, which every build names")
    strange = policy.index.strange(pcrs)
    if strange:
        return Rejection(Reason.MEASUREMENT_PCR_MISMATCH, f"{_list(strange)} match no build of policy {policy.name}")
    return Rejection(Reason.MEASUREMENT_PCR_MISMATCH, f"the PCRs are of different builds of policy {policy.name}")


def _check_requirements(pcrs: Mapping[int, bytes], require: Requirements) -> Iterator[Rejection]:
    if require.pcr3_role_arn is not None and not _is_of(pcrs.get(3), require.pcr3_role_arn):
        yield Rejection(Reason.MEASUREMENT_ROLE_MISMATCH, "PCR3 is of none of the roles that the policy requires")
    if require.pcr4_instance_id is not None and not _is_of(pcrs.get(4), require.pcr4_instance_id):
        yield Rejection(Reason.MEASUREMENT_INSTANCE_MISMATCH, "PCR4 is of none of the instances the policy requires")
    if require.pcr8 is not None and pcrs.get(8) not in require.pcr8:
        yield Rejection(Reason.MEASUREMENT_SIGNER_MISMATCH, "PCR8 is of none of the signers that the policy requires")


def _is_of(pcr: bytes | None, texts: tuple[str, ...]) -> bool:
    return any(pcr == pcr_of_text(text) for text in texts)


def _list(indices: tuple[int, ...]) -> str:
    return ", ".join(f"PCR{index}" for index in indices)
