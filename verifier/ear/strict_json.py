"""JSON and base64url with one reading: what two readers could understand differently is refused."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import NoReturn

_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*")


def decode_object(data: bytes) -> dict[str, object]:
    """Decode one JSON object and nothing after it.

    Raises:
        ValueError: not UTF-8, not JSON, not an object, a name that occurs twice, NaN, or bottomless nesting.
    """
    try:
        value: object = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error
    if type(value) is not dict:
        msg = "not a JSON object"
        raise ValueError(msg)
    return value


def encode_object(value: dict[str, object]) -> bytes:
    """Write an object in one way: names in order, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def encode_bytes(value: bytes) -> str:
    """Write bytes as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decode_bytes(text: str | bytes) -> bytes:
    """Read base64url without padding.

    Raises:
        ValueError: another alphabet, padding, an impossible length, or stray bits at the end.
    """
    data = text.encode() if isinstance(text, str) else text
    if not _BASE64URL.fullmatch(data):
        msg = "not base64url"
        raise ValueError(msg)
    try:
        value = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error as error:
        msg = "not base64url"
        raise ValueError(msg) from error
    if encode_bytes(value).encode() != data:
        msg = "base64url with stray bits at its end"
        raise ValueError(msg)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        msg = "a name occurs twice"
        raise ValueError(msg)
    return table


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not a number in JSON"
    raise ValueError(msg)
