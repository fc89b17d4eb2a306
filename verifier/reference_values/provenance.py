"""Measurements and how they were come by: numbers alone do not say whether to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class Provenance(StrEnum):
    """Who measured, with a caution where that is not enough."""

    caution: str | None

    def __new__(cls, code: str, caution: str | None) -> Self:
        """Make a member that is its code and carries its caution."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.caution = caution
        return member

    IMAGE = ("eif", None)
    """This program, from the file."""
    BUILD_ENCLAVE = ("nitro-cli build-enclave", None)
    DESCRIBE_EIF = (
        "nitro-cli describe-eif",
        "it reads a file in another way than the hypervisor, so somebody else's file can show any measurements",
    )
    DESCRIBE_ENCLAVES = (
        "nitro-cli describe-enclaves",
        "it shows what nitro-cli computed from the file that was started, not what the hypervisor measured",
    )

    @property
    def is_authoritative(self) -> bool:
        """Whether the numbers are those of the image, provided that the image is your own."""
        return self.caution is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValues:
    """The measurements of one image."""

    pcrs: Mapping[int, bytes]
    provenance: Provenance
    name: str | None = None
    """What the source calls it; anybody's words."""
    enclave_id: str | None = None
    objection: str | None = None
    """Why no policy may be made of them; ``None`` when one may."""
