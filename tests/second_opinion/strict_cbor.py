"""A second reader of CBOR, written from RFC 8949 alone and slowly on purpose: every byte is looked at once.

`read_item` says what RFC 8949 says: whether the bytes are one well-formed item (appendix C), and which. `problems`
then asks the project's own question: does the item use nothing that two readers could understand differently, that is
no tags, no chunked strings, no duplicate keys, no text that is not UTF-8?
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

MAX_DEPTH: Final = 64
"""RFC 8949 section 10: a decoder must bound its stack. Far above anything that anybody writes."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)
_INDEFINITE: Final = 31
_BREAK: Final = 0xFF


class NotWellFormedError(Exception):
    """The bytes are not one CBOR item (RFC 8949 section 1.2)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text string as its bytes, which nobody has checked to be UTF-8."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Chunked:
    """A string of indefinite length (section 3.2.3)."""

    major: int
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """An array, whatever its head looked like."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A map as its pairs, in their order, duplicates included."""

    pairs: tuple[tuple[Item, Item], ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item under a tag (section 3.4)."""

    number: int
    content: Item


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value by its number: 20 false, 21 true, 22 null, 23 undefined (section 3.3)."""

    number: int


@dataclass(frozen=True, slots=True)
class Float:
    """A floating-point number by the bits of its double, so that NaN equals itself and -0.0 is not 0.0."""

    bits: bytes


Item: TypeAlias = int | bytes | Text | Chunked | Array | Map | Tagged | Simple | Float


def read_item(data: bytes) -> Item:
    """Read bytes that must be exactly one item.

    Raises:
        NotWellFormedError: they are not, or they nest deeper than `MAX_DEPTH`.
    """
    reader = _Reader(data)
    item = reader.item(0)
    if reader.at != len(data):
        raise NotWellFormedError(f"{len(data) - reader.at} bytes too many")
    return item


def problems(item: Item) -> Iterator[str]:
    """Name every use of what a strict profile leaves out."""
    match item:
        case Chunked():
            yield "chunked string"
        case Tagged():
            yield "tag"
        case Text(raw=raw) if not _is_utf8(raw):
            yield "text that is not UTF-8"
        case Array(items=items):
            for entry in items:
                yield from problems(entry)
        case Map(pairs=pairs):
            keys = [key for key, _ in pairs]
            if len(set(keys)) != len(keys):
                yield "duplicate key"
            for key, value in pairs:
                yield from problems(key)
                yield from problems(value)
        case _:
            pass


class _Reader:
    """Takes the bytes apart from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise NotWellFormedError("cut off")
        start, self.at = self.at, self.at + count
        return self.data[start : self.at]

    def head(self) -> tuple[int, int, int]:
        """Major type, additional information, and the argument (0 for an indefinite length)."""
        initial = self.take(1)[0]
        major, info = initial >> 5, initial & 31
        if info <= 23:
            return major, info, info
        if info <= 27:
            return major, info, int.from_bytes(self.take(1 << (info - 24)))
        if info == _INDEFINITE and major in {_BYTES, _TEXT, _ARRAY, _MAP, _OTHER}:
            return major, info, 0
        raise NotWellFormedError("reserved additional information")

    def item(self, depth: int) -> Item:
        if depth > MAX_DEPTH:
            raise NotWellFormedError("too deep")
        major, info, argument = self.head()
        if major in {_ARRAY, _MAP, _TAG}:
            return self.container(major, info, argument, depth)
        if major in {_BYTES, _TEXT}:
            return self.string(major, info, argument)
        if major == _OTHER:
            return self.other(info, argument)
        return argument if major == _UNSIGNED else -1 - argument

    def container(self, major: int, info: int, argument: int, depth: int) -> Item:
        if major == _TAG:
            return Tagged(argument, self.item(depth + 1))
        if major == _ARRAY:
            return Array(tuple(self.entries(info, argument, depth)))
        return self.map(info, argument, depth)

    def string(self, major: int, info: int, length: int) -> Item:
        if info != _INDEFINITE:
            raw = self.take(length)
            return raw if major == _BYTES else Text(raw)
        chunks = []
        while not self.at_break():
            chunk_major, chunk_info, chunk_length = self.head()
            if chunk_major != major or chunk_info == _INDEFINITE:
                raise NotWellFormedError("a chunk of another kind")
            chunks.append(self.take(chunk_length))
        return Chunked(major, tuple(chunks))

    def entries(self, info: int, count: int, depth: int) -> Iterator[Item]:
        if info == _INDEFINITE:
            while not self.at_break():
                yield self.item(depth + 1)
            return
        if count > len(self.data) - self.at:  # each entry takes a byte at least
            raise NotWellFormedError("cut off")
        for _ in range(count):
            yield self.item(depth + 1)

    def map(self, info: int, count: int, depth: int) -> Map:
        flat = list(self.entries(info, 2 * count, depth))
        if len(flat) % 2:
            raise NotWellFormedError("a key without a value")
        return Map(tuple(zip(flat[::2], flat[1::2], strict=True)))

    def at_break(self) -> bool:
        if self.at < len(self.data) and self.data[self.at] == _BREAK:
            self.at += 1
            return True
        return False

    def other(self, info: int, argument: int) -> Item:
        if info <= 23:
            return Simple(argument)
        if info == 24:
            if argument < 32:
                raise NotWellFormedError("a simple value below 32 in two bytes")
            return Simple(argument)
        if info == _INDEFINITE:
            raise NotWellFormedError("a break where an item must be")
        code = {25: ">e", 26: ">f", 27: ">d"}[info]
        (number,) = struct.unpack(code, argument.to_bytes(1 << (info - 24)))
        return Float(struct.pack(">d", number))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
