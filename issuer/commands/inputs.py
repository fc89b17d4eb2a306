"""What commands are given: bytes in some spelling, read strictly or refused with a sentence."""

import base64
import binascii
import re
import sys
from pathlib import Path

import click

from issuer.commands.display import plain
from issuer.commands.exits import InputError
from issuer.nsm.requests import MAX_REQUEST_BYTES

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}|[A-Za-z0-9_-]*={0,2}", re.ASCII)


def to_hex_or_base64(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    """Read a nonce as the verifier does: hex if it is that, otherwise base64 or base64url."""
    if text is None or not text:
        return None if text is None else b""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    value = _base64(text)
    if value is None:
        raise click.BadParameter("neither hex nor base64 nor base64url")
    return value


def to_hex(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    """Read hex."""
    if text is None or not text:
        return None if text is None else b""
    if not _HEX.fullmatch(text):
        raise click.BadParameter("not hex")
    return bytes.fromhex(text)


def read_file(name: str) -> bytes:
    """Read a file, or stdin for ``-``; more than the NSM takes in any request is refused at once."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_REQUEST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_REQUEST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{plain(name)}: {reason}") from error
    if len(data) > MAX_REQUEST_BYTES:
        raise InputError(f"{plain(name)}: larger than {MAX_REQUEST_BYTES} bytes")
    return data


def one_of(**given: bytes | None) -> bytes | None:
    """Choose the one that was given, if any; the names are the options'.

    Raises:
        click.UsageError: more than one was.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if len(present) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in present)
        raise click.UsageError(f"{names} exclude each other")
    return next(iter(present.values()), None)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what can not be undone.

    Raises:
        InputError: the answer is not yes, or there is nobody to ask; nothing was done.
    """
    if yes:
        return
    click.echo(f"{question} There is no way back until the enclave ends. [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise InputError("nothing was done; answer y, or say --yes beforehand")


def _base64(text: str) -> bytes | None:
    if not _BASE64.fullmatch(text):
        return None
    digits = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    padded = digits + "=" * (-len(digits) % 4)
    try:
        value = base64.b64decode(padded, validate=True)
    except binascii.Error:
        return None
    # The same bytes have one spelling; stray bits at the end, or some of the padding, would be another.
    is_canonical = base64.b64encode(value).decode("ascii") == padded and len(text) in {len(digits), len(padded)}
    return value if is_canonical else None
