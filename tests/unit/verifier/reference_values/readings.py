"""Two naive readings of an image, as the hypervisor and as nitro-cli read: what a measurement is held against."""

import struct

from tests.support.eif_writer import CMDLINE, HEADER_BYTES, KERNEL, RAMDISK, pcr

Reading = list[tuple[int, bytes]]


def by_table(image: bytes) -> Reading:
    """Follow the header's table."""
    (count,) = struct.unpack_from(">H", image, 26)
    offsets = struct.unpack_from(">32Q", image, 28)
    sizes = struct.unpack_from(">32Q", image, 28 + 256)
    return [
        (struct.unpack_from(">H", image, offset)[0], image[offset + 12 : offset + 12 + size])
        for offset, size in zip(offsets[:count], sizes[:count], strict=True)
    ]


def by_walk(image: bytes) -> Reading:
    """Take one section after the other, to the end of the file."""
    found, at = [], HEADER_BYTES
    while at + 12 <= len(image):
        kind, _, size = struct.unpack_from(">HHQ", image, at)
        found.append((kind, image[at + 12 : at + 12 + size]))
        at += 12 + size
    return found


def pcrs_of(reading: Reading) -> dict[int, bytes]:
    """Measure what was read, in the order of the file."""
    measured = [(kind, data) for kind, data in reading if kind in {KERNEL, CMDLINE, RAMDISK}]
    ramdisks = [data for kind, data in measured if kind == RAMDISK]
    boot = [data for kind, data in measured if kind != RAMDISK] + ramdisks[:1]
    return {0: pcr(*(data for _, data in measured)), 1: pcr(*boot), 2: pcr(*ramdisks[1:])}
