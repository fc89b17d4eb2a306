"""The edge: what every request meets first and every answer passes last.

It names the request, counts it, and is the one place that catches ``Exception``.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, hdrs, web

from verifier.nonces import GuardUnavailableError
from verifier.service.connections import UNMATCHED, Connection, make_request_id
from verifier.service.logs import log_failure
from verifier.service.problems import ProblemError, ProblemType, problem_answer
from verifier.service.requests import WholeRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from verifier.service.answers import Answer
    from verifier.service.requests import Request
    from verifier.service.state import Service

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
FALLBACK_PATH = "/{path:.*}"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FALLBACK = "/{path}"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Edge:
    """Wraps every handler of one application."""

    def __init__(self, service: Service) -> None:
        """Guard ``service``."""
        self._service = service
        service.metrics.in_flight.set_function(lambda: service.in_flight)

    async def handle(self, request: Request, handler: Callable[[Request], Awaitable[Answer]], route: str) -> Answer:
        """Serve one request; ``route`` is its template."""
        service, started, status = self._service, perf_counter(), None
        request[REQUEST_ID] = request_id = _read_request_id(request)
        connection = request.protocol
        service.in_flight += 1
        if isinstance(connection, Connection) and not isinstance(request, WholeRequest):
            connection.begin_request()
        try:
            answer = await self._answer(request, handler, route)
            answer.headers[REQUEST_ID_HEADER] = request_id
            if service.draining or _spoils_what_follows(request):
                answer.closes = True
            status = answer.status
            return answer
        finally:
            service.in_flight -= 1
            if isinstance(connection, Connection):
                connection.end_request()
            service.metrics.count_request(route, request.method, status, perf_counter() - started)

    async def _answer(self, request: Request, handler: Callable[[Request], Awaitable[Answer]], route: str) -> Answer:
        try:
            _refuse_fragment(request)
            return await handler(request)
        except ProblemError as problem:
            return problem_answer(problem, request[REQUEST_ID])
        except web.HTTPException:
            return problem_answer(ProblemError(ProblemType.NOT_FOUND), request[REQUEST_ID])
        except GuardUnavailableError as error:
            log_failure(self._service.log, "guard-unavailable", error, request_id=request[REQUEST_ID])
            return problem_answer(ProblemError(ProblemType.GUARD_UNAVAILABLE), request[REQUEST_ID])
        except ConnectionError:
            raise  # the client went away; nobody is left to answer
        except Exception as error:  # noqa: BLE001 - the one home of this: a bug becomes a 500, and is never a judgement
            self._service.metrics.bugs.inc()
            log_failure(self._service.log, "bug", error, request_id=request[REQUEST_ID], route=route)
            return problem_answer(ProblemError(ProblemType.INTERNAL_ERROR), request[REQUEST_ID])

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """Give this as aiohttp wants it."""

        @web.middleware
        async def edge(request: web.Request, handler: Callable[[Request], Awaitable[Answer]]) -> web.StreamResponse:
            answer = await self.handle(request, handler, _route_of(request))
            return answer.to_response()

        return edge


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Answer ``Expect: 100-continue``; other expectations are passed over, as RFC 9110 section 10.1.1 allows."""
    if request.version >= HttpVersion11 and request.headers[hdrs.EXPECT].strip().lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the answer itself has not begun
    return None


def _spoils_what_follows(request: Request) -> bool:
    """Tell whether a connection must end with the answer to this request.

    What follows an upgrade is not parsed any more, and aiohttp 3.14 takes the last trailer field behind a body in
    chunks for a header of the next request, which behind a proxy may be somebody else's.
    """
    return hdrs.UPGRADE in request.headers or hdrs.TRANSFER_ENCODING in request.headers


def _read_request_id(request: Request) -> str:
    """Take the client's id when it is one, else make one: ids reach the log."""
    if REQUEST_ID_HEADER in request.headers:
        given = request.headers.getall(REQUEST_ID_HEADER)
        if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
            return given[0]
    return make_request_id()


def _refuse_fragment(request: Request) -> None:
    """Refuse what RFC 9112 section 3.2 does not allow: a ``nonce`` behind a ``#`` would be dropped without a word."""
    if "#" in request.raw_path:
        raise ProblemError(ProblemType.MALFORMED_REQUEST, "the request target has a fragment")


def _route_of(request: web.Request) -> str:
    """Give the route's template; all paths that match none are one."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None or resource.canonical == _FALLBACK else resource.canonical
