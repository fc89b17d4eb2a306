"""What a machine is held to, with defaults that follow the tutorials and the kernel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from issuer.nsm.pcrs import PCR_BYTES, PCR_COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What must hold.

    Attributes:
        clock_source: the one accepted clock source; None for the architecture's own.
        clock_offset: beyond it the clock fails; 30 s is what verifiers allow for skew.
        clock_drift: beyond it the clock warns.
        open_files: the least soft limit; 1024 is the kernel's default.
        memory_free: the part of memory that should be available; half, for twice the working set.
        memory_least: the part below which memory fails.
        cpus: how few CPUs the enclave, and the parent, should be left with.
        parent_memory_mib: how much memory the parent should be left with.
        pcrs: what the build's PCRs are; none are compared if empty.

    Raises:
        ValueError: a PCR has a wrong index or size.
    """

    clock_source: str | None = None
    clock_offset: timedelta = timedelta(seconds=30)
    clock_drift: timedelta = timedelta(seconds=2)
    open_files: int = 1024
    memory_free: float = 0.5
    memory_least: float = 0.1
    cpus: int = 2
    parent_memory_mib: int = 2048
    pcrs: Mapping[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep a private copy of the PCRs, each of them possible."""
        for index, value in self.pcrs.items():
            if index not in range(PCR_COUNT) or len(value) != PCR_BYTES:
                raise ValueError(f"PCR{index} of {len(value)} bytes: want 0 to {PCR_COUNT - 1}, {PCR_BYTES} bytes")
        object.__setattr__(self, "pcrs", MappingProxyType(dict(self.pcrs)))
