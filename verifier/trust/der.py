"""Strict DER (X.690 section 10) as far as certificates need it: one reading of the bytes, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30

_LONG_FORM = 0x80
_CONTINUED = 0x80
_TWO_LENGTH_BYTES = 0x82
_TIME_LENGTH = len(b"YYYYMMDDHHMMSSZ")
_UTC_PIVOT = b"50"
"""RFC 5280 section 4.1.2.5.1: 50 and above are of the twentieth century."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class DerError(Exception):
    """The bytes are not the DER that the place calls for."""


class Reader:
    """Takes one element after another from a slice of DER, and knows when nothing is left."""

    __slots__ = ("_at", "_data", "_end", "_ends")

    def __init__(self, data: bytes) -> None:
        """Read ``data`` from its first byte to its last."""
        self._data = data
        self._at = 0
        self._end = len(data)
        self._ends: list[int] = []
        """Of the elements around the one that is being read."""

    @property
    def peek(self) -> int:
        """The next tag, or -1 at the end."""
        return self._data[self._at] if self._at < self._end else -1

    def raw(self, tag: int) -> bytes:
        """Take the next element whole, head included."""
        start = self._at
        self._content(tag)
        return self._data[start : self._at]

    def content(self, tag: int) -> bytes:
        """Take the content of the next element."""
        start, end = self._content(tag)
        return self._data[start:end]

    def skip(self, element: bytes) -> bool:
        """Step over exactly this element if it is the next one; tell whether it was."""
        if not self._data.startswith(element, self._at, self._end):
            return False
        self._at += len(element)
        return True

    def enter(self, tag: int) -> None:
        """Begin to read the content of the next element, and nothing behind it before ``leave``."""
        self._at, end = self._content(tag)
        self._ends.append(self._end)
        self._end = end

    def is_last(self) -> bool:
        """Tell whether nothing is behind the element that was entered last, in the one around it."""
        return self._end == self._ends[-1]

    def leave(self) -> None:
        """Go on behind the element that was entered last; refuse anything left over in it."""
        self.finish()
        self._end = self._ends.pop()

    def finish(self) -> None:
        """Refuse anything left over."""
        if self._at != self._end:
            raise DerError

    def _content(self, tag: int) -> tuple[int, int]:
        """Step over the next element, which must have ``tag``; give where its content lies.

        Tags above 30 and lengths of more than two bytes have no place in a certificate of at most 1024 bytes.
        """
        data, at = self._data, self._at
        if at + 2 > self._end or data[at] != tag:
            raise DerError
        length = data[at + 1]
        start = at + 2
        if length >= _LONG_FORM:
            width = length - _LONG_FORM
            length = int.from_bytes(data[start : start + width]) if 0 < width <= 2 else -1  # noqa: PLR2004
            start += width
            # The shortest form is the only form: 0x81 from 128, 0x82 from 256.
            if length < _LONG_FORM or (width == 2 and length < 256):  # noqa: PLR2004
                raise DerError
        end = start + length
        if end > self._end:
            raise DerError
        self._at = end
        return start, end


def positive_integer(content: bytes) -> int:
    """Read the content of an INTEGER that must be positive and in its shortest form."""
    if not content or content[0] & 0x80 or (content[0] == 0 and (len(content) == 1 or not content[1] & 0x80)):
        raise DerError
    return int.from_bytes(content)


def unsigned_integer(content: bytes) -> int:
    """Read the content of an INTEGER that must not be negative and in its shortest form."""
    return 0 if content == b"\x00" else positive_integer(content)


def object_identifier(content: bytes) -> bytes:
    """Take the content of an OBJECT IDENTIFIER whose every arc is whole and in its shortest form (X.690 8.19.2)."""
    first = True
    for octet in content:
        if first and octet == _CONTINUED:
            raise DerError
        first = octet < _CONTINUED
    if not (content and first):
        raise DerError
    return content


def time_seconds(reader: Reader) -> int:
    """Take a Time (RFC 5280 section 4.1.2.5) as seconds since 1970; only ``YYMMDDHHMMSSZ`` and its four-digit twin."""
    if reader.peek == UTC_TIME:
        text = reader.content(UTC_TIME)
        text = (b"19" if text >= _UTC_PIVOT else b"20") + text
    else:
        text = reader.content(GENERALIZED_TIME)
    if len(text) != _TIME_LENGTH or text[-1:] != b"Z" or not text[:-1].isdigit():
        raise DerError
    try:
        # Refuses what no calendar has, second 60 included.
        moment = datetime(
            int(text[:4]),
            int(text[4:6]),
            int(text[6:8]),
            int(text[8:10]),
            int(text[10:12]),
            int(text[12:14]),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise DerError from error
    return (moment - _EPOCH) // _SECOND
