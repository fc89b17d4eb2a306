"""CBOR (RFC 8949) written byte by byte as the NSM writes it; the one door to cbor2 in `issuer`.

Maps keep the order they are given and may repeat a key, heads may be indefinite, and `Encoded` splices bytes
in as they stand: a document can be right, or wrong in exactly one place. Reading is for messages to and from
an NSM: forms that mean the same are the same, and what has no place in a message is refused.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

import cbor2

ARRAY = 4
MAP = 5
BREAK = b"\xff"
MAX_DEPTH: Final = 8
"""Containers within containers; a genuine message has three."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """CBOR that is already bytes and is written unchanged."""

    data: bytes


CborValue: TypeAlias = (
    "Encoded | bytes | str | int | float | Mapping[CborValue, CborValue] | tuple[CborValue, ...] | None"
)
CborPairs: TypeAlias = Iterable[tuple[CborValue, CborValue]]


def encode(value: CborValue) -> bytes:
    """Encode one value: definite lengths, shortest heads, mappings in their own order."""
    match value:
        case Encoded():
            return value.data
        case Mapping():
            return encode_map(value.items())
        case tuple():
            return encode_array(value)
        case _:
            return cbor2.dumps(value)


def encode_map(pairs: CborPairs, *, indefinite: bool = False) -> bytes:
    """Encode a map from its pairs, repeated keys and all."""
    items = [encode(key) + encode(value) for key, value in pairs]
    return _container(MAP, items, indefinite=indefinite)


def encode_array(values: Iterable[CborValue], *, indefinite: bool = False) -> bytes:
    """Encode an array."""
    return _container(ARRAY, [encode(value) for value in values], indefinite=indefinite)


def decode(data: bytes) -> object:
    """Decode exactly one item: any key order, any head, definite or indefinite.

    Raises:
        ValueError: not well formed, a tag, a repeated key, nested too deep, or followed by something.
    """
    source = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        source,
        tag_hook=_refuse_tag,
        semantic_decoders=_REFUSE_BUILT_IN_TAGS,
        max_depth=MAX_DEPTH,
        allow_duplicate_keys=False,
    )
    try:
        item: object = decoder.decode()
    except (cbor2.CBORDecodeError, OverflowError, MemoryError, RecursionError) as error:
        raise ValueError(f"not CBOR that an NSM would write: {error}") from error
    if source.tell() != len(data):
        raise ValueError(f"{len(data) - source.tell()} bytes follow the item")
    return item


def _refuse_tag(*_: object) -> NoReturn:
    raise cbor2.CBORDecodeError("a tag")


# Tags would be resolved to dates, bignums, regular expressions; those cbor2 does not know reach the hook.
_REFUSE_BUILT_IN_TAGS = dict.fromkeys((*range(300), 1004, 1040, 43000, 55799, 55800), _refuse_tag)


def _container(major: int, items: list[bytes], *, indefinite: bool) -> bytes:
    head = _head(major, None if indefinite else len(items))
    return head + b"".join(items) + (BREAK if indefinite else b"")


def _head(major: int, length: int | None) -> bytes:
    buffer = io.BytesIO()
    cbor2.CBOREncoder(buffer).encode_length(major, length)
    return buffer.getvalue()
