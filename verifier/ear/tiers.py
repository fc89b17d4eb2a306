"""Trustworthiness tiers and vector (draft-ietf-rats-ar4si sections 2.3 and 3)."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from types import MappingProxyType

_WORST, _BEST = -128, 127


class Tier(StrEnum):
    """How far an Attester can be trusted."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"


TIER_CODES = MappingProxyType({Tier.NONE: 0, Tier.AFFIRMING: 2, Tier.WARNING: 32, Tier.CONTRAINDICATED: 96})
"""The same in CBOR. Each is where the tier's values begin, too."""


class Trust(IntEnum):
    """Places in the trustworthiness vector, by their CBOR key."""

    INSTANCE_IDENTITY = 0
    CONFIGURATION = 1
    EXECUTABLES = 2
    FILE_SYSTEM = 3
    HARDWARE = 4
    RUNTIME_OPAQUE = 5
    STORAGE_OPAQUE = 6
    SOURCED_DATA = 7

    @property
    def word(self) -> str:
        """The place's name in JSON."""
        return self.name.lower().replace("_", "-")


def tier_of(value: int) -> Tier:
    """Give the tier that a trustworthiness claim lies in, standard values and non-standard ones.

    Raises:
        ValueError: not one of -128 to 127.
    """
    if not _WORST <= value <= _BEST:
        msg = "a trustworthiness claim is -128 to 127"
        raise ValueError(msg)
    if -1 <= value <= 1:
        return Tier.NONE
    size = value if value > 0 else -value - 1  # the non-standard ranges mirror the standard ones
    if size < TIER_CODES[Tier.WARNING]:
        return Tier.AFFIRMING
    return Tier.WARNING if size < TIER_CODES[Tier.CONTRAINDICATED] else Tier.CONTRAINDICATED
