"""Which media type to answer with (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from verifier.service.problems import ProblemError, ProblemType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.service.requests import Request

    _Range: TypeAlias = tuple[str, str | None, float]
    """Type, ``eat_profile`` where it has one, and weight."""

JSON = "application/json"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
_RANGE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_MARKS = re.compile(r'\\.|[",;]')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_EVERYTHING = "*/*"
PROFILE_PARAMETER = "eat_profile"
"""The one parameter that tells two offers apart (RFC 9782 section 3); others say nothing here."""
MAX_ACCEPT = 1024
"""Characters of all Accept fields together. Those of browsers have 150; reading half a megabyte takes 0.3 s."""


def choose_media_type(request: Request, *offered: str) -> str:
    """Choose what the client likes best of what is ``offered``; ours comes first where it does not care.

    An offer with an ``eat_profile`` is one of several that its media type has; a range without one takes any of them.

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


def _ranges(accept: str) -> Iterator[_Range]:
    """Read an Accept header; what is not well formed asks for nothing."""
    for element in _split(accept, ","):
        media_range, *parameters = (part.strip() for part in _split(element, ";"))
        weight = _weight(parameters)
        if _RANGE.fullmatch(media_range) and weight is not None:
            yield media_range.lower(), _parameter(parameters, PROFILE_PARAMETER), weight


def _split(text: str, separator: str) -> Iterator[str]:
    """Split at a separator outside quoted strings (RFC 9110 section 5.6.4)."""
    start, quoted = 0, False
    for match in _MARKS.finditer(text):
        if match[0] == '"':
            quoted = not quoted
        elif match[0] == separator and not quoted:
            yield text[start : match.start()]
            start = match.end()
    yield text[start:]


def _parameter(parameters: list[str], wanted: str) -> str | None:
    """Give a parameter's value, unquoted; ``None`` when it is absent."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == wanted:
            quoted = _QUOTED.fullmatch(value.strip())
            return value.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted[1])
    return None


def _weight(parameters: list[str]) -> float | None:
    value = _parameter(parameters, "q")
    if value is None:
        return 1.0
    return float(value) if _WEIGHT.fullmatch(value) else None


def _weight_of(offer: str, ranges: tuple[_Range, ...]) -> float:
    """Give the weight of the most specific range that covers an offer; 0 refuses it."""
    media_type, *parameters = (part.strip() for part in _split(offer, ";"))
    profile, kind = _parameter(parameters, PROFILE_PARAMETER), media_type.partition("/")[0]
    for wanted in ((media_type, profile), (media_type, None), (f"{kind}/*", None), (_EVERYTHING, None)):
        found = [weight for media_range, asked, weight in ranges if (media_range, asked) == wanted]
        if found:
            return max(found)
    return 0.0
