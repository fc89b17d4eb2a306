"""Where a verifier is: ``https://host``, ``http://127.0.0.1:8080``, or ``unix:/run/verifier.sock``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

_UNIX: Final = "unix:"
_PRINTABLE: Final = re.compile(r"[!-~]{1,2000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A base URL whose paths are the verifier's, and the socket to reach it by where that is no host."""

    url: str
    """Without a slash at its end."""
    socket: str | None = None


def parse_address(text: str, *, allow_plaintext: bool = False) -> Address:
    """Read a base URL.

    Plain HTTP goes to this machine alone, unless ``allow_plaintext``: whoever is on the way could affirm anything, or
    hand out keys of its own.

    Raises:
        ValueError: it is none, or plain HTTP to somewhere else.
    """
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path.startswith("/") or "\0" in path:
            raise ValueError("a Unix socket is unix:/an/absolute/path")
        return Address(url="http://localhost", socket=path)
    parts = _split(text)
    if parts.scheme == "http" and not (allow_plaintext or _is_loopback(parts.hostname or "")):
        raise ValueError("plain HTTP to another machine: use https, or allow_plaintext where others protect the way")
    return Address(url=text.rstrip("/"))


def _split(text: str) -> SplitResult:
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("a base URL is printable ASCII without blanks")
    parts = urlsplit(text)  # raises ValueError on a broken IPv6 address
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("a base URL is https://host, http://host or unix:/path")
    if parts.username is not None or set("?#\\%") & set(text):
        raise ValueError("a base URL has no user, query, fragment, backslash or escape")
    if {".", ".."} & set(parts.path.split("/")):
        raise ValueError("a base URL has no dot segments")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
