"""CBOR (RFC 8949) written byte by byte as the NSM writes it; the one door to cbor2 in `issuer`.

Maps keep the order they are given and may repeat a key, heads may be indefinite, and `Encoded` splices bytes
in as they stand: a document can be right, or wrong in exactly one place.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cbor2

ARRAY = 4
MAP = 5
BREAK = b"\xff"


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


def _container(major: int, items: list[bytes], *, indefinite: bool) -> bytes:
    head = _head(major, None if indefinite else len(items))
    return head + b"".join(items) + (BREAK if indefinite else b"")


def _head(major: int, length: int | None) -> bytes:
    buffer = io.BytesIO()
    cbor2.CBOREncoder(buffer).encode_length(major, length)
    return buffer.getvalue()
