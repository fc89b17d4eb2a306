"""What a build must name for a NitroTPM's PCRs to say what an EC2 instance booted.

AWS's user guide of EC2, "NitroTPM Attestation Document contents": PCR4 is of the boot binaries and PCR12 of the command
line given to them, and both together are the reference measurements of a standard boot; PCR7 is of the Secure Boot
policy, and is enough where Secure Boot admits nothing but what a certificate of yours signed. PCR0 and PCR1 are of
AWS's own boot code. Software on the instance can reset PCR16 and PCR23 (TCG PC Client Platform TPM Profile).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.evidence.pcrs import TPM_PCR_COUNT, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BOOT_PCR, SECURE_BOOT_PCR, COMMAND_LINE_PCR = 4, 7, 12
FIRMWARE_PCRS = (0, 1)
RESETTABLE_PCRS = (16, 23)

SECURE_BOOT_OFF = bytes.fromhex(
    "98441c7f7625d10058c47683aec486ce311c633235eb555593a7ee791121e3578ae72d04ecef661f272d59058b77af35"
)
"""PCR7 of every instance without Secure Boot: its variables SecureBoot = 0 and empty PK, KEK, db and dbx, measured as
the TCG PC Client Platform Firmware Profile says, and a separator. A test computes it."""


def problems_of_tpm_build(where: str, pcrs: Mapping[int, bytes], *, by_signer: bool) -> Iterator[str]:
    """Name what keeps a build from saying what booted."""
    beyond = [f"PCR{index}" for index in pcrs if index >= TPM_PCR_COUNT]
    if beyond:
        yield f"{where}: a NitroTPM has no {' and no '.join(beyond)}, only PCR0 to PCR{TPM_PCR_COUNT - 1}"
    if by_signer:
        yield from _problems_of_secure_boot(where, pcrs)
        return
    missing = [f"PCR{index}" for index in (BOOT_PCR, COMMAND_LINE_PCR) if index not in pcrs]
    if missing:
        absent = " and ".join(missing)
        yield f'{where}: {absent} missing; PCR4 and PCR12 together say what boots (or mode = "signer" with PCR7)'
    if pcrs.get(BOOT_PCR) == ZERO:
        # PCR12 may be zero: nothing was given on the command line.
        yield f"{where}: PCR4 is all zero, which stands for no boot at all"


def _problems_of_secure_boot(where: str, pcrs: Mapping[int, bytes]) -> Iterator[str]:
    value = pcrs.get(SECURE_BOOT_PCR, ZERO)
    if value == ZERO:
        yield f'{where}: mode = "signer" needs PCR7, and not all zero'
    elif value == SECURE_BOOT_OFF:
        yield f"{where}: this PCR7 is that of every instance without Secure Boot, so it says nothing about what boots"
