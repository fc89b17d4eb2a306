"""Which media type to answer with (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.service.problems import ProblemError, ProblemType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

JSON = "application/json"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
_RANGE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_EVERYTHING = "*/*"
MAX_ACCEPT = 1024
"""Characters of all Accept fields together. Those of browsers have 150; reading half a megabyte takes 0.3 s."""


def choose_media_type(request: web.Request, *offered: str) -> str:
    """Choose what the client likes best of what is ``offered``; ours comes first where it does not care.

    Raises:
        ProblemError: nothing that is offered is acceptable, or it takes too many words to say what is.
    """
    headers = request.headers.getall("Accept", ())
    if not headers or headers in ([_EVERYTHING], [offered[0]]):
        return offered[0]
    accept = ",".join(headers)
    if len(accept) > MAX_ACCEPT:
        raise ProblemError(ProblemType.NOT_ACCEPTABLE, f"Accept: at most {MAX_ACCEPT} characters")
    ranges = tuple(_ranges(accept))
    weights = [_weight_of(media_type, ranges) for media_type in offered]
    best = max(weights)
    if best == 0:
        raise ProblemError(ProblemType.NOT_ACCEPTABLE, f"offered here: {', '.join(offered)}")
    return offered[weights.index(best)]


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Read an Accept header; what is not well formed asks for nothing."""
    for element in accept.split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        weight = _weight(parameters)
        if _RANGE.fullmatch(media_range) and weight is not None:
            yield media_range.lower(), weight


def _weight(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return float(value) if _WEIGHT.fullmatch(value.strip()) else None
    return 1.0


def _weight_of(media_type: str, ranges: tuple[tuple[str, float], ...]) -> float:
    """Give the weight of the most specific range that covers a media type; 0 refuses it."""
    kind = media_type.partition("/")[0]
    for wanted in (media_type, f"{kind}/*", _EVERYTHING):
        found = [weight for media_range, weight in ranges if media_range == wanted]
        if found:
            return max(found)
    return 0.0
