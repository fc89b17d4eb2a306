"""How many cores are ours: what ``workers = "auto"`` stands for."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Control groups, version 2: the time that a container may use, and in what period; ``max`` without a limit."""


def count_cores(quota: Path = _QUOTA) -> int:
    """Count the cores that this process may run on, and no more than its container may use the time of."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not quota.is_file():
        return allowed
    most, _, period = quota.read_text(encoding="ascii").strip().partition(" ")
    return allowed if most == "max" else max(1, min(allowed, ceil(int(most) / int(period))))
