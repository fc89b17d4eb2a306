"""Platform configuration registers: what each index means and which values mean "not measured"."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PCR_COUNT = 32
PCR_BYTES = 48
"""SHA-384, the only digest that Nitro Enclaves use."""

ZERO = bytes(PCR_BYTES)

IMAGE_PCRS = (0, 1, 2)
"""The registers that say what runs. Debug mode zeroes these three and leaves the others."""

PCR_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "enclave image",
        1: "kernel and boot ramdisk",
        2: "application",
        3: "IAM role of the parent",
        4: "instance id of the parent",
        8: "image signing certificate",
    }
)


def is_debug(pcrs: Mapping[int, bytes]) -> bool:
    """Tell debug mode: PCR0, PCR1 and PCR2 all present and all zero.

    There is no flag in the document. PCR3 and PCR4 stay set, so "every PCR is zero" would never be true.
    """
    return pcrs.get(0) == pcrs.get(1) == pcrs.get(2) == ZERO


def unmeasured(pcrs: Mapping[int, bytes]) -> tuple[int, ...]:
    """Name those of PCR0, PCR1 and PCR2 that are absent or zero."""
    return tuple(index for index in IMAGE_PCRS if pcrs.get(index, ZERO) == ZERO)
