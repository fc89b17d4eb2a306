"""Keys from files. Nonce keys are 32 random bytes or more, as they are or written as hex or base64."""

from __future__ import annotations

import codecs
import stat
from typing import TYPE_CHECKING

from verifier.nonces import NonceKey
from verifier.reasons import ConfigurationError
from verifier.service.notation import read_nonce_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from verifier.nonces import Keyring

MAX_KEY_FILE_BYTES = 4096

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_key_file(key_id: int, path: Path, warnings: list[str]) -> NonceKey:
    """Read a key.

    A file of text is hex or base64 and nothing else, so that a pass phrase is refused and line ends, which editors and
    openssl add and secret stores strip, do not make two replicas disagree.

    Args:
        key_id: what nonces call it.
        path: where it is.
        warnings: gets a sentence when others than the owner may read the file.

    Raises:
        ConfigurationError: it cannot be read, is too short, or is text of another kind.
    """
    what = f"nonce key {key_id}"
    data, mode = read_file(what, path)
    warn_if_shared(what, path, mode, warnings)
    return NonceKey(id=key_id, secret=_decode(key_id, path, data))


def read_file(what: str, path: Path) -> tuple[bytes, int]:
    """Read a key's file; give its bytes and its mode.

    Raises:
        ConfigurationError: it cannot be read, or is too long for a key.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_KEY_FILE_BYTES + 1)
            mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        msg = f"{what}: {path}: {error.strerror}"
        raise ConfigurationError(msg) from error
    if len(data) > MAX_KEY_FILE_BYTES:
        msg = f"{what}: {path}: longer than {MAX_KEY_FILE_BYTES} bytes"
        raise ConfigurationError(msg)
    return data, mode


def warn_if_shared(what: str, path: Path, mode: int, warnings: list[str]) -> None:
    """Note a secret that others than its owner may read."""
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        # A warning and not a refusal: secrets mounted by Kubernetes are readable for the group by design.
        warnings.append(f"{what}: {path} is readable for more than its owner (mode {mode:04o})")


def name_keys(keyring: Keyring) -> Iterator[tuple[str, NonceKey]]:
    """Give the keys that there are, by what they are for."""
    for name in ("current", "next", "previous"):
        key = getattr(keyring, name)
        if key is not None:
            yield name, key


def label_keys(keyring: Keyring) -> str:
    """Name keys by their ids: anything made from the keys themselves would be a way to check guesses."""
    if keyring.ephemeral:
        return "ephemeral"
    return " ".join(f"{name}={key.id}" for name, key in name_keys(keyring))


def _decode(key_id: int, path: Path, data: bytes) -> bytes:
    text = _read_text(data)
    if text is None:
        return data
    try:
        return read_nonce_text(text)
    except ValueError as error:
        msg = f"nonce key {key_id}: {path} is text but neither hex nor base64; make one with: openssl rand -base64 32"
        raise ConfigurationError(msg) from error


def _read_text(data: bytes) -> str | None:
    """Give the text in a file with its lines joined, or ``None`` for bytes that are no text.

    Text is whatever prints, with a byte order mark or without. Random bytes do not: of 32, one control character or one
    byte that is not UTF-8 is enough. UTF-16, which PowerShell writes, must be ASCII: in it nearly all bytes print.
    """
    wide = data.startswith(_UTF16_MARKS)
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    if not "".join(text.split()).isprintable() or (wide and not text.isascii()):
        return None
    return "".join(line.strip() for line in text.splitlines())  # blanks stay, or words would make base64
