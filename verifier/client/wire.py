"""The spellings of values in JSON, read strictly: one reading for one text, and nothing that merely resembles it."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec

from verifier.reasons import ConfigurationError
from verifier.reference_values.strict_json import read_json

Word: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,200}\Z")]
"""Goes into messages, and so into logs, wherever it came from."""
Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


def read_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object that has only one reading.

    Raises:
        ValueError: anything else.
    """
    try:
        value = read_json(body.decode("utf-8"), "the body")
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    if not isinstance(value, dict):
        raise ValueError("the body: not an object")  # noqa: TRY004 - of the same kind as all that is wrong with it
    return value


def read_octets(text: str) -> bytes:
    """Read base64url without padding, in its one spelling.

    Raises:
        ValueError: anything else.
    """
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii") != text:
        raise ValueError("not base64url without padding")
    return value


def write_octets(value: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
