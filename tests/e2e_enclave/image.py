"""Enclave images that boot: a kernel, a ramdisk with busybox and drivers, and one with Python and `issuer`."""

from dataclasses import dataclass
from pathlib import Path

from tests.e2e_enclave.initramfs import Ramdisk
from tests.support.eif_writer import Signer, Signing, pcr, sections, write_eif

# Without the frequency the guest hangs while it measures one; a panic ends it, and QEMU with it.
COMMAND_LINE = b"console=ttyS0 panic=-1 reboot=t loglevel=4 tsc_early_khz=2000000 random.trust_cpu=off"
INIT = Path(__file__).parent / "guest" / "init"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an image is made of."""

    kernel: bytes
    boot: bytes
    application: bytes

    @property
    def measured(self) -> bytes:
        """What PCR0 is of."""
        return self.kernel + COMMAND_LINE + self.boot + self.application


def boot_ramdisk(tools: Path) -> bytes:
    """Make the ramdisk that starts the application."""
    disk = Ramdisk()
    disk.add_device("/dev/console", major=5, minor=1)
    disk.add_file("/bin/busybox", (tools / "busybox").read_bytes(), executable=True)
    disk.add_file("/init", INIT.read_bytes(), executable=True)
    for module in sorted((tools / "modules").glob("*.ko")):
        disk.add_file(f"/modules/{module.name}", module.read_bytes())
    return disk.encode()


def write_image(parts: Parts, *, signer: Signer | None = None) -> bytes:
    """Write an image, signed if there is somebody to sign it."""
    signature = None if signer is None else Signing(pcr0=pcr(parts.measured), by=signer).section()
    return write_eif(
        sections(
            kernel=parts.kernel,
            cmdline=COMMAND_LINE,
            ramdisks=(parts.boot, parts.application),
            signature=signature,
        )
    )
