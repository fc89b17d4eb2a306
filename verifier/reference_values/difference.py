"""Which part of an image changed, told from the PCRs of two builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import IMAGE_PCRS, EvidenceKind, pcr_names

if TYPE_CHECKING:
    from verifier.reference_values.eif import EnclaveImage

_IMAGE, _BOOT, _APPLICATION = IMAGE_PCRS


class Part(StrEnum):
    """What an operator knows a part of a build as."""

    IMAGE = "the whole image: kernel, command line or boot ramdisk, and the application"
    BOOT = "kernel, command line or boot ramdisk"
    APPLICATION = "application"
    BOUNDARY = "where the boot ramdisk ends and the application begins; the bytes are the same"
    CONTRADICTION = "no two images differ like this: one of the sources mixes values of several images"
    SIGNER = "signer"
    ROLE = "IAM role"
    INSTANCE = "instance"
    BOOT_BINARIES = "boot binaries"
    SECURE_BOOT = "Secure Boot policy"
    COMMAND_LINE = "command line"
    OTHER = "another PCR"


_TPM_PARTS = {4: Part.BOOT_BINARIES, 7: Part.SECURE_BOOT, 12: Part.COMMAND_LINE}
_OTHERS = {3: Part.ROLE, 4: Part.INSTANCE, 8: Part.SIGNER}
# By which of PCR0, PCR1 and PCR2 differ. PCR0 is of the bytes of PCR1 followed by those of PCR2.
_IMAGE_PARTS = {
    frozenset({_IMAGE, _BOOT, _APPLICATION}): Part.IMAGE,
    frozenset({_IMAGE, _BOOT}): Part.BOOT,
    frozenset({_IMAGE, _APPLICATION}): Part.APPLICATION,
    frozenset({_BOOT, _APPLICATION}): Part.BOUNDARY,
}


def changed_pcrs(before: Mapping[int, bytes], after: Mapping[int, bytes], *, stated_only: bool) -> tuple[int, ...]:
    """Give the PCRs that differ.

    Args:
        before: one build's PCRs.
        after: the other's.
        stated_only: pass over what only one of them states. A policy's build may name a role, which no image has.
    """
    indices = before.keys() & after.keys() if stated_only else before.keys() | after.keys()
    return tuple(index for index in sorted(indices) if before.get(index) != after.get(index))


def changed_parts(indices: tuple[int, ...], kind: EvidenceKind = EvidenceKind.ENCLAVE) -> tuple[Part, ...]:
    """Name the parts that a set of different PCRs means."""
    if kind is EvidenceKind.NITRO_TPM:
        return tuple(dict.fromkeys(_TPM_PARTS.get(index, Part.OTHER) for index in indices))
    image = frozenset(indices) & frozenset(IMAGE_PCRS)
    parts = [_IMAGE_PARTS.get(image, Part.CONTRADICTION)] if image else []
    parts.extend(_OTHERS.get(index, Part.OTHER) for index in indices if index not in IMAGE_PCRS)
    return tuple(dict.fromkeys(parts))


def changed_sections(before: EnclaveImage, after: EnclaveImage) -> tuple[str, ...]:
    """Name the measured sections that differ, which needs both files."""
    pairs = {
        "kernel": (before.kernel_sha384, after.kernel_sha384),
        "command line": (before.command_line, after.command_line),
        "boot ramdisk": (before.boot_ramdisk_sha384, after.boot_ramdisk_sha384),
        "application": (before.pcrs[_APPLICATION], after.pcrs[_APPLICATION]),
        "signer": (before.pcrs.get(8), after.pcrs.get(8)),
    }
    return tuple(name for name, (one, other) in pairs.items() if one != other)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildChange:
    """A build and the one it became, with the PCRs that differ; none when it stayed the same."""

    before: str
    after: str
    pcrs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsDifference:
    """What became of the builds of one source in another."""

    changes: tuple[BuildChange, ...]
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


Builds = Mapping[str, Mapping[int, bytes]]


def compare_policies(before: Builds, after: Builds) -> BuildsDifference:
    """Compare builds by their names; where each side has only one, they are the same build whatever they are called."""
    if len(before) == len(after) == 1:
        return compare_nearest(before, after, stated_only=False)
    changes = (
        BuildChange(before=name, after=name, pcrs=changed_pcrs(before[name], after[name], stated_only=False))
        for name in before
        if name in after
    )
    return BuildsDifference(
        changes=tuple(changes),
        removed=tuple(name for name in before if name not in after),
        added=tuple(name for name in after if name not in before),
    )


def compare_nearest(before: Builds, after: Builds, *, stated_only: bool) -> BuildsDifference:
    """Compare the two builds that differ least: that of an image, and the one that a policy has for it."""
    changes = (
        BuildChange(before=one, after=other, pcrs=changed_pcrs(before[one], after[other], stated_only=stated_only))
        for one in before
        for other in after
    )
    return BuildsDifference(changes=(min(changes, key=lambda change: len(change.pcrs)),))


def pcr_name(index: int, kind: EvidenceKind = EvidenceKind.ENCLAVE) -> str:
    """Name a PCR as people know it."""
    return pcr_names(kind).get(index, "defined by the application")
