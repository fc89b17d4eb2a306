"""The headers of an enclave image file (EIF): one reading, or a refusal.

Two kinds of readers exist: the hypervisor follows the table in the file's header, nitro-cli walks the sections one
after the other and ignores the table (aws-nitro-enclaves-image-format, issues 19 and 25). A file on which they differ
shows one set of measurements and boots another. Here the table must describe exactly the walk, or the file is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self

MAGIC = b".eif"
HEADER_BYTES = 548
SECTION_HEADER_BYTES = 12
CRC_AT = HEADER_BYTES - 4
"""The CRC is of everything but itself, the last field of the header."""

MAX_SECTIONS = 32
MAX_IMAGE_BYTES = 1 << 36
"""64 GiB: more than any enclave's memory holds of an image and its unpacked files; a bound on work, not on memory."""

_HEADER = struct.Struct(">4sHHQQHH32Q32QII")
_SECTION_HEADER = struct.Struct(">HHQ")
_KNOWN_VERSIONS = (2, 3, 4)
_FLAG_AARCH64 = 1


class EifFault(StrEnum):
    """Why an image is not measured: one stable code each, with advice."""

    hint: str

    def __new__(cls, code: str, hint: str) -> Self:
        """Make a member that is its code and carries its hint."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.hint = hint
        return member

    NOT_AN_IMAGE = ("eif.not-an-image", "The file does not begin as an enclave image file: check which file this is.")
    VERSION_UNSUPPORTED = ("eif.version-unsupported", "Versions 2, 3 and 4 are known; what others mean is undefined.")
    TRUNCATED = ("eif.truncated", "The file is shorter than its header says: copy it again.")
    TRAILING_BYTES = ("eif.trailing-bytes", "Bytes after the last section: one reader would take them for a section.")
    RESERVED_USED = ("eif.reserved-used", "A field that has no meaning yet is set; no known builder does that.")
    TABLE_AMBIGUOUS = (
        "eif.table-ambiguous",
        "The header's table is not the walk through the sections: readers would disagree on what this image is.",
    )
    SIZE_MISMATCH = (
        "eif.size-mismatch",
        "Table and section header differ. Signing a signed image again leaves that: sign a freshly built one.",
    )
    SECTION_UNKNOWN = ("eif.section-unknown", "A section of a type that this version of the format does not have.")
    SECTION_MISPLACED = (
        "eif.section-misplaced",
        "An image has one kernel, then one command line, then its ramdisks; metadata and signature at most once.",
    )
    SECTION_MISSING = ("eif.section-missing", "Kernel, command line, a ramdisk and, in version 4, metadata must exist.")
    TOO_LARGE = ("eif.too-large", "No genuine image comes near this size.")
    CRC_MISMATCH = ("eif.crc-mismatch", "The file was damaged or edited: copy it again, or build it again.")
    SIGNATURE_INVALID = (
        "eif.signature-invalid",
        "The signature section is not a signature of this image by its certificate: sign a freshly built image again.",
    )


class EifError(Exception):
    """The file is not an image with exactly one reading; nothing of it was measured."""

    def __init__(self, fault: EifFault, detail: str) -> None:
        """Carry the fault; the detail is for people and quotes no text of the file."""
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = detail


class Architecture(StrEnum):
    """The processor that the image is for."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"


class SectionKind(IntEnum):
    """What a section holds."""

    KERNEL = 1
    COMMAND_LINE = 2
    RAMDISK = 3
    SIGNATURE = 4
    METADATA = 5

    @property
    def label(self) -> str:
        """The kind in words."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section, by its header; both descriptions of it agree."""

    kind: SectionKind
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a file, whose table describes sections without gap or overlap."""

    version: int
    architecture: Architecture
    default_memory: int
    default_cpus: int
    slots: tuple[tuple[int, int], ...]
    """Offset and size of each section, offsets those of the section headers."""
    crc32: int


def decode_header(data: bytes) -> Header:
    """Read the 548 bytes that a file begins with, the magic number among them.

    Raises:
        EifError: not a header, or one whose table leaves a gap, overlaps, or is not in order.
    """
    _, version, flags, memory, cpus, reserved, count, *table, unused, crc32 = _HEADER.unpack(data)
    if version not in _KNOWN_VERSIONS:
        raise EifError(EifFault.VERSION_UNSUPPORTED, f"version {version}")
    if flags & ~_FLAG_AARCH64 or reserved or unused:
        raise EifError(EifFault.RESERVED_USED, "an unknown flag or a reserved field of the header is set")
    return Header(
        version=version,
        architecture=Architecture.AARCH64 if flags else Architecture.X86_64,
        default_memory=memory,
        default_cpus=cpus,
        slots=_decode_table(count, table[:MAX_SECTIONS], table[MAX_SECTIONS:]),
        crc32=crc32,
    )


def _decode_table(count: int, offsets: list[int], sizes: list[int]) -> tuple[tuple[int, int], ...]:
    if not 0 < count <= MAX_SECTIONS:
        raise EifError(EifFault.TABLE_AMBIGUOUS, f"{count} sections, at most {MAX_SECTIONS}")
    if any(offsets[count:]) or any(sizes[count:]):
        raise EifError(EifFault.TABLE_AMBIGUOUS, f"the table describes more than its {count} sections")
    expected = HEADER_BYTES
    for number, (offset, size) in enumerate(zip(offsets[:count], sizes[:count], strict=True)):
        if offset != expected:
            detail = f"section {number} is at {offset}, and the one before it ends at {expected}"
            raise EifError(EifFault.TABLE_AMBIGUOUS, detail)
        expected = offset + SECTION_HEADER_BYTES + size
        if expected > MAX_IMAGE_BYTES:
            raise EifError(EifFault.TOO_LARGE, f"section {number} ends at byte {expected}, at most {MAX_IMAGE_BYTES}")
    return tuple(zip(offsets[:count], sizes[:count], strict=True))


def decode_section_header(data: bytes, *, slot: tuple[int, int]) -> Section:
    """Read the 12 bytes before a section's content and hold them against the table.

    Raises:
        EifError: another size than the table's, an unknown type, or a flag.
    """
    kind, flags, size = _SECTION_HEADER.unpack(data)
    offset, size_in_table = slot
    if kind not in {*SectionKind}:
        raise EifError(EifFault.SECTION_UNKNOWN, f"type {kind} at {offset}")
    if flags:
        raise EifError(EifFault.RESERVED_USED, f"a flag of the section at {offset} is set")
    if size != size_in_table:
        detail = f"the section at {offset} has {size} bytes, and by the table {size_in_table}"
        raise EifError(EifFault.SIZE_MISMATCH, detail)
    return Section(kind=SectionKind(kind), offset=offset, size=size)


_SINCE_VERSION = {SectionKind.SIGNATURE: 3, SectionKind.METADATA: 4}
_COMES_AFTER = {SectionKind.COMMAND_LINE: SectionKind.KERNEL, SectionKind.RAMDISK: SectionKind.COMMAND_LINE}


def check_next(kind: SectionKind, before: list[SectionKind], version: int) -> None:
    """Refuse a section that has no place after those before it.

    The format asks less of the order, but every builder writes this one, and in it PCR1 is of the bytes that PCR0
    begins with: no reader can put them together in another way.

    Raises:
        EifError: a second section where one is allowed, one before its time, or one that this version does not have.
    """
    if version < _SINCE_VERSION.get(kind, 0):
        raise EifError(EifFault.SECTION_UNKNOWN, f"a {kind.label} section in a file of version {version}")
    if kind in before and kind is not SectionKind.RAMDISK:
        raise EifError(EifFault.SECTION_MISPLACED, f"a second {kind.label} section")
    first = _COMES_AFTER.get(kind)
    if first is not None and first not in before:
        raise EifError(EifFault.SECTION_MISPLACED, f"a {kind.label} section before the {first.label}")


def check_complete(kinds: list[SectionKind], version: int) -> None:
    """Refuse a file without everything that an enclave needs.

    Raises:
        EifError: kernel, command line, ramdisk or (since version 4) metadata are absent.
    """
    needed = [SectionKind.KERNEL, SectionKind.COMMAND_LINE, SectionKind.RAMDISK]
    if version >= _SINCE_VERSION[SectionKind.METADATA]:
        needed.append(SectionKind.METADATA)
    missing = [kind.label for kind in needed if kind not in kinds]
    if missing:
        raise EifError(EifFault.SECTION_MISSING, f"no {' and no '.join(missing)}")
