"""How values are written in JSON, in queries and on the command line, and how they are read.

Binary values are base64url without padding, measurements and digests hex, times RFC 3339 in UTC with milliseconds.
Needs nothing but msgspec, so that the command line can speak it without the service being installed.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from verifier.history import OwnTime

if TYPE_CHECKING:
    from verifier.history import ChosenTime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FROM_BASE64URL = str.maketrans("-_+/", "+/!!")
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")
_BASE64_GROUP = 4
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def write_time(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # A third of what isoformat takes, and half of an f-string.
    fields = (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond // 1000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % fields  # noqa: UP031 - said above


def read_time(text: str) -> datetime:
    """Read an RFC 3339 time as UTC; dates alone and times without a zone are refused.

    Raises:
        ValueError: it is none, or outside the calendar in UTC.
    """
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a month of 13, an hour of 25; the year 0 or 10000 once it is in UTC
    msg = "not a time with its zone, such as 2026-01-31T12:00:00Z"
    raise ValueError(msg)


def read_chosen_time(text: str) -> ChosenTime:
    """Read a time of verification: RFC 3339, or the word that stands for each document's own.

    Raises:
        ValueError: neither.
    """
    return OwnTime.DOCUMENT if text == OwnTime.DOCUMENT.value else read_time(text)


def write_bytes(value: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return binascii.b2a_base64(value, newline=False).translate(_TO_BASE64URL).rstrip(b"=").decode("ascii")


def read_bytes(text: str) -> bytes:
    """Read base64 or base64url, padded or not, and nothing that merely resembles them.

    Raises:
        ValueError: a character outside the alphabet, both alphabets at once, wrong padding, or stray bits at the end.
    """
    digits = text.rstrip("=")
    padded = digits + "=" * (-len(digits) % _BASE64_GROUP)
    if not digits or len(text) not in (len(digits), len(padded)):
        msg = "base64 with wrong padding"
        raise ValueError(msg)
    if "-" in padded or "_" in padded:
        # Once base64url, then throughout: what only base64 has becomes what neither has.
        padded = padded.translate(_FROM_BASE64URL)
    try:
        # A tenth of what binascii takes, and as strict about characters and padding: a property holds it to binascii.
        value = msgspec.convert(padded, bytes)
    except msgspec.ValidationError as error:
        msg = "not base64 or base64url"
        raise ValueError(msg) from error
    rest = len(value) % 3
    if rest and binascii.b2a_base64(value[-rest:], newline=False).decode("ascii") != padded[-_BASE64_GROUP:]:
        msg = "base64 with stray bits at its end"
        raise ValueError(msg)
    return value


def read_nonce_text(text: str) -> bytes:
    """Read a nonce: hex when it is an even number of hex digits, otherwise base64 or base64url.

    A short base64 text could look like hex; it is then another nonce, and another nonce is refused.

    Raises:
        ValueError: none of these.
    """
    return bytes.fromhex(text) if _HEX.fullmatch(text) else read_bytes(text)
