"""How each kind of claim is written in JSON and in CBOR, and read back (RFC 9711 section 7.3: "JC").

A ``Record`` describes a claims-set once: every member with its JSON name, its CBOR key and the codec of its value. Both
forms, in both directions, follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from verifier.ear.strict_json import decode_bytes, encode_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_Value = TypeVar("_Value")
_MAX_LENGTH = 16 * 1024


class Form(Enum):
    """The two serialisations."""

    JSON = auto()
    CBOR = auto()


class ClaimFault(Exception):  # noqa: N818 - becomes an EarError where the token is known
    """A claim is not as described; the argument is its JSON name."""


class Codec(Protocol):
    """Writes and reads one kind of value."""

    def write(self, value: object, form: Form) -> object:
        """Give the value in a form."""
        ...

    def read(self, item: object, form: Form) -> object:
        """Give the value that an item stands for.

        Raises:
            ValueError: it stands for none.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plain(Generic[_Value]):
    """A value that is the same in both forms: text, or a flag."""

    kind: type[_Value]

    def write(self, value: object, _: Form) -> object:
        """Give it as it is."""
        return value

    def read(self, item: object, _: Form) -> object:
        """Give it as it is, when it is of exactly this type."""
        if type(item) is not self.kind:
            msg = f"not of type {self.kind.__name__}"
            raise ValueError(msg)
        return item


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, the same in both forms; 1.0 is none (RFC 9711 section 4.3.1), and True neither."""

    bounds: range

    def write(self, value: object, _: Form) -> object:
        """Give it as it is."""
        return value

    def read(self, item: object, _: Form) -> object:
        """Give it as it is, when it lies within the bounds."""
        if type(item) is not int or item not in self.bounds:
            msg = "not a whole number within its bounds"
            raise ValueError(msg)
        return item


@dataclass(frozen=True, slots=True)
class Binary:
    """A byte string: base64url in JSON, or hex where people compare it with what other tools print."""

    hexadecimal: bool = False
    sizes: range = range(_MAX_LENGTH)

    def write(self, value: object, form: Form) -> object:
        """Give text in JSON, the bytes themselves in CBOR."""
        data = cast("bytes", value)
        if form is Form.CBOR:
            return data
        return data.hex() if self.hexadecimal else encode_bytes(data)

    def read(self, item: object, form: Form) -> object:
        """Read what ``write`` wrote, of a size that is allowed."""
        if form is Form.JSON and type(item) is str:
            data: object = bytes.fromhex(item) if self.hexadecimal else decode_bytes(item)
        else:
            data = item if form is Form.CBOR else None
        if type(data) is not bytes or len(data) not in self.sizes or self.write(data, form) != item:
            msg = "not bytes of a size that is allowed"
            raise ValueError(msg)
        return data


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a few in JSON, its number in CBOR."""

    codes: Mapping[str, int]

    def write(self, value: object, form: Form) -> object:
        """Give the word or its number."""
        word = str(value)
        return word if form is Form.JSON else self.codes[word]

    def read(self, item: object, form: Form) -> object:
        """Give the word."""
        for word, code in self.codes.items():
            if (type(item) is str and item == word) if form is Form.JSON else (type(item) is int and item == code):
                return word
        msg = "none of the words that are defined"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of values of one kind, not empty."""

    codec: Codec

    def write(self, value: object, form: Form) -> object:
        """Write each."""
        return [self.codec.write(each, form) for each in cast("tuple[object, ...]", value)]

    def read(self, item: object, form: Form) -> object:
        """Read each."""
        if type(item) is not list or not item:
            msg = "not a list with entries"
            raise ValueError(msg)
        return tuple(self.codec.read(each, form) for each in item)


@dataclass(frozen=True, slots=True)
class Table:
    """A map whose keys are values too: labels, which are text in both forms, or indices, which are text in JSON."""

    codec: Codec
    indexed: bool = False

    def write(self, value: object, form: Form) -> object:
        """Write each entry."""
        entries = cast("Mapping[object, object]", value)
        return {str(key) if form is Form.JSON else key: self.codec.write(each, form) for key, each in entries.items()}

    def read(self, item: object, form: Form) -> object:
        """Read each entry."""
        if type(item) is not dict or not item:
            msg = "not a map with entries"
            raise ValueError(msg)
        return {self._key(key, form): self.codec.read(each, form) for key, each in item.items()}

    def _key(self, key: object, form: Form) -> object:
        if self.indexed and form is Form.JSON and type(key) is str and key.isascii() and key.isdigit():
            index = int(key[:3])
            key = index if str(index) == key else None
        if type(key) is not (int if self.indexed else str):
            msg = "a map's key of another type"
            raise ValueError(msg)
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One claim of a claims-set."""

    key: int | str
    """In CBOR; text for claims of ours inside a map of claims, which needs no registered number."""
    codec: Codec
    required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A claims-set: members by their JSON name."""

    members: Mapping[str, Member]

    def write(self, value: object, form: Form) -> dict[Any, object]:
        """Write every member that is there; ``None`` stands for absence."""
        record = cast("Mapping[str, object]", value)
        return {
            (name if form is Form.JSON else self.members[name].key): self.members[name].codec.write(each, form)
            for name, each in record.items()
            if each is not None
        }

    def read(self, item: object, form: Form) -> object:
        """Read every member that is described, and pass over the others, as a receiver must.

        Raises:
            ClaimFault: a member is not as described, or is missing.
        """
        if type(item) is not dict or any(type(key) not in (int, str) for key in item):
            msg = "not a map of claims"  # a key such as true would equal 1
            raise ValueError(msg)
        record: dict[str, object] = {}
        for name, member in self.members.items():
            key = name if form is Form.JSON else member.key
            if key in item:
                record[name] = _read_member(name, member.codec, item[key], form)
            elif member.required:
                raise ClaimFault(name, "missing")
        return record


def _read_member(name: str, codec: Codec, item: object, form: Form) -> object:
    try:
        return codec.read(item, form)
    except ValueError as error:
        raise ClaimFault(name, str(error)) from error
