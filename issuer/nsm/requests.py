"""The seven things an enclave can ask its NSM, each a value that is right once it exists.

Bytes are `bytes`, which nobody can change while the NSM still reads them; `copied` makes them of other buffers. Text
is refused: an NSM would take it for bytes, and a nonce that was meant as base64 would be signed as its digits.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from issuer.nsm.errors import InputTooLargeError, InvalidIndexError

BytesLike: TypeAlias = bytes | bytearray | memoryview

MAX_REQUEST_BYTES: Final = 0x1000  # NSM_REQUEST_MAX_SIZE of both Linux drivers
MAX_INDEX: Final = 0xFFFF  # u16 in the Rust API; which PCRs there are is for the NSM to say
ATTESTATION_FIELDS: Final = ("user_data", "nonce", "public_key")  # in the wire's order


@dataclass(frozen=True, slots=True)
class DescribeNsm:
    """What is this NSM, and which PCRs are locked?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribePcr:
    """What does a PCR hold, and is it locked?"""

    index: int

    def __post_init__(self) -> None:
        """Refuse what is no index."""
        _require_index("index", self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendPcr:
    """Replace a PCR's value by SHA-384 of that value and the data."""

    index: int
    data: bytes

    def __post_init__(self) -> None:
        """Refuse what is no index, and what is not bytes."""
        _require_index("index", self.index)
        _require_bytes("data", self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPcr:
    """Lock a PCR until the enclave ends."""

    index: int

    def __post_init__(self) -> None:
        """Refuse what is no index."""
        _require_index("index", self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPcrs:
    """Lock every PCR below `end`, which the wire calls the range."""

    end: int

    def __post_init__(self) -> None:
        """Refuse what is no index."""
        _require_index("end", self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """Sign a document. Zero bytes and None are different things, and stay so."""

    user_data: bytes | None = None
    nonce: bytes | None = None
    public_key: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what is neither bytes nor None."""
        for name in ATTESTATION_FIELDS:
            if getattr(self, name) is not None:
                _require_bytes(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class GetRandom:
    """Give some random bytes, as many as the NSM likes; 256 at most."""


Request: TypeAlias = DescribeNsm | DescribePcr | ExtendPcr | LockPcr | LockPcrs | Attestation | GetRandom


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLimits:
    """How many bytes each field of a document may have.

    attestation_process.md contradicts itself: its CDDL says 1024 for all three, its text 512 for two of them.
    nsm-check asks for 1024 of each on hardware and expects success.
    """

    user_data: int = 1024
    nonce: int = 1024
    public_key: int = 1024

    def require(self, request: Attestation) -> None:
        """Refuse a field that is too large, before any NSM sees it.

        Raises:
            InputTooLargeError: names the field.
        """
        for name in ATTESTATION_FIELDS:
            size, limit = len(getattr(request, name) or b""), getattr(self, name)
            if size > limit:
                raise InputTooLargeError(f"{name} has {size} bytes, {limit} at most")


USUAL_LIMITS: Final = FieldLimits()
STRICT_LIMITS: Final = FieldLimits(user_data=512, nonce=512)
"""What every reading of the specification allows."""


def copied(name: str, value: BytesLike) -> bytes:
    """Copy bytes of any kind.

    Raises:
        TypeError: text, or anything else that is not bytes.
    """
    try:
        return bytes(memoryview(value))
    except TypeError as error:
        raise TypeError(f"{name} must be bytes, not {type(value).__name__}") from error


def copied_if_any(name: str, value: BytesLike | None) -> bytes | None:
    """Copy bytes and keep None, which is not the same as no bytes."""
    return None if value is None else copied(name, value)


def _require_bytes(name: str, value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be bytes, not {type(value).__name__}")


def _require_index(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not 0 <= value <= MAX_INDEX:
        raise InvalidIndexError(f"{name} {value} is not a PCR's")
