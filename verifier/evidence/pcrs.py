"""Platform configuration registers: what each index means and which values mean "not measured"."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class EvidenceKind(StrEnum):
    """Who made a document. The two share envelope and root of trust, and not the meaning of a single PCR."""

    ENCLAVE = "enclave"
    """The Nitro Secure Module of an enclave."""
    NITRO_TPM = "nitro-tpm"
    """The NitroTPM of an EC2 instance."""


PCR_COUNT = 32
TPM_PCR_COUNT = 24
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
TPM_PCR_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "firmware code",
        1: "firmware data",
        2: "pluggable firmware code",
        3: "pluggable firmware data",
        4: "boot binaries",
        5: "boot configuration and partition table",
        6: "host platform",
        7: "Secure Boot policy",
        8: "boot loader: commands and kernel command line",
        9: "boot loader: files read",
        10: "integrity measurements of the running system",
        11: "unified kernel image: sections and phases",
        12: "kernel command line given at boot",
        13: "system extensions",
        14: "shim's certificates",
        15: "system identity",
        16: "debug",
        23: "application",
    }
)
"""By the user guide of EC2 up to 7, 12, 16 and 23; the others as Linux boot software uses them."""


def pcr_names(kind: EvidenceKind) -> Mapping[int, str]:
    """Give what the PCRs of a kind of document are known as."""
    return PCR_NAMES if kind is EvidenceKind.ENCLAVE else TPM_PCR_NAMES


def is_debug(pcrs: Mapping[int, bytes]) -> bool:
    """Tell debug mode: PCR0, PCR1 and PCR2 all present and all zero.

    There is no flag in the document. PCR3 and PCR4 stay set, so "every PCR is zero" would never be true.
    """
    return pcrs.get(0) == pcrs.get(1) == pcrs.get(2) == ZERO


def unmeasured(pcrs: Mapping[int, bytes]) -> tuple[int, ...]:
    """Name those of PCR0, PCR1 and PCR2 that are absent or zero."""
    if ZERO not in (pcrs.get(0, ZERO), pcrs.get(1, ZERO), pcrs.get(2, ZERO)):
        return ()
    return tuple(index for index in IMAGE_PCRS if pcrs.get(index, ZERO) == ZERO)
