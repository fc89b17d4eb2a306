"""Platform configuration registers: 32 of 48 bytes, extended with SHA-384, locked for good.

The semantics are those that nsm-check asserts on hardware and that QEMU's emulated NSM answers; the error
names are QEMU's.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from issuer.nsm.errors import InvalidIndexError, ReadOnlyIndexError

PCR_COUNT: Final = 32
PCR_BYTES: Final = 48
LOCKED_AT_BOOT: Final = 16
ZERO: Final = bytes(PCR_BYTES)


def extended(value: bytes, data: bytes) -> bytes:
    """What a PCR holding `value` holds after it is extended with `data`."""
    return hashlib.sha384(value + data).digest()


def measured(content: bytes) -> bytes:
    """PCR0, 1, 2 and 8: a zero PCR extended with the digest of what was measured."""
    return extended(ZERO, hashlib.sha384(content).digest())


def role_pcr(role_arn: str) -> bytes:
    """PCR3 for the parent instance's IAM role; the ARN itself is extended, not its digest."""
    return extended(ZERO, role_arn.encode())


def instance_pcr(instance_id: str) -> bytes:
    """PCR4 for the parent instance; the id itself is extended, not its digest."""
    return extended(ZERO, instance_id.encode())


def build_pcrs(build: str | bytes) -> dict[int, bytes]:
    """PCR0, 1 and 2 of a make-believe build: different for every name, the same every time."""
    name = build.encode() if isinstance(build, str) else build
    return {index: measured(b"throwaway build pcr%d " % index + name) for index in range(3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PcrDescription:
    """The answer to DescribePCR, in the words of the wire."""

    lock: bool
    data: bytes


class PcrBank:
    """The registers of one enclave, 0 to 15 locked from the start, what is not given zero.

    Raises:
        ValueError: a value names no register or is not 48 bytes.
    """

    __slots__ = ("_locked", "_values")

    def __init__(self, values: Mapping[int, bytes]) -> None:
        for index, value in values.items():
            if index not in range(PCR_COUNT) or len(value) != PCR_BYTES:
                raise ValueError(f"PCR{index} of {len(value)} bytes: want 0 to 31, {PCR_BYTES} bytes")
        self._values = [values.get(index, ZERO) for index in range(PCR_COUNT)]
        self._locked = set(range(LOCKED_AT_BOOT))

    def extend(self, index: int, data: bytes) -> bytes:
        """Extend an unlocked PCR and return its new value."""
        self._require_unlocked(index)
        self._values[index] = extended(self._values[index], data)
        return self._values[index]

    def lock(self, index: int) -> None:
        """Lock an unlocked PCR; there is no way back."""
        self._require_unlocked(index)
        self._locked.add(index)

    def lock_below(self, end: int) -> None:
        """Lock every PCR below `end`, those locked already included."""
        if end not in range(PCR_COUNT + 1):
            raise InvalidIndexError(f"a range ends at 0 to {PCR_COUNT}, not {end}")
        self._locked.update(range(end))

    def describe(self, index: int) -> PcrDescription:
        """The value of a PCR and whether it is locked."""
        self._require_index(index)
        return PcrDescription(lock=index in self._locked, data=self._values[index])

    def locked(self) -> dict[int, bytes]:
        """The locked PCRs in ascending order: exactly those a document carries."""
        return {index: self._values[index] for index in sorted(self._locked)}

    def _require_unlocked(self, index: int) -> None:
        self._require_index(index)
        if index in self._locked:
            raise ReadOnlyIndexError(f"PCR{index} is locked")

    def _require_index(self, index: int) -> None:
        if index not in range(PCR_COUNT):
            raise InvalidIndexError(f"there is no PCR{index}")
