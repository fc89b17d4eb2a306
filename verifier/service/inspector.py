"""The inspector page: one HTML document with its style and its script in it, put together once at the start.

Its Content-Security-Policy admits exactly these two by their SHA-256 and nothing else: no other script or style, no
attribute that is one, no address but this origin, no frame around it, no string that becomes markup (Trusted Types).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import hdrs

from verifier.evidence.envelope import MAX_EVIDENCE_BYTES
from verifier.service.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

HTML = "text/html"

_ASSETS = files("verifier.service").joinpath("page")
_SCRIPTS = ("explanation.js", "inspector.js")  # in this order: the second uses the first
_PLACEHOLDER = re.compile("@(style|script|version|max_bytes)@")


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectorPage:
    """The page as it is sent."""

    body: bytes
    headers: Mapping[str, str]
    tag: str
    """What tells one page from another: its digest."""

    def answer(self, *, known: bool) -> Answer:
        """Give the page, or 304 to those who have it already (RFC 9110 section 13.1.2)."""
        if known:
            return Answer(status=HTTPStatus.NOT_MODIFIED, headers=self.headers)
        return Answer(body=self.body, content_type=f"{HTML}; charset=utf-8", headers=self.headers)


def load_page(version: str) -> InspectorPage:
    """Put the page together from the package's files."""
    style, script = _read("inspector.css"), "".join(map(_read, _SCRIPTS))
    parts = {"style": style, "script": script, "version": html.escape(version), "max_bytes": str(MAX_EVIDENCE_BYTES)}
    body = _PLACEHOLDER.sub(lambda match: parts[match[1]], _read("inspector.html")).encode()
    tag = hashlib.sha256(body).hexdigest()
    headers = {
        hdrs.CACHE_CONTROL: "no-cache",  # kept, and asked for again: the next release has another
        hdrs.ETAG: f'"{tag}"',
        hdrs.VARY: hdrs.ACCEPT,
        "Content-Security-Policy": _security_policy(style=style, script=script),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return InspectorPage(body=body, headers=headers, tag=tag)


def _read(name: str) -> str:
    return _ASSETS.joinpath(name).read_text(encoding="utf-8")


def _security_policy(*, style: str, script: str) -> str:
    directives = (
        "default-src 'none'",
        f"script-src {_source(script)}",
        f"style-src {_source(style)}",
        "img-src data:",  # the icon
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(directives)


def _source(text: str) -> str:
    """Write the hash that admits one inline script or style (CSP Level 3 section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
