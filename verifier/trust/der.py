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

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Read ``data`` from ``start`` up to ``end``."""
        self._data = data
        self._at = start
        self._end = len(data) if end is None else end

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

    def nested(self, tag: int) -> Reader:
        """Take the next element as a reader of its content."""
        start, end = self._content(tag)
        return Reader(self._data, start, end)

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


def boolean(content: bytes) -> bool:
    """Read the content of a BOOLEAN, for which DER allows 0x00 and 0xFF alone."""
    if content not in {b"\x00", b"\xff"}:
        raise DerError
    return content == b"\xff"


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
