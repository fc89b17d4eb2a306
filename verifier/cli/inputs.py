"""What commands are given: files, times, nonces and trust anchors, read strictly or refused with a sentence."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from verifier import Keyring, NonceService, TrustAnchor, bundled_anchor, load_anchor, read_policy
from verifier.cli.escapes import plain
from verifier.cli.exits import InputError
from verifier.cli.notes import warn
from verifier.history import OwnTime
from verifier.policy.reader import MAX_POLICY_BYTES, parse_duration
from verifier.reasons import ConfigurationError
from verifier.service.keyfiles import read_key_file
from verifier.service.notation import read_bytes, read_chosen_time, read_nonce_text, read_time
from verifier.trust.anchors import anchor_fingerprint

if TYPE_CHECKING:
    from datetime import datetime

    from verifier import Policy
    from verifier.history import ChosenTime

MAX_INPUT_BYTES = 1024 * 1024
"""More than this is not even hashed; documents have at most 16 KiB, text around them a little more."""
MAX_ANCHOR_BYTES = 64 * 1024

_HEX_TEXT = re.compile(rb"\s*(?:[0-9a-fA-F]{2}\s*){16,}")
_PIN = "#sha256="
_KEY_ID = "#id="
_SMALL_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)
DEFAULT_KEY_ID = 1
"""Not 0, which is the key that a service makes for itself when it is given none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A trust anchor's file and the fingerprint it must have, if one was given."""

    path: Path
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A nonce key's file and the id that nonces name the key by."""

    path: Path
    id: int


# Callbacks of options, in click's signature: text to value, or a sentence about the option.


def to_moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    """Read an RFC 3339 time as UTC."""
    try:
        return None if text is None else read_time(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is {error}") from error


def to_chosen_time(_: click.Context, __: click.Parameter, text: str | None) -> ChosenTime | None:
    """Read an RFC 3339 time, or the word for each document's own."""
    try:
        return None if text is None else read_chosen_time(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is {error}; nor is it {OwnTime.DOCUMENT.value}") from error


def to_nonce(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    """Read a nonce as the HTTP service reads it."""
    try:
        return None if text is None else read_nonce_text(text)
    except ValueError as error:
        raise click.BadParameter("neither hex nor base64 nor base64url") from error


def to_milliseconds(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Read a length of time as policies spell it."""
    try:
        return None if text is None else parse_duration(text)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from error


def to_key_file(_: click.Context, __: click.Parameter, text: str | None) -> KeyFile | None:
    """Take ``FILE`` or ``FILE#id=N`` apart; the file is read later."""
    if text is None:
        return None
    path, mark, key_id = text.rpartition(_KEY_ID)
    if not mark:
        return KeyFile(path=Path(text), id=DEFAULT_KEY_ID)
    if not (path and _SMALL_NUMBER.fullmatch(key_id)):
        raise click.BadParameter(f"{text!r} is not FILE{_KEY_ID}N with N from 0 to 255")
    return KeyFile(path=Path(path), id=int(key_id))


def refuse_without(companion: str, *names: str) -> None:
    """Refuse these options of the present command, which say nothing without another: they would be passed over.

    Raises:
        UsageError: one of them was given.
    """
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in names and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} goes with {companion}")


def to_pinned_files(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[PinnedFile, ...]:
    """Take ``FILE`` or ``FILE#sha256=HEX`` apart; the files are read later."""
    files = []
    for text in texts:
        path, pin, sha256 = text.rpartition(_PIN)
        if pin and not (path and sha256):
            raise click.BadParameter(f"{text!r} is not FILE{_PIN}HEX")
        files.append(PinnedFile(path=Path(path if pin else text), sha256=sha256 if pin else None))
    return tuple(files)


def read_evidence(name: str, *, quiet: bool = False) -> bytes:
    """Read the document from a file, or from stdin for ``-``.

    Raw bytes are the one form. People paste base64, so text that is strictly base64 or base64url, line breaks aside, is
    decoded, and told so: no document can be meant, because none begins with an ASCII character.
    """
    data = _read_file(name, MAX_INPUT_BYTES)
    text = base64_text(data)
    if text is None:
        if not quiet and _HEX_TEXT.fullmatch(data):
            warn("the input is hexadecimal text, which is not decoded here: try xxd -r -p")
        return data
    if not quiet:
        warn("the input is text; it was decoded as base64")
    return text


def load_policy(path: Path) -> Policy:
    """Read a policy file; one that names nothing is called after its file.

    Raises:
        ConfigurationError: the policy is not good, with every problem found.
    """
    return read_policy(read_policy_text(path), name=path.stem)


def read_policy_text(path: Path) -> str:
    """Read a policy file as text.

    Raises:
        ConfigurationError: it is not UTF-8.
        InputError: it cannot be read, or is too large for a policy.
    """
    try:
        return _read_file(str(path), MAX_POLICY_BYTES, stdin=False).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"policy {plain(path.name)}: not UTF-8 text") from error


def load_policy_in_force(path: Path) -> Policy:
    """Read the policy that is to decide.

    Raises:
        ConfigurationError: the policy is not good, with every problem found.
        InputError: it shadows another one, and so decides nothing.
    """
    policy = load_policy(path)
    if policy.shadow_of is not None:
        raise InputError(f"{plain(str(path))}: shadows {policy.shadow_of} and decides nothing: name that one's file")
    return policy


def load_anchors(files: tuple[PinnedFile, ...], *, quiet: bool = False) -> tuple[TrustAnchor, ...]:
    """Give the bundled root and the anchors of these files.

    Raises:
        ConfigurationError: a file is not one self-signed P-384 root, or not the one its fingerprint says.
    """
    anchors = [bundled_anchor()]
    for file in files:
        anchors.append(_load_anchor(file, taken={anchor.name for anchor in anchors}, quiet=quiet))
    return tuple(anchors)


def anchor_name(path: Path, sha256: str, taken: set[str]) -> str:
    """Make a trust anchor's name of its file's; when that is taken, the fingerprint's beginning tells them apart."""
    name = re.sub(r"[^a-z0-9._-]", "-", path.stem.lower()).lstrip("._-")[:55] or "anchor"
    return f"{name}-{sha256.replace(':', '').lower()[:8]}" if name in taken else name


def load_nonce_service(file: KeyFile, audience: str) -> NonceService:
    """Read a nonce key, as a service named ``audience`` holds it.

    Raises:
        ConfigurationError: the file holds no key.
    """
    warnings: list[str] = []
    key = read_key_file(file.id, file.path, warnings)
    for warning in warnings:
        warn(warning)
    return NonceService(Keyring(current=key), audience=audience)


def _load_anchor(file: PinnedFile, *, taken: set[str], quiet: bool) -> TrustAnchor:
    data = _read_file(str(file.path), MAX_ANCHOR_BYTES, stdin=False)
    sha256 = file.sha256
    if sha256 is None:
        # Whoever types the command vouches for the file; the fingerprint is shown so that it can be compared.
        sha256 = anchor_fingerprint(data)
        if not quiet:
            warn(f"trusting {file.path} as it is; to pin it, write --anchor {file.path}{_PIN}{sha256}")
    return load_anchor(data, name=anchor_name(file.path, sha256, taken), sha256=sha256)


def _read_file(name: str, limit: int, *, stdin: bool = True) -> bytes:
    try:
        if name == "-" and stdin:
            if sys.stdin is None:  # closed before we began
                raise InputError("-: standard input is closed")
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{plain(name)}: {reason}") from error
    if len(data) > limit:
        raise InputError(f"{plain(name)}: larger than {limit} bytes")
    return data


def base64_text(data: bytes) -> bytes | None:
    """Decode what is strictly base64 text, line breaks aside; ``None`` for anything else."""
    if not data.isascii() or _HEX_TEXT.fullmatch(data):
        return None
    try:
        return read_bytes("".join(data.decode("ascii").split()))
    except ValueError:
        return None
