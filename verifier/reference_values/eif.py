"""Measure an enclave image file: PCR0, PCR1, PCR2 and PCR8, exactly as the hypervisor will, or not at all.

One pass over an open file, in constant memory whatever the file claims. What has two readings is refused
(``layout``), and nothing is given out before the last byte and the CRC were seen to be right.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from verifier.policy.model import SIGNER_PCR
from verifier.reference_values.formulas import content_pcr, signer_pcr
from verifier.reference_values.hashing import ImageHash
from verifier.reference_values.layout import (
    CRC_AT,
    HEADER_BYTES,
    MAGIC,
    SECTION_HEADER_BYTES,
    Architecture,
    EifError,
    EifFault,
    Header,
    Section,
    SectionKind,
    check_complete,
    check_next,
    decode_header,
    decode_section_header,
)
from verifier.reference_values.signature import ImageSigner, check_signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from hashlib import _Hash as Hash  # typeshed's name for what hashlib makes

CHUNK_BYTES = 1 << 20
"""Large, because each chunk costs both threads a turn of the interpreter's lock."""
MAX_KEPT_BYTES: Mapping[SectionKind, int] = MappingProxyType(
    {
        SectionKind.COMMAND_LINE: 64 * 1024,  # Linux takes 2048 bytes
        SectionKind.SIGNATURE: 32_768,  # SIGNATURE_MAX_SIZE of the format
        SectionKind.METADATA: 1024 * 1024,  # the output of `docker image inspect` and a little more
    }
)
"""The sections that are kept whole, and how large they may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveImage:
    """An image with one reading. ``pcrs`` is what a normal (not a debug) run of it reports."""

    version: int
    architecture: Architecture
    default_memory: int
    default_cpus: int
    """Both are defaults that nothing uses today, and are not measured."""
    sections: tuple[Section, ...]
    pcrs: Mapping[int, bytes]
    """PCR0, PCR1, PCR2 and, when the image is signed, PCR8."""
    signer: ImageSigner | None
    command_line: bytes
    kernel_sha384: bytes
    boot_ramdisk_sha384: bytes
    untrusted_metadata: bytes | None
    """What the builder wrote about the image: not measured, not signed, anybody's words."""


def measure_image(file: BinaryIO) -> EnclaveImage:
    """Measure the image that begins where ``file`` stands and ends where it ends.

    Raises:
        EifError: the file is no image, damaged, or one that readers could disagree on.
        OSError: it cannot be read.
    """
    with ImageHash() as image:
        source = _Source(file=file, image=image)
        walk = _Walk(header=decode_header(source.take_header()), source=source, image=image)
        walk.run()
        source.finish()
    return walk.result()


def metadata_text(metadata: bytes) -> str | None:
    """Write metadata as JSON in plain ASCII, or nothing when it is not JSON. Whoever reads it must not believe it."""
    try:
        return json.dumps(json.loads(metadata, parse_constant=_refuse), allow_nan=False)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


@dataclass(slots=True, kw_only=True)
class _Source:
    """Reads a file once from its start, and hands on whatever it reads."""

    file: BinaryIO
    image: ImageHash
    at: int = 0

    def chunks(self, size: int, *, measured: bool = False) -> Iterator[bytes]:
        """Give the next ``size`` bytes in pieces, never more at once than a chunk."""
        while size:
            chunk = self._read(size)
            size -= len(chunk)
            self.image.update(chunk, measured=measured)
            yield chunk

    def take_header(self) -> bytes:
        """Give the file's header, whose last field is the CRC and no part of it."""
        header = b""
        while len(header) < HEADER_BYTES:
            header += self._read(HEADER_BYTES - len(header))
            if not header.startswith(MAGIC[: len(header)]):
                raise EifError(EifFault.NOT_AN_IMAGE, "the first four bytes are not .eif")
        self.image.update(header[:CRC_AT], measured=False)
        return header

    def finish(self) -> None:
        """Refuse bytes after the last one that was asked for."""
        if self.file.read(1) != b"":  # an end, and not only nothing for now
            raise EifError(EifFault.TRAILING_BYTES, f"the last section ends at byte {self.at}, the file does not")

    def _read(self, size: int) -> bytes:
        chunk = self.file.read(min(size, CHUNK_BYTES))
        if not chunk:
            raise EifError(EifFault.TRUNCATED, f"ends at byte {self.at}, {size} bytes too early")
        self.at += len(chunk)
        return chunk


_MEASURED = frozenset({SectionKind.KERNEL, SectionKind.COMMAND_LINE, SectionKind.RAMDISK})


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One walk through the sections, from the end of the header to the end of the table."""

    header: Header
    source: _Source
    image: ImageHash
    boot_ramdisk: Hash = field(default_factory=hashlib.sha384)
    application: Hash = field(default_factory=hashlib.sha384)
    sections: list[Section] = field(default_factory=list)
    kept: dict[SectionKind, bytes] = field(default_factory=dict)

    def run(self) -> None:
        for slot in self.header.slots:
            data = b"".join(self.source.chunks(SECTION_HEADER_BYTES))
            section = decode_section_header(data, slot=slot)
            check_next(section.kind, self._kinds(), self.header.version)
            self._read(section)
            self.sections.append(section)
        check_complete(self._kinds(), self.header.version)

    def _kinds(self) -> list[SectionKind]:
        return [section.kind for section in self.sections]

    def _read(self, section: Section) -> None:
        if section.kind in MAX_KEPT_BYTES:
            self._keep(section)
        elif section.kind is SectionKind.KERNEL:
            for _ in self._measured(section):
                pass  # the hash of the image takes it
            self.image.mark()
        elif SectionKind.RAMDISK in self._kinds():
            for chunk in self._measured(section):
                self.application.update(chunk)
        else:
            for chunk in self._measured(section):
                self.boot_ramdisk.update(chunk)
            self.image.mark()  # all that PCR1 is of

    def _keep(self, section: Section) -> None:
        limit = MAX_KEPT_BYTES[section.kind]
        if section.size > limit:
            detail = f"a {section.kind.label} section of {section.size} bytes, at most {limit}"
            raise EifError(EifFault.TOO_LARGE, detail)
        self.kept[section.kind] = b"".join(self._measured(section))

    def _measured(self, section: Section) -> Iterator[bytes]:
        return self.source.chunks(section.size, measured=section.kind in _MEASURED)

    def result(self) -> EnclaveImage:
        """Put together what was read; only when the hash of the image has ended."""
        if self.image.crc32 != self.header.crc32:
            detail = f"{self.image.crc32:08x} computed, {self.header.crc32:08x} in the header"
            raise EifError(EifFault.CRC_MISMATCH, detail)
        kernel, boot, whole = self.image.digests
        pcrs = {0: content_pcr(whole), 1: content_pcr(boot), 2: content_pcr(self.application.digest())}
        signer = None
        if SectionKind.SIGNATURE in self.kept:
            signer = check_signature(self.kept[SectionKind.SIGNATURE], pcrs[0])
            pcrs[SIGNER_PCR] = signer_pcr(signer.certificate)
        return EnclaveImage(
            version=self.header.version,
            architecture=self.header.architecture,
            default_memory=self.header.default_memory,
            default_cpus=self.header.default_cpus,
            sections=tuple(self.sections),
            pcrs=MappingProxyType(pcrs),
            signer=signer,
            command_line=self.kept[SectionKind.COMMAND_LINE],
            kernel_sha384=kernel,
            boot_ramdisk_sha384=self.boot_ramdisk.digest(),
            untrusted_metadata=self.kept.get(SectionKind.METADATA),
        )
