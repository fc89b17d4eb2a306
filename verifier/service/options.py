"""The service's options as they are written: in one TOML file, in the environment, and on the command line.

The command line wins over the environment, and that over the file. Every option has the same name everywhere: ``port``
in the file, ``NITRO_VERIFIER_PORT`` in the environment. An option that nobody knows is a mistake, not a comment.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from verifier.trust.cache import DEFAULT_LEAVES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENVIRONMENT_PREFIX = "NITRO_VERIFIER_"
MAX_CONFIGURATION_BYTES = 1024 * 1024

_NOT_OPTIONS = frozenset({"CONFIG", "DEBUG"})
"""Variables with our prefix that are read elsewhere: the name of the file itself, and whether to show tracebacks."""
_KUBERNETES = re.compile(r"SERVICE_(?:HOST|PORT(?:_.+)?)|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.+)?")
"""What Kubernetes sets in every pod beside a Service named nitro-verifier; so is PORT, as an address."""
_PATH_OPTIONS = ("policies", "state", "unix_socket")
_TABLES = ("anchors", "nonce_keys", "signing_keys")
_VSOCK_ANY = 0xFFFFFFFF
"""VMADDR_CID_ANY (vsock(7)): every address that this machine has."""


class AnchorOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trust anchor besides the bundled one: a certificate, and the fingerprint that it must have."""

    name: str
    file: str
    sha256: str


class NonceKeyOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One nonce key: the id that nonces name it by, and the file that holds it."""

    id: Annotated[int, msgspec.Meta(ge=0, le=255)]
    file: str


class NonceKeysOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The nonce keys: one that signs, and beside it the one before and the one to come."""

    current: NonceKeyOption
    next: NonceKeyOption | None = None
    previous: NonceKeyOption | None = None


class SigningKeysOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files of the keys that sign results: one that signs, and beside it the one before and the one to come."""

    current: str
    next: str | None = None
    previous: str | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every option, as text and numbers; nothing was opened yet."""

    policies: str = ""
    default_policy: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    tcp: bool = True
    reuse_port: bool = False
    unix_socket: str | None = None
    unix_socket_mode: Annotated[str, msgspec.Meta(pattern="^0?[0-7]{3}$")] = "0660"
    vsock_port: Annotated[int, msgspec.Meta(ge=0, le=_VSOCK_ANY - 1)] | None = None
    vsock_cid: Annotated[int, msgspec.Meta(ge=0, le=_VSOCK_ANY)] = _VSOCK_ANY
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] | Literal["auto"] = 1
    bundled_anchor: bool = True
    anchors: list[AnchorOption] = []
    engine: Literal["aws-lc", "openssl"] | None = None
    path_cache: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = DEFAULT_LEAVES
    audience: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] = "nitro-verifier"
    nonce_ttl: str = "5m"
    nonce_keys: NonceKeysOption | None = None
    issuer: str | None = None
    result_lifetime: str = "5m"
    rejected_result_lifetime: str = "1m"
    signing_keys: SigningKeysOption | None = None
    ephemeral_signing_key: bool = False
    historical: Literal["off", "allow"] = "off"
    inspector: Literal["on", "off"] = "on"
    single_use: Literal["off", "embedded"] = "off"
    state: str | None = None
    max_in_flight: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 512
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 1024
    header_timeout: str = "10s"
    body_timeout: str = "10s"
    keepalive_timeout: str = "75s"
    shutdown_delay: str = "0s"
    shutdown_timeout: str = "30s"
    reload_interval: str = "2s"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


_FIELDS = {field.name: field for field in msgspec.structs.fields(Options)}


def merge_options(
    file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[Options, list[str]]:
    """Merge the three places that options come from.

    Returns:
        The options, with defaults in place of what could not be understood, and a sentence for each mistake.
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    for where, name, raw in _given(file, environ, overrides, problems):
        if name not in _FIELDS:
            problems.append(f"{where}: there is no such option")
            continue
        try:
            values[name] = _convert(name, raw)
        except (msgspec.ValidationError, ValueError, RecursionError) as error:
            problems.append(f"{where}: {_wanted(name) or error}")
    return Options(**values), problems  # type: ignore[arg-type]  # each was converted to its field's type


def _given(
    file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object], problems: list[str]
) -> Iterator[tuple[str, str, object]]:
    """Give every option that is set: where, its name and its value; the strongest place last."""
    if file is not None:
        for name, value in _read_file(file, problems).items():
            yield f"{file}: {name}", name, _beside(file.parent, name, value)
    for variable, text in sorted(environ.items()):
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if name != variable and name not in _NOT_OPTIONS and not _is_of_kubernetes(name, text):
            yield f"environment: {variable}", name.lower(), text
    for name, value in overrides.items():
        if value is not None:
            yield f"option {name}", name, value


def _is_of_kubernetes(name: str, text: str) -> bool:
    return _KUBERNETES.fullmatch(name) is not None or (name == "PORT" and "://" in text)


def _read_file(file: Path, problems: list[str]) -> dict[str, object]:
    try:
        if file.stat().st_size > MAX_CONFIGURATION_BYTES:
            problems.append(f"{file}: longer than {MAX_CONFIGURATION_BYTES} bytes")
            return {}
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problems.append(f"{file}: {error.strerror}")
    except (ValueError, RecursionError) as error:  # ValueError: also text that is not UTF-8, and endless numbers
        problems.append(f"{file}: not TOML: {error}")
    return {}


def _convert(name: str, raw: object) -> object:
    """Convert a value to its option's type; text from outside may stand for a number, a flag, or a piece of TOML."""
    kind = _FIELDS[name].type
    if isinstance(raw, os.PathLike):
        raw = os.fspath(raw)
    if isinstance(raw, str) and raw.lstrip()[:1] in ("[", "{") and name in _TABLES:
        raw = tomllib.loads(f"value = {raw}")["value"]
    if isinstance(raw, tuple):
        raw = list(raw)
    return msgspec.convert(raw, kind, strict=not isinstance(raw, str))


def _wanted(name: str) -> str | None:
    """Say in an operator's words what an option takes; ``None`` for tables and texts."""
    kind = msgspec.inspect.type_info(_FIELDS[name].type)
    parts = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    found = sorted(words for words in map(_words, parts) if words)
    return f"must be {' or '.join(found)}" if found else None


def _words(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=lowest, le=highest):
            return f"a whole number from {lowest} to {highest}"
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(map(str, values))
        case _:
            return ""


def _beside(folder: Path, name: str, value: object) -> object:
    """Read the relative paths of a configuration file as relative to that file, wherever the service is started."""
    if name in _PATH_OPTIONS and isinstance(value, str):
        return str(folder / value)
    if name == "signing_keys" and isinstance(value, dict):
        return {key: str(folder / part) if isinstance(part, str) else part for key, part in value.items()}
    if isinstance(value, dict):
        return {key: str(folder / part) if key == "file" else _beside(folder, "", part) for key, part in value.items()}
    if isinstance(value, list):
        return [_beside(folder, "", part) for part in value]
    return value
