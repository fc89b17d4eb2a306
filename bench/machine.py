"""The machine that figures are taken on: what it is, and how much of it others had meanwhile."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("aiohttp", "awscrt", "cbor2", "cryptography", "gunicorn", "msgspec", "uvloop")
"""Whose versions decide what is measured."""
_STAT = Path("/proc/stat")
_CPUINFO = Path("/proc/cpuinfo")


class Watch:
    """Tells, from its making on, the share of all cores that other processes had; Linux alone says."""

    def __init__(self) -> None:
        """Begin."""
        self._busy, self._total = processor_time()
        self._own = _own_time()

    def others(self, *, further_own_s: float = 0.0) -> float:
        """Give the share, from 0 to 1; of this process and its ended children nothing counts.

        Args:
            further_own_s: what children that still run have used since this began.
        """
        busy, total = processor_time()
        own = _own_time() - self._own + further_own_s
        elapsed = total - self._total
        return max(busy - self._busy - own, 0.0) / elapsed if elapsed else 0.0


def processor_time() -> tuple[float, float]:
    """Give the seconds that all cores were busy, and all there were, since the machine started."""
    if not _STAT.exists():
        return 0.0, 0.0
    fields = [int(field) for field in _STAT.read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - idle) / ticks, sum(fields) / ticks


def _own_time() -> float:
    return sum(os.times()[:4])


def processor_s(pid: int) -> float:
    """Give the processor time that another process has used, by its own clock (clock_getcpuclockid)."""
    return time.clock_gettime(~pid << 3 | 2)


def describe() -> dict[str, object]:
    """Give the machine and the versions of what runs on it."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
