"""Base64 as JSON requests carry it: one reading, or none."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from vectors.case import TextCase

if TYPE_CHECKING:
    from collections.abc import Iterator

_BYTES = bytes.fromhex("fbeffe00ff")
_PLAIN = base64.b64encode(_BYTES).decode()
_URL = base64.urlsafe_b64encode(_BYTES).decode()

_READABLE = {
    "plain": (_PLAIN, "base64 with padding."),
    "plain-unpadded": (_PLAIN.rstrip("="), "base64 without padding."),
    "url": (_URL, "base64url with padding."),
    "url-unpadded": (_URL.rstrip("="), "base64url without padding."),
}
_UNREADABLE = {
    "empty": ("", "nothing."),
    "mixed": (_PLAIN[:4] + _URL[4:].replace("_", "-") + "+-==", "both alphabets at once."),
    "newline": (_PLAIN + "\n", "a line end after it."),
    "line-break": (_PLAIN[:4] + "\n" + _PLAIN[4:], "a line break within."),
    "blank": (" " + _PLAIN, "a blank before it."),
    "stray-bits": (_PLAIN.rstrip("=")[:-1] + "9=", "bits left over at its end."),
    "padding-short": ("AA=", "too little padding."),
    "padding-long": (_PLAIN + "=", "too much padding."),
    "padding-alone": ("====", "padding alone."),
    "padding-within": ("AA==AAAA", "padding within."),
    "one-digit": ("A", "six bits."),
    "five-digits": ("AAAAA", "thirty bits."),
    "star": ("AA*A", "a character outside the alphabet."),
    "nul": ("AAAA\0", "a NUL at its end."),
    "full-width": ("\uff21\uff21\uff21\uff21", "letters beyond ASCII."),
    "data-url": ("data:;base64," + _PLAIN, "a data URL."),
    "hex-prefix": ("0x" + _BYTES.hex() + "!", "hex with a prefix."),
    "pem": ("-----BEGIN-----" + _PLAIN, "a PEM's first line."),
}


def cases() -> Iterator[TextCase]:
    """Give every case of the family."""
    for slug, (text, description) in _READABLE.items():
        yield TextCase(id=f"base64.{slug}", description=f"Text: {description}", text=text, value=_BYTES)
    for slug, (text, description) in _UNREADABLE.items():
        yield TextCase(id=f"base64.{slug}", description=f"Text: {description}", text=text, value=None)
