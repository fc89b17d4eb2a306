"""What the application can use: descriptors, memory, CPUs."""

import re
from typing import Final

from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Judgement, State
from issuer.readiness.machine import Machine, UnreadableError

_OPEN_FILES: Final = re.compile(r"^Max open files +(\d{1,19}|unlimited) ", re.MULTILINE | re.ASCII)
_CPU_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_KIB_IN_MIB: Final = 1024


def judge_files(machine: Machine, expected: Expectations) -> Judgement:
    """Hold this process's soft limit of open files to the least."""
    found = _OPEN_FILES.search(machine.read("proc/self/limits"))
    if found is None:
        raise UnreadableError("/proc/self/limits: no limit of open files")
    limit = found[1]
    is_enough = limit == "unlimited" or int(limit) >= expected.open_files
    return (State.OK if is_enough else State.FAILED), f"{limit} open files, {expected.open_files} wanted"


def judge_memory(machine: Machine, expected: Expectations) -> Judgement:
    """Hold what is available to its part of the whole."""
    total, available = memory_mib(machine, "MemTotal"), memory_mib(machine, "MemAvailable")
    part = available / total if total else 0
    found = f"{available} of {total} MiB are available ({part:.0%})"
    if part < expected.memory_least:
        return State.FAILED, found
    return (State.WARNING if part < expected.memory_free else State.OK), found


def judge_cpus(machine: Machine, expected: Expectations) -> Judgement:
    """Hold the CPUs that are online to the least."""
    count = len(read_cpus(machine, "sys/devices/system/cpu/online"))
    return (State.OK if count >= expected.cpus else State.WARNING), f"{count} CPUs online"


def memory_mib(machine: Machine, name: str) -> int:
    """Read one line of /proc/meminfo in MiB.

    Raises:
        UnreadableError: it is not there.
    """
    found = re.search(rf"^{name}: +(\d{{1,19}}) kB$", machine.read("proc/meminfo"), re.MULTILINE | re.ASCII)
    if found is None:
        raise UnreadableError(f"/proc/meminfo: no {name}")
    return int(found[1]) // _KIB_IN_MIB


def read_cpus(machine: Machine, path: str) -> frozenset[int]:
    """Read a file that is one list of CPUs.

    Raises:
        UnreadableError: it is not.
    """
    try:
        return parse_cpus(machine.read(path).strip())
    except ValueError as error:
        raise UnreadableError(f"/{path}: {error}") from error


def parse_cpus(text: str) -> frozenset[int]:
    """Read a list of CPUs as the kernel writes it, such as ``0-3,6``; empty is none.

    Raises:
        ValueError: it is no such list.
    """
    cpus: set[int] = set()
    for part in text.split(",") if text else ():
        found = _CPU_RANGE.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"{part[:40]!a} is no CPU")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"{part[:40]!a} ends before it starts")
        cpus.update(range(first, last + 1))
    return frozenset(cpus)
