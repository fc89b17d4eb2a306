"""Problems (RFC 9457): everything that is wrong with a request rather than with the evidence.

A ``type`` is a URN, because it must be the same at every deployment and this project owns no host name that it could
promise to keep. It is an identifier to compare; docs/http-api.md explains each.
"""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from verifier.service.answers import Answer
from verifier.service.messages import ProblemBody

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE_PREFIX = "urn:nitro-verifier:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class ProblemType(Enum):
    """One kind of problem: its stable name, its status and its title."""

    MALFORMED_HTTP = ("malformed-http", HTTPStatus.BAD_REQUEST, "This is not a well-formed HTTP request")
    MALFORMED_REQUEST = ("malformed-request", HTTPStatus.BAD_REQUEST, "The request cannot be understood")
    POLICY_MISSING = ("policy-missing", HTTPStatus.BAD_REQUEST, "The request names no policy")
    HISTORICAL_NOT_ALLOWED = (
        "historical-not-allowed",
        HTTPStatus.BAD_REQUEST,
        "This service gives no verdicts as of another time",
    )
    UNKNOWN_POLICY = ("unknown-policy", HTTPStatus.NOT_FOUND, "There is no policy of that name")
    NOT_FOUND = ("not-found", HTTPStatus.NOT_FOUND, "There is nothing at this path")
    METHOD_NOT_ALLOWED = ("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "This path does not take this method")
    NOT_ACCEPTABLE = ("not-acceptable", HTTPStatus.NOT_ACCEPTABLE, "No media type that is made here is acceptable")
    SIGNING_NOT_CONFIGURED = (
        "signing-not-configured",
        HTTPStatus.NOT_ACCEPTABLE,
        "This service does not sign results",
    )
    REQUEST_TIMEOUT = ("request-timeout", HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time")
    BODY_TOO_LARGE = ("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than is allowed")
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported-media-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is of a media type that is not taken here",
    )
    UNSUPPORTED_CONTENT_ENCODING = (
        "unsupported-content-encoding",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Compressed bodies are not taken here",
    )
    EXPECTATION_FAILED = ("expectation-failed", HTTPStatus.EXPECTATION_FAILED, "The expectation is not understood")
    INTERNAL_ERROR = ("internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong with this service")
    OVERLOADED = ("overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at once")
    GUARD_UNAVAILABLE = (
        "guard-unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Whether the nonce was used before cannot be known now",
    )

    def __init__(self, slug: str, status: HTTPStatus, title: str) -> None:
        """Give the three parts their names."""
        self.slug = slug
        self.status = status
        self.title = title

    @property
    def uri(self) -> str:
        """The stable identifier."""
        return TYPE_PREFIX + self.slug


_UNREAD = frozenset(
    {
        ProblemType.BODY_TOO_LARGE,
        ProblemType.REQUEST_TIMEOUT,
        ProblemType.MALFORMED_HTTP,
        ProblemType.OVERLOADED,
    }
)
"""Problems that come before the whole request was read."""


class ProblemError(Exception):
    """A request cannot be served; becomes an answer at the edge."""

    def __init__(self, kind: ProblemType, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        """Refuse a request: ``detail`` goes to the client alone, and to no log."""
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}


def problem_answer(problem: ProblemError, request_id: str) -> Answer:
    """Write a problem as an answer. The connection ends where the rest of the request was not read."""
    kind = problem.kind
    body = ProblemBody(
        type=kind.uri, title=kind.title, status=kind.status.value, detail=problem.detail, request_id=request_id
    )
    headers = {"Cache-Control": "no-store", **problem.headers}
    if kind.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    answer = Answer(body=msgspec.json.encode(body), status=kind.status.value, content_type=MEDIA_TYPE, headers=headers)
    if kind in _UNREAD:
        answer.closes = True
    return answer
