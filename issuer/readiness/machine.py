"""The machine that is looked at: files below a root, a clock, an architecture, and nitro-cli where there is one."""

import os
import platform
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from issuer.readiness.findings import Place

MAX_FILE_BYTES: Final = 1024 * 1024
NITRO_CLI: Final = "usr/bin/nitro-cli"
NITRO_CLI_S: Final = 30
NSM_DEVICE: Final = "dev/nsm"
ENCLAVES_DEVICE: Final = "dev/nitro_enclaves"
RNG: Final = "sys/devices/virtual/misc/hw_random"
NSM_RNG: Final = "nsm-hwrng"


def wall_clock() -> datetime:
    """Read this machine's clock, which is what is checked."""
    return datetime.now(UTC)  # noqa: TID251 - the checks' edge; everything else is given a clock


class UnreadableError(Exception):
    """What a check has to look at is not there, or is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Who may open a file, and whether it is a character device."""

    is_character: bool
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where to look.

    Attributes:
        root: every file is read below it.
        clock: must give aware datetimes.
        architecture: as the kernel names it: x86_64, aarch64.
    """

    root: Path = Path("/")
    clock: Callable[[], datetime] = wall_clock
    architecture: str = field(default_factory=platform.machine)

    def read(self, path: str) -> str:
        """Read a small text file; bytes that are no ASCII come as escapes, so that they can be shown.

        Raises:
            UnreadableError: it cannot be read, or is larger than any file that is looked at.
        """
        try:
            with (self.root / path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UnreadableError(f"/{path}: {error.strerror}") from error
        if len(data) > MAX_FILE_BYTES:
            raise UnreadableError(f"/{path}: larger than {MAX_FILE_BYTES} bytes")
        return data.decode("ascii", "backslashreplace")

    def device(self, path: str) -> Device:
        """Look at a device's node.

        Raises:
            UnreadableError: there is none.
        """
        try:
            status = (self.root / path).stat()
        except OSError as error:
            raise UnreadableError(f"/{path}: {error.strerror}") from error
        return Device(
            is_character=stat.S_ISCHR(status.st_mode), mode=status.st_mode, uid=status.st_uid, gid=status.st_gid
        )

    def has(self, path: str) -> bool:
        """Whether there is anything by that name, dangling links included."""
        return os.path.lexists(self.root / path)

    def describe_enclaves(self) -> bytes:
        """Run ``nitro-cli describe-enclaves``, which changes nothing.

        Raises:
            UnreadableError: there is no nitro-cli, or it failed, or took too long.
        """
        command = [str(self.root / NITRO_CLI), "describe-enclaves"]
        try:
            ran = subprocess.run(  # noqa: S603 - a fixed path and no shell
                command, capture_output=True, check=True, timeout=NITRO_CLI_S, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise UnreadableError(f"/{NITRO_CLI}: {error.strerror}") from error
        except subprocess.SubprocessError as error:
            raise UnreadableError(f"/{NITRO_CLI} describe-enclaves: {type(error).__name__}") from error
        return ran.stdout


def detect_place(machine: Machine) -> Place:
    """Say where this is by what only an enclave or only a parent has.

    An enclave whose NSM driver is missing looks like any machine: what must run in an enclave says so itself.
    """
    if machine.has(NSM_DEVICE) or _offers_nsm_rng(machine):
        return Place.ENCLAVE
    is_parent = any(machine.has(path) for path in (ENCLAVES_DEVICE, "etc/nitro_enclaves", NITRO_CLI))
    return Place.PARENT if is_parent else Place.ELSEWHERE


def _offers_nsm_rng(machine: Machine) -> bool:
    try:
        return NSM_RNG in machine.read(f"{RNG}/rng_available").split()
    except UnreadableError:
        return False
