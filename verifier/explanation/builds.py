"""A document's PCRs beside each build of a policy: which one is nearest, and what differs, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import IMAGE_PCRS, ZERO, EvidenceKind
from verifier.explanation.facts import is_enclave_in_debug
from verifier.explanation.words import listed
from verifier.policy.matching import matches
from verifier.reference_values.difference import Part, changed_parts, pcr_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from verifier.evidence.document import AttestationDocument
    from verifier.policy.model import Build, Policy

MAX_COMPARED = 256
"""Builds that are looked at, so that an explanation's cost does not grow with a policy."""
MAX_SHOWN = 16
"""Builds that are shown, nearest first."""

_TELLING = (Part.IMAGE, Part.BOOT, Part.APPLICATION)
"""What the three PCRs of an image tell together; other combinations are mistakes, and said otherwise."""
_TRIED = ", which is only being tried ([[shadow]])"
_NOTHING_THERE = {
    3: "no IAM role is attached to the parent instance",
    4: "the parent is not known",
    8: "the image is not signed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PcrComparison:
    """One PCR that a build names; ``actual`` is ``None`` when the document lacks it."""

    index: int
    name: str
    expected: bytes
    actual: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildComparison:
    """A document beside one build."""

    name: str
    pcrs: tuple[PcrComparison, ...]
    differing: tuple[int, ...]
    """In debug mode without PCR0, PCR1 and PCR2, which it zeroes."""
    parts: tuple[str, ...]
    """What the difference means: kernel, application, role, instance, signer."""
    in_window: bool
    not_before: datetime | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsComparison:
    """A document beside a policy's builds, nearest first."""

    nearest: BuildComparison
    is_near: bool
    """False when the nearest has not one PCR in common with the document."""
    remarks: tuple[str, ...]
    """What else strikes about the PCRs that differ from the nearest build's."""
    shown: tuple[BuildComparison, ...]
    compared: int
    total: int


def compare_builds(document: AttestationDocument, policy: Policy, at: datetime) -> BuildsComparison:
    """Compare a document with the builds of a policy for its kind."""
    builds = policy.builds[:MAX_COMPARED]
    pcrs, hidden = document.pcrs, IMAGE_PCRS if is_enclave_in_debug(document) else ()
    ranking = sorted(builds, key=lambda build: _distance(build, pcrs, hidden, at))
    nearest = compare_build(ranking[0], document, hidden, at)
    return BuildsComparison(
        nearest=nearest,
        is_near=len(nearest.differing) < len(nearest.pcrs),
        remarks=_remarks_on(nearest, policy, document),
        shown=tuple(compare_build(build, document, hidden, at) for build in ranking[:MAX_SHOWN]),
        compared=len(builds),
        total=len(policy.builds),
    )


def compare_build(
    build: Build, document: AttestationDocument, hidden: tuple[int, ...], at: datetime
) -> BuildComparison:
    """Compare a document with one build; the PCRs that are ``hidden`` differ in no case."""
    differing = _differing(build, document.pcrs, hidden)
    return BuildComparison(
        name=build.name,
        pcrs=tuple(
            PcrComparison(
                index=index,
                name=pcr_name(index, document.kind),
                expected=build.pcrs[index],
                actual=document.pcrs.get(index),
            )
            for index in sorted(build.pcrs)
        ),
        differing=differing,
        parts=_parts(build, differing, document.kind),
        in_window=_is_in_window(build, at),
        not_before=build.not_before,
        not_after=build.not_after,
    )


def _differing(build: Build, pcrs: Mapping[int, bytes], hidden: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(
        index for index, value in sorted(build.pcrs.items()) if pcrs.get(index) != value and index not in hidden
    )


def _distance(build: Build, pcrs: Mapping[int, bytes], hidden: tuple[int, ...], at: datetime) -> tuple[int, int, bool]:
    """Rank by the image first: another role or signer is nearer than another application."""
    differing = [index for index, value in build.pcrs.items() if pcrs.get(index) != value and index not in hidden]
    return sum(index in IMAGE_PCRS for index in differing), len(differing), not _is_in_window(build, at)


def _is_in_window(build: Build, at: datetime) -> bool:
    return (build.not_before is None or build.not_before <= at) and (build.not_after is None or at <= build.not_after)


def _parts(build: Build, differing: tuple[int, ...], kind: EvidenceKind) -> tuple[str, ...]:
    """Name what differs, each with its PCRs; the three of the image together, where that says more."""
    image = tuple(index for index in differing if index in IMAGE_PCRS)
    whole = kind is EvidenceKind.ENCLAVE and all(index in build.pcrs for index in IMAGE_PCRS)
    part = changed_parts(image)[0] if image and whole else None
    if part in _TELLING:
        return (
            f"{part} ({listed(image)})",
            *_singly(tuple(index for index in differing if index not in IMAGE_PCRS), kind),
        )
    return tuple(_singly(differing, kind))


def _singly(indices: tuple[int, ...], kind: EvidenceKind) -> Iterator[str]:
    return (f"{pcr_name(index, kind)} (PCR{index})" for index in indices)


def _remarks_on(nearest: BuildComparison, policy: Policy, document: AttestationDocument) -> tuple[str, ...]:
    tried = policy.shadows[:MAX_COMPARED]
    whole = [build.name for build in tried if matches(build, document.pcrs)]
    if whole:
        return (f"it is build {whole[0]}{_TRIED}",)
    owners = {build.name: build for build in policy.builds[:MAX_COMPARED]} | {
        f"{build.name}{_TRIED}": build for build in tried
    }
    remarks = tuple(_remarks(nearest, owners, document.kind))
    return remarks or tuple(_contradiction(nearest, document.kind))


def _remarks(nearest: BuildComparison, builds: Mapping[str, Build], kind: EvidenceKind) -> Iterator[str]:
    differing = [pcr for pcr in nearest.pcrs if pcr.index in nearest.differing]
    absent = tuple(pcr.index for pcr in differing if pcr.actual is None)
    if absent:
        yield f"the document has no {listed(absent)}"
    unset = tuple(pcr.index for pcr in differing if pcr.expected == ZERO)
    if unset:
        yield f"the build expects {listed(unset)} to be zero, as debug mode reports"
    meanings = _NOTHING_THERE if kind is EvidenceKind.ENCLAVE else {}
    expected = {pcr.index: pcr.expected for pcr in nearest.pcrs}
    for pcr in differing:
        if pcr.actual == ZERO:
            yield f"PCR{pcr.index} is zero: {meanings.get(pcr.index, 'nothing was measured into it')}"
        elif swapped := tuple(index for index, value in expected.items() if value == pcr.actual):
            yield f"PCR{pcr.index} has the value that the build expects as {listed(swapped)}"
        elif owners := [name for name, build in builds.items() if build.pcrs.get(pcr.index) == pcr.actual]:
            yield f"PCR{pcr.index} is that of build {owners[0]}"


def _contradiction(nearest: BuildComparison, kind: EvidenceKind) -> Iterator[str]:
    """Say what no image can be, for whoever copied values from several."""
    stated = {pcr.index for pcr in nearest.pcrs}
    image = tuple(index for index in nearest.differing if index in IMAGE_PCRS)
    if kind is EvidenceKind.ENCLAVE and stated >= set(IMAGE_PCRS) and image and changed_parts(image)[0] not in _TELLING:
        yield f"no two images differ in {listed(image)} alone: one side mixes values of several builds"
