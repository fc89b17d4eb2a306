"""Measuring enclave images, and refusing what has two readings."""

import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tests.support.eif_writer import (
    CMDLINE,
    KERNEL,
    METADATA,
    METADATA_JSON,
    RAMDISK,
    SIGNATURE,
    EifHeader,
    EifSection,
    pcr,
    resealed,
    sections,
    signed_sections,
    signer,
    write_eif,
    write_large_eif,
)
from tests.unit.verifier.reference_values.readings import by_table, by_walk, pcrs_of
from verifier.reference_values.eif import EnclaveImage, measure_image, metadata_text
from verifier.reference_values.formulas import signer_pcr
from verifier.reference_values.layout import Architecture, EifError, EifFault

PUBLISHED = {
    0: "07e91d3412c4923fa65651497f4cec9a572779472d622944fbe59327cda16f85d29011ed5ef2c758d880fc010387a5ae",
    1: "44bea3bc752f7ed5494b95e1f348f88c5e4fe1c3a93f598d9a0162b341a81582ebbe377a5939b81e99eb239ec88df4be",
    2: "3bcb5ad7f813c90b23c699e0e0b2440440086294165aebf6a7bdbe72fbde34d06dea10eecbccb6c53a087be0a91d3df1",
}
MIB = 1 << 20


def measure(image: bytes) -> EnclaveImage:
    return measure_image(io.BytesIO(image))


def refusal(image: bytes) -> EifFault:
    with pytest.raises(EifError) as caught:
        measure(image)
    assert str(caught.value).startswith(caught.value.fault.value)
    return caught.value.fault


def test_the_synthetic_vectors_are_reproduced() -> None:
    """Every policy made from an image would be wrong."""
    image = measure(write_eif())
    assert {index: value.hex() for index, value in image.pcrs.items()} == PUBLISHED
    assert (image.version, image.architecture) == (4, Architecture.X86_64)
    assert (image.default_memory, image.default_cpus) == (1 << 30, 2)
    assert [section.kind.label for section in image.sections] == [
        "kernel",
        "command line",
        "metadata",
        "ramdisk",
        "ramdisk",
    ]
    assert image.command_line == b"reboot=k"
    assert image.kernel_sha384 == hashlib.sha384(b"K" * 100).digest()
    assert image.boot_ramdisk_sha384 == hashlib.sha384(b"boot-ramdisk").digest()
    assert image.signer is None
    assert image.untrusted_metadata == METADATA_JSON


GOOD = {
    "one ramdisk": write_eif(sections(ramdisks=(b"all",))),
    "three ramdisks": write_eif(sections(ramdisks=(b"boot", b"one", b"two"))),
    "an empty application": write_eif(sections(ramdisks=(b"boot", b""))),
    "an empty command line": write_eif(sections(cmdline=b"")),
    "version 2": write_eif(sections(metadata=None), EifHeader(version=2)),
    "version 3": write_eif(sections(metadata=None), EifHeader(version=3)),
    "aarch64": write_eif(header=EifHeader(flags=1)),
    "signed": write_eif(signed_sections()),
    "as many sections as the table holds": write_eif(sections(ramdisks=[b"r%d" % number for number in range(29)])),
    "metadata at the end": write_eif((*sections(metadata=None), EifSection(kind=METADATA, data=b"{}"))),
    "metadata that is not JSON": write_eif(sections(metadata=b"\xff")),
    "sections larger than a chunk": write_eif(sections(ramdisks=(b"b" * (2 * MIB + 1), b"a" * (6 * MIB - 1)))),
}


@pytest.mark.parametrize("image", GOOD.values(), ids=GOOD.keys())
def test_an_image_is_measured_as_both_kinds_of_readers_read_it(image: bytes) -> None:
    """A genuine image would be refused, or measured as something else than what boots."""
    measured = measure(image).pcrs
    assert {index: measured[index] for index in (0, 1, 2)} == pcrs_of(by_table(image)) == pcrs_of(by_walk(image))


def test_the_flag_of_the_architecture_is_read() -> None:
    """An operator could not tell for which machine an image is."""
    assert measure(GOOD["aarch64"]).architecture is Architecture.AARCH64


def test_a_file_that_reads_in_small_pieces_is_measured_the_same() -> None:
    """An image that comes through a pipe would be called truncated."""

    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size or 0))

    assert measure_image(Dribble(GOOD["signed"])).pcrs == measure(GOOD["signed"]).pcrs


USUAL = sections()
BAD = {
    "no file": (b"", EifFault.TRUNCATED),
    "text": (b"#!/bin/sh\n" * 100, EifFault.NOT_AN_IMAGE),
    "an ELF file": (b"\x7fELF", EifFault.NOT_AN_IMAGE),
    "the magic number alone": (b".eif", EifFault.TRUNCATED),
    "another magic number": (write_eif(header=EifHeader(magic=b".EIF")), EifFault.NOT_AN_IMAGE),
    "version 0": (write_eif(header=EifHeader(version=0)), EifFault.VERSION_UNSUPPORTED),
    "version 1": (write_eif(header=EifHeader(version=1)), EifFault.VERSION_UNSUPPORTED),
    "version 5": (write_eif(header=EifHeader(version=5)), EifFault.VERSION_UNSUPPORTED),
    "an unknown flag": (write_eif(header=EifHeader(flags=2)), EifFault.RESERVED_USED),
    "the reserved field": (write_eif(header=EifHeader(reserved=1)), EifFault.RESERVED_USED),
    "the unused field": (write_eif(header=EifHeader(unused=1)), EifFault.RESERVED_USED),
    "no sections": (write_eif(()), EifFault.TABLE_AMBIGUOUS),
    "33 sections": (write_eif(header=EifHeader(num_sections=33)), EifFault.TABLE_AMBIGUOUS),
    "a section less than the table has": (write_eif(header=EifHeader(num_sections=4)), EifFault.TABLE_AMBIGUOUS),
    "a section more than the table has": (write_eif(header=EifHeader(num_sections=6)), EifFault.TABLE_AMBIGUOUS),
    "a wrong CRC": (write_eif(header=EifHeader(crc32=0)), EifFault.CRC_MISMATCH),
    "a trailing byte": (write_eif(tail=b"\0"), EifFault.TRAILING_BYTES),
    "a trailing section that the table does not have": (
        resealed(write_eif(tail=EifSection(kind=RAMDISK, data=b"evil").encode())),
        EifFault.TRAILING_BYTES,
    ),
    "a flag in a section": (write_eif((replace(USUAL[0], flags=1), *USUAL[1:])), EifFault.RESERVED_USED),
    "a section of type 0": (write_eif((EifSection(kind=0, data=b""), *USUAL)), EifFault.SECTION_UNKNOWN),
    "a section of type 6": (write_eif((*USUAL, EifSection(kind=6, data=b""))), EifFault.SECTION_UNKNOWN),
    "a section shorter than in the table": (
        write_eif((replace(USUAL[0], size=99), *USUAL[1:])),
        EifFault.SIZE_MISMATCH,
    ),
    "a section longer than in the table": (
        write_eif((*USUAL[:-1], replace(USUAL[-1], size=1 << 40))),
        EifFault.SIZE_MISMATCH,
    ),
    "two kernels": (write_eif((USUAL[0], *USUAL)), EifFault.SECTION_MISPLACED),
    "two command lines": (write_eif((*USUAL, USUAL[1])), EifFault.SECTION_MISPLACED),
    "two metadata sections": (write_eif((*USUAL, USUAL[2])), EifFault.SECTION_MISPLACED),
    "two signatures": (
        write_eif((*signed_sections(), signed_sections()[-1])),
        EifFault.SECTION_MISPLACED,
    ),
    "a command line before the kernel": (write_eif((USUAL[1], USUAL[0], *USUAL[2:])), EifFault.SECTION_MISPLACED),
    "a ramdisk before the kernel": (write_eif((USUAL[3], *USUAL)), EifFault.SECTION_MISPLACED),
    "a ramdisk before the command line": (
        write_eif((USUAL[0], USUAL[3], *USUAL[1:3], USUAL[4])),
        EifFault.SECTION_MISPLACED,
    ),
    "no kernel": (write_eif(USUAL[1:]), EifFault.SECTION_MISPLACED),
    "no command line": (write_eif((USUAL[0], *USUAL[2:])), EifFault.SECTION_MISPLACED),
    "a kernel alone": (write_eif(USUAL[:1]), EifFault.SECTION_MISSING),
    "no ramdisk": (write_eif(USUAL[:3]), EifFault.SECTION_MISSING),
    "no metadata in version 4": (write_eif(sections(metadata=None)), EifFault.SECTION_MISSING),
    "metadata in version 3": (write_eif(header=EifHeader(version=3)), EifFault.SECTION_UNKNOWN),
    "a signature in version 2": (
        write_eif(
            [part for part in signed_sections() if part.kind != METADATA],
            EifHeader(version=2),
        ),
        EifFault.SECTION_UNKNOWN,
    ),
    "a command line beyond all bounds": (write_eif(sections(cmdline=b"x" * 65_537)), EifFault.TOO_LARGE),
    "metadata beyond all bounds": (write_eif(sections(metadata=b" " * (MIB + 1))), EifFault.TOO_LARGE),
    "a signature beyond all bounds": (write_eif(sections(signature=bytes(32_769))), EifFault.TOO_LARGE),
}


@pytest.mark.parametrize(("image", "fault"), BAD.values(), ids=BAD.keys())
def test_what_has_no_single_reading_is_refused(image: bytes, fault: EifFault) -> None:
    """A policy would trust what the file shows and an enclave would run what it hides."""
    assert refusal(image) is fault


def table_of(content: tuple[EifSection, ...]) -> tuple[list[int], list[int]]:
    image = write_eif(content)
    rows = [int.from_bytes(image[at : at + 8]) for at in range(28, 28 + 512, 8)]
    return rows[: len(content)], rows[32 : 32 + len(content)]


OFFSETS, SIZES = table_of(USUAL)


@pytest.mark.parametrize("number", range(len(OFFSETS)))
@pytest.mark.parametrize("delta", [-549, -12, -1, 1, 12, 1 << 20, (1 << 64) - 2000])
def test_a_gap_or_an_overlap_in_the_table_is_refused(number: int, delta: int) -> None:
    """The hypervisor would boot bytes that nitro-cli does not see."""
    moved = tuple(max(offset + delta, 0) if at == number else offset for at, offset in enumerate(OFFSETS))
    assert refusal(write_eif(header=EifHeader(offsets=moved))) is EifFault.TABLE_AMBIGUOUS


def test_sections_in_another_order_than_the_table_are_refused() -> None:
    """The two kinds of readers would take the application for the boot ramdisk."""
    swapped = (*OFFSETS[:3], OFFSETS[4], OFFSETS[3])
    sizes = (*SIZES[:3], SIZES[4], SIZES[3])
    assert refusal(write_eif(header=EifHeader(offsets=swapped, sizes=sizes))) is EifFault.TABLE_AMBIGUOUS


def test_real_gap_bytes_between_sections_are_refused() -> None:
    """The file would boot, and nitro-cli would read the gap as a section."""
    image = write_eif()
    at = OFFSETS[3]
    gapped = image[:at] + bytes(12) + image[at:]
    offsets = tuple(offset + 12 * (offset >= at) for offset in OFFSETS)
    table = b"".join(offset.to_bytes(8) for offset in offsets)
    assert refusal(resealed(gapped[:28] + table + gapped[28 + len(table) :])) is EifFault.TABLE_AMBIGUOUS


@pytest.mark.parametrize("size", [1 << 37, 1 << 62, 1 << 63, (1 << 64) - 1])
def test_a_giant_size_is_refused_before_anything_is_read(size: int) -> None:
    """A file of a kilobyte would keep a machine busy for a day."""
    header = EifHeader(sizes=(*SIZES[:-1], size))
    assert refusal(write_eif(header=header)) is EifFault.TOO_LARGE


@pytest.mark.parametrize("name", ["version 3", "signed"])
def test_every_truncation_is_refused(name: str) -> None:
    """Half a copy of an image would be measured as if it were another image."""
    image = GOOD[name]
    for length in range(len(image)):
        with pytest.raises(EifError):
            measure(image[:length])


def test_every_flipped_bit_is_refused() -> None:
    """A damaged image would be measured, and nothing would ever match the policy."""
    image = GOOD["three ramdisks"]
    for at in range(len(image)):
        with pytest.raises(EifError):
            measure(image[:at] + bytes((image[at] ^ (1 << at % 8),)) + image[at + 1 :])


def test_a_claim_of_64_gigabytes_costs_no_memory() -> None:
    """Any file could take down the machine that looks at it."""
    claimed = (1 << 36) - 4096
    parts = (*USUAL[:-1], replace(USUAL[-1], size=claimed))
    image = write_eif(parts, EifHeader(sizes=(*SIZES[:-1], claimed)))
    tracemalloc.start()
    try:
        assert refusal(image) is EifFault.TRUNCATED
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


class Zeros(io.RawIOBase):
    """A file of an image's beginning and then zeros, made while it is read."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head, self._left = io.BytesIO(head), size

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # whatever the reader offers
        count = self._head.readinto(view)
        if not count:
            count = min(len(view), self._left)
            view[:count] = bytes(count)
            self._left -= count
        return count


def large_head(size: int) -> bytes:
    file = io.BytesIO()
    write_large_eif(file, application=zeros(size), size=size)
    return file.getvalue()[: OFFSETS[4] + 12]


def zeros(size: int) -> Iterator[bytes]:
    block = bytes(MIB)
    for _ in range(size // MIB):
        yield block


def test_a_large_image_is_measured_in_constant_memory() -> None:
    """Images are larger than the memory of the machines that build policies."""
    size = 64 * MIB
    head = large_head(size)
    tracemalloc.start()
    try:
        image = measure_image(cast("BinaryIO", Zeros(head, size)))
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()
    assert image.pcrs[2] == pcr(bytes(size))


@pytest.mark.slow
def test_an_image_of_more_than_two_gigabytes_is_measured(tmp_path: Path) -> None:
    """Sizes would be cut at 31 bits somewhere below."""
    size = 2048 * MIB + MIB
    path = tmp_path / "large.eif"
    with path.open("wb") as file:
        write_large_eif(file, application=zeros(size), size=size)
    application = hashlib.sha384()
    for block in zeros(size):
        application.update(block)
    with path.open("rb") as file:
        image = measure_image(file)
    path.unlink()
    assert image.pcrs[2] == hashlib.sha384(bytes(48) + application.digest()).digest()


def test_a_file_that_cannot_be_read_is_no_judgement() -> None:
    """A broken disk would look like a forged image, and the threads would outlive the reader."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 900:
                raise OSError("disk")
            return super().read(min(100, size or 0))

    with pytest.raises(OSError, match="disk"):
        measure_image(Broken(write_eif()))


def test_a_file_that_has_nothing_for_now_has_not_ended() -> None:
    """Bytes that come later through a pipe would be left out of the judgement."""

    class Waiting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size) or cast("bytes", None)

    with pytest.raises(EifError) as caught:
        measure_image(Waiting(write_eif()))
    assert caught.value.fault is EifFault.TRAILING_BYTES


def test_a_signed_image_has_the_signers_pcr8() -> None:
    """A policy by signer would match nothing."""
    image = measure(GOOD["signed"])
    assert image.signer is not None
    assert image.signer.certificate == signer().der
    assert image.pcrs[8] == signer_pcr(signer().pem)


def test_nothing_else_than_the_sections_enters_the_measurements() -> None:
    """Metadata, which anyone can rewrite, would change what a policy expects."""
    other = write_eif(
        (*signed_sections()[:2], EifSection(kind=METADATA, data=b'{"ImageName": "x"}'), *signed_sections()[3:]),
        EifHeader(default_mem=7, default_cpus=9),
    )
    assert measure(other).pcrs == measure(GOOD["signed"]).pcrs
    assert {KERNEL, CMDLINE, METADATA, RAMDISK, SIGNATURE} == {kind for kind, _ in by_walk(other)}


@pytest.mark.parametrize(
    ("metadata", "shown"),
    [
        (METADATA_JSON, json.dumps(json.loads(METADATA_JSON))),
        ('{"ImageName": "\x9b2Jé"}'.encode(), '{"ImageName": "\\u009b2J\\u00e9"}'),
        (b"[1, 2]", "[1, 2]"),
        (b"", None),
        (b"\xff\xfe", None),
        (b"{", None),
        (b"NaN", None),
        (b"1e999", None),
        (b"[" * 100_000, None),
        (b"9" * 5000, None),
    ],
)
def test_metadata_is_shown_as_plain_json_or_not_at_all(metadata: bytes, shown: str | None) -> None:
    """Whoever wrote the image would write to the operator's terminal."""
    assert metadata_text(metadata) == shown
