"""What the allocator is told to reserve for enclaves, and what it has reserved.

The file is read line by line: the settings that both of AWS's allocators know, the shell script and its successor,
which also takes a list of reservations. Where the two differ, what was reserved tells.
"""

import re
from dataclasses import dataclass
from typing import Final

from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Judgement, State
from issuer.readiness.machine import Machine, UnreadableError
from issuer.readiness.resources import memory_mib, parse_cpus, read_cpus

CONFIGURATION: Final = "etc/nitro_enclaves/allocator.yaml"
CPU_POOL: Final = "sys/module/nitro_enclaves/parameters/ne_cpus"
CPU_0_CORE: Final = "sys/devices/system/cpu/cpu0/topology/thread_siblings_list"
HUGE_PAGES_KIB: Final = (2048, 32_768, 524_288, 1_048_576)  # all that the driver takes, of both architectures
LEAST_MEMORY_MIB: Final = 64  # what nitro-cli's run-enclave takes at least
_KIB_IN_MIB: Final = 1024
_ITEM: Final = re.compile(r"^\s*-\s", re.MULTILINE)
_SETTING: Final = re.compile(r"(memory_mib|cpu_count|cpu_pool)\s*:\s*(.*)")
_START: Final = "---"
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What the configuration asks for; `pool` is empty where the allocator chooses the CPUs."""

    memory_mib: int
    cpus: int
    pool: frozenset[int]


def decode_allocator(text: str) -> Reservation:
    """Read the configuration: one reservation, or, for newer allocators, a list of them, which are added up.

    Raises:
        ValueError: something is missing, said twice, or no number.
    """
    items = [settings for item in _ITEM.split(text) if (settings := _settings(item))]
    asked = [_reservation(settings) for settings in items or [{}]]
    return Reservation(
        memory_mib=sum(one.memory_mib for one in asked),
        cpus=sum(one.cpus for one in asked),
        pool=frozenset[int]().union(*(one.pool for one in asked)),
    )


def read_reservation(machine: Machine) -> Reservation:
    """Read the configuration of this machine.

    Raises:
        UnreadableError: there is none that could be used.
    """
    try:
        return decode_allocator(machine.read(CONFIGURATION))
    except ValueError as error:
        raise UnreadableError(f"/{CONFIGURATION}: {error}") from error


def judge_configuration(machine: Machine, expected: Expectations) -> Judgement:
    """Hold the configuration to what an enclave can start with."""
    asked = read_reservation(machine)
    found = f"{asked.cpus} CPUs and {asked.memory_mib} MiB"
    if asked.memory_mib < LEAST_MEMORY_MIB or not asked.cpus:
        return State.FAILED, f"{found}: too little for any enclave"
    if asked.pool & _core_of_cpu_0(machine):
        return State.FAILED, f"{found}: the core of CPU 0 is in cpu_pool, and has to stay with the parent"
    return (State.OK if asked.cpus >= expected.cpus else State.WARNING), found


def judge_reserved(machine: Machine) -> Judgement:
    """Hold what is reserved to what is asked for."""
    asked = read_reservation(machine)
    cpus, memory = len(read_cpus(machine, CPU_POOL)), _huge_pages_mib(machine)
    found = f"{cpus} of {asked.cpus} CPUs and {memory} of {asked.memory_mib} MiB are reserved"
    return (State.OK if cpus >= asked.cpus and memory >= asked.memory_mib else State.FAILED), found


def judge_headroom(machine: Machine, expected: Expectations) -> Judgement:
    """Hold what is left to the parent to what it needs."""
    asked = read_reservation(machine)
    cpus = len(read_cpus(machine, "sys/devices/system/cpu/present")) - asked.cpus
    memory = memory_mib(machine, "MemTotal") - asked.memory_mib
    found = f"{cpus} CPUs and {memory} MiB are left to the parent"
    if cpus < 1 or memory <= 0:
        return State.FAILED, found
    is_enough = cpus >= expected.cpus and memory >= expected.parent_memory_mib
    return (State.OK if is_enough else State.WARNING), found


def _core_of_cpu_0(machine: Machine) -> frozenset[int]:
    """CPU 0 and its siblings, which the driver refuses (ne_misc_dev.c, ne_setup_cpu_pool)."""
    return read_cpus(machine, CPU_0_CORE) | {0} if machine.has(CPU_0_CORE) else frozenset({0})


def _huge_pages_mib(machine: Machine) -> int:
    return sum(size * _pages(machine, size) for size in HUGE_PAGES_KIB) // _KIB_IN_MIB


def _pages(machine: Machine, size_kib: int) -> int:
    folder = f"sys/kernel/mm/hugepages/hugepages-{size_kib}kB"
    if not machine.has(folder):  # a size that this processor does not have
        return 0
    text = machine.read(f"{folder}/nr_hugepages").strip()
    if _NUMBER.fullmatch(text) is None:
        raise UnreadableError(f"/{folder}/nr_hugepages: {text[:40]!a} is no number")
    return int(text)


def _settings(item: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in item.splitlines())):
        found = _SETTING.fullmatch(line)
        if line == _START:
            continue
        if found is None:  # neither allocator takes anything else
            raise ValueError(f"{line[:40]!a} is no setting")
        if found[1] in settings:
            raise ValueError(f"{found[1]} stands there twice")
        settings[found[1]] = found[2].strip("\"'")
    return settings


def _reservation(settings: dict[str, str]) -> Reservation:
    if ("cpu_count" in settings) == ("cpu_pool" in settings):
        raise ValueError("want either cpu_count or cpu_pool")
    pool = parse_cpus(settings["cpu_pool"]) if "cpu_pool" in settings else frozenset()
    return Reservation(
        memory_mib=_number(settings, "memory_mib"),
        cpus=len(pool) if "cpu_pool" in settings else _number(settings, "cpu_count"),
        pool=pool,
    )


def _number(settings: dict[str, str], name: str) -> int:
    value = settings.get(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    if _NUMBER.fullmatch(value) is None:
        raise ValueError(f"{name} is {value[:40]!a}, no number")
    return int(value)
