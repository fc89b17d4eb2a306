"""Connections: what is taken from each, and which way its requests go.

No more is taken than can become a request. A request like one before is answered at once, or its begin held until the
rest is there; aiohttp has all others. How long each may take and how many there may be is the crowd's business.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from random import getrandbits
from typing import TYPE_CHECKING, Any, cast

from aiohttp import hdrs, web

from verifier.service.chunks import CHUNKED_STEP, ChunkBudget, may_begin_chunks
from verifier.service.crowd import Crowd
from verifier.service.logs import log_failure
from verifier.service.problems import ProblemError, ProblemType, problem_answer
from verifier.service.shortcut import Known, ShortcutParser

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import StreamReader
    from aiohttp.http_parser import HttpRequestParser

    from verifier.service.answers import Answer
    from verifier.service.shortcut import Shortcut
    from verifier.service.state import Service

MAX_HEAD_BYTES = 32 * 1024
"""Of one head; its fields are bounded one by one, and all of them together could be half a megabyte."""
_NEVER_S = 1e9
_NOT_HTTP = b"\0"
"""Refused by the parser wherever it stands within a head."""

UNMATCHED = "unmatched"


def protocol_options(service: Service) -> dict[str, Any]:
    """Give aiohttp's own settings for a connection."""
    return {
        "access_log": None,  # one line for each appraisal is ours; aiohttp's costs 22 µs and quotes the client
        "auto_decompress": False,  # compressed bodies are refused, not unpacked
        "keepalive_timeout": service.settings.limits.keepalive_timeout,
        "lingering_time": 1.0,  # for a client that is still sending when its answer is already known
        "max_line_size": 8190,
        "max_field_size": 8190,
        "max_headers": 64,
    }


class Connection(web.RequestHandler):
    """One connection, with a deadline."""

    __slots__ = (
        "_chunks", "_crowd", "_head", "_held", "_position", "_refused", "_service", "_shortcut", "_wire", "busy",
        "deadline", "head_ended", "is_new", "is_undecided", "reading_head",
    )  # fmt: skip

    def __init__(self, server: web.Server, crowd: Crowd, service: Service) -> None:
        """Make the protocol of a connection that is about to be accepted."""
        # The crowd closes idle connections, also those that aiohttp believes closed while they hold unsent bytes.
        options = {**protocol_options(service), "keepalive_timeout": _NEVER_S}
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._crowd = crowd
        self._service = service
        # Both are there: aiohttp's parser since this was made, the short way since the application was.
        parser, self._shortcut = cast("HttpRequestParser", self._parser), cast("Shortcut", service.shortcut)
        ours = ShortcutParser(parser, self, self._shortcut)
        self._parser, self._position = cast("HttpRequestParser", ours), ours.position
        self._held = b""
        self._head = 0
        self._chunks: ChunkBudget | None = None
        self._refused = False
        self.busy = False
        self.reading_head = True
        self.is_new = True
        """Whether its first request has yet to come."""
        self.head_ended = False
        """Whether what was just received ended a head, and its request is answered already."""
        self.is_undecided = False
        """Whether its request waits for the single-use guard, and so does all that comes behind it."""
        self.deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the others."""
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are transports in all but name
        self._crowd.join(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request like one before, or hold its begin; have all else parsed."""
        if self.is_undecided:
            self.settle()
        held, self._held = self._held, b""
        if held:
            self._crowd.end_hold(self)
        if self._position.is_between_requests and self.is_waiting:
            known = self._shortcut.answer_again(held + data, self)
            if known is Known.ANSWERED:
                return
            if known is Known.INCOMPLETE and self._crowd.begin_hold(self):
                self._held = held + data
                return
        # As it came: for an error behind a request aiohttp forgets the request that came in the same piece.
        if held:
            self._take(held)
        self._take(data)

    def eof_received(self) -> None:
        """Answer before the connection is closed: its client has only said all that it had to say."""
        self.settle()
        super().eof_received()

    def settle(self) -> None:
        """Have the guard asked now, if a request waits for it: answers go out in the order of their requests."""
        if self.is_undecided:
            self._service.uses.settle()

    def release(self) -> None:
        """Have parsed what was held: the rest of a body is long in coming, and others know better how to wait."""
        data, self._held = self._held, b""
        if data:  # otherwise its rest came, or its client went, since the sweep
            self._crowd.end_hold(self)
            if not self._wire.is_closing():  # nobody will serve it: it is lost at the event loop's next turn
                self._take(data)

    def _take(self, data: bytes) -> None:
        """Start the clock for a request's head at its first byte, and take no more than can become a request."""
        if data and not (self.busy or self.reading_head):
            self._crowd.begin_head(self)
        # One read may bring a quarter of a megabyte. aiohttp calls with nothing, too, for its parser to go on with
        # pipelined requests that it has put aside.
        if self._chunks is not None and self._chunks.is_over:
            self._chunks = None
        step = MAX_HEAD_BYTES if self._chunks is None and not may_begin_chunks(data) else CHUNKED_STEP
        for at in range(0, len(data) or 1, step):
            self._parse(data[at : at + step])

    def _parse(self, data: bytes) -> None:
        if (
            self._refused or self._upgraded
        ):  # aiohttp would parse what follows an error, and keep what follows an upgrade
            return
        self.head_ended = False
        super().data_received(data)
        if self._chunks is not None and not self._chunks.take(len(data)):
            self._chunks, self._refused = None, True
            self.close()  # once its request is answered; what else arrives is not parsed any more
        # Without a waiter a request is being served, or its body's rest passed over: this is no part of a head.
        ended = self.head_ended or self._messages or self._waiter is None
        self._head = 0 if ended else self._head + len(data)
        if self._head > MAX_HEAD_BYTES:
            super().data_received(_NOT_HTTP)  # so that it is answered as every other head that is refused
        error = getattr(self._messages[-1][0], "exc", None) if self._messages else None
        if error is not None:
            # It quotes all that was parsed, and its frames would keep that until the next collection of garbage.
            self._refused, error.__traceback__, error.__context__ = True, None, None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the others."""
        self._held = b""
        self._crowd.leave(self)
        super().connection_lost(exc)

    @property
    def is_waiting(self) -> bool:
        """Whether all requests are answered, the answers are taken, and the next one may be."""
        if self._paused or self._close or self._force_close or self._upgraded or self._refused:
            return False
        # aiohttp waits once it has begun to; before it was given a request, there is none that it could be serving.
        waits = self._waiter is not None and not self._waiter.done() and not self._messages
        return waits or not self._request_count

    def send(self, answer: bytes, *, close: bool) -> None:
        """Send an answer, and close the connection behind it when there is to be no other."""
        self._wire.write(answer)  # passed over when the client is gone
        if close:
            self.force_close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where it runs."""
        return self._loop

    def begin_chunks(self, payload: StreamReader) -> None:
        """Note that a request's body arrives in chunks."""
        self._chunks = ChunkBudget(payload)

    def begin_request(self) -> None:
        """Note that a request's head is complete."""
        self._crowd.begin_request(self)

    def end_request(self) -> None:
        """Note that its answer is made."""
        self._crowd.end_request(self)

    def cut_off(self) -> None:
        """Close at once: a graceful end would wait for a client that takes nothing."""
        self.force_close()
        self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's text quotes the client
    ) -> web.StreamResponse:
        """Answer what never reached the application: bytes that are not HTTP, or a failure beneath it."""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            msg = "an answer was begun already, or nobody is there to take one"
            raise ConnectionError(msg)
        kind = ProblemType.MALFORMED_HTTP if status == HTTPStatus.BAD_REQUEST else ProblemType.INTERNAL_ERROR
        if kind is ProblemType.INTERNAL_ERROR:
            self._service.metrics.bugs.inc()
            log_failure(self._service.log, "bug", exc)
        answer = answer_outside(ProblemError(kind), self._service)
        answer.closes = True
        return answer.to_response()


class Server(web.Server):
    """Makes a ``Connection`` for each that is accepted."""

    def __init__(self, application: web.Server, service: Service) -> None:
        """Serve what ``application``, the server of a running ``web.AppRunner``, would serve."""
        super().__init__(_answer_all(application.request_handler, service), request_factory=application.request_factory)
        self._crowd = Crowd(service)
        self._service = service
        self._sweeper = asyncio.get_running_loop().create_task(self._crowd.sweep_forever())

    def __call__(self) -> Connection:
        """Make the protocol of the next connection."""
        return Connection(self, self._crowd, self._service)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Close every connection, once its request is answered."""
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        await super().shutdown(timeout)


def answer_outside(problem: ProblemError, service: Service) -> Answer:
    """Answer a request that the application did not see, and count it."""
    request_id = make_request_id()
    answer = problem_answer(problem, request_id)
    answer.headers["X-Request-Id"] = request_id
    service.metrics.count_request(UNMATCHED, "other", answer.status, 0.0)
    return answer


def make_request_id() -> str:
    """Make an id for a request that brought none."""
    # No secret, only unlike any other; to ask the kernel takes longer. Each process that is forked is seeded anew.
    return f"{getrandbits(128):032x}"


def _answer_all(
    handler: Callable[[Any], Awaitable[web.StreamResponse]], service: Service
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Wrap the application's handler: aiohttp answers ``OPTIONS *`` with an odd Expect outside of every middleware."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException:
            odd = request.headers.get(hdrs.EXPECT) is not None
            kind = ProblemType.EXPECTATION_FAILED if odd else ProblemType.NOT_FOUND
            refusal = answer_outside(ProblemError(kind), service)
            refusal.closes = True  # it may have asked for an upgrade, too: what follows one is not parsed any more
            return refusal.to_response()

    return answer
