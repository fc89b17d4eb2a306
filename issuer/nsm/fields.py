"""The fields of a message from outside, read by name and type. Fields that nobody asks for do not matter."""

from collections.abc import Mapping
from typing import Final, TypeVar

U16_MAX: Final = 0xFFFF

_T = TypeVar("_T")


class Fields:
    """A decoded map; every method raises ValueError, naming the field, when it is absent or of another type."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[object, object]) -> None:
        self._items = items

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._items.get(name) is not None

    def number(self, name: str, limit: int = U16_MAX) -> int:
        """Read an unsigned number."""
        return _bounded(name, _typed(name, self._items.get(name), int), limit)

    def numbers(self, name: str) -> tuple[int, ...]:
        """Read an array of unsigned numbers, in its order."""
        values: list[object] = _typed(name, self._items.get(name), list)
        return tuple(_bounded(name, _typed(name, value, int), U16_MAX) for value in values)

    def flag(self, name: str) -> bool:
        """Read true or false."""
        return _typed(name, self._items.get(name), bool)

    def text(self, name: str) -> str:
        """Read a text string."""
        return _typed(name, self._items.get(name), str)

    def octets(self, name: str, length: int | None = None) -> bytes:
        """Read a byte string, of that length if one is given."""
        value = _typed(name, self._items.get(name), bytes)
        if length is not None and len(value) != length:
            raise ValueError(f"{name} has {len(value)} bytes, not {length}")
        return value

    def octets_or_text(self, name: str) -> bytes:
        """Read a byte string, or take a text string for one."""
        value = self._items.get(name)
        return value.encode() if isinstance(value, str) else self.octets(name)


def _typed(name: str, value: object, kind: type[_T]) -> _T:
    # Exactly that type: to Python True is an int, to CBOR it is not.
    if type(value) is kind:
        return value
    raise ValueError(f"{name} is {'absent' if value is None else 'of another type'}")


def _bounded(name: str, value: int, limit: int) -> int:
    if not 0 <= value <= limit:
        raise ValueError(f"{name} is {value}, not 0 to {limit}")
    return value
