"""The short way: a request that is whole when it arrives, to a route that waits for nothing, is answered on the spot.

aiohttp serves each request in a task of its own and finds its route by patterns, which takes longer than all that is
ours. A POST whose body came along with its head needs neither: aiohttp's parser has read it, the handler runs to its
end without waiting, and its answer is written, all within the one call that brought the bytes. Only for the single-use
guard is it left where it is, until that was asked (``uses``), which is before anything else is heard. The handler and
the edge around it are the same as on the long way, and so is what they refuse, count and log. Whatever is unusual about
a request (another version, ``Expect``, a ``Connection`` to be closed, a body that is chunked or still arriving) goes
the long way, and so does one that comes before the answer to the one before it was taken.

A head that was read before (``heads``) is not parsed again, and the body behind it may come in a few pieces.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import HttpVersion11, hdrs

from verifier.service.heads import Head, Heads, Position, received
from verifier.service.requests import WholeRequest
from verifier.service.uses import Use

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from aiohttp import StreamReader
    from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

    from verifier.service.answers import Answer
    from verifier.service.connections import Connection
    from verifier.service.edge import Edge
    from verifier.service.heads import Handler, Messages
    from verifier.service.state import Service

MAX_HELD_BYTES = 32 * 1024
"""A head and the largest body that may be taken, and some room."""

_KEPT_ALIVE: tuple[list[str], ...] = ([], ["keep-alive"])
"""What Connection may say: with HTTP/1.1 the second is what the first means."""
_SECRETS = (hdrs.AUTHORIZATION, hdrs.PROXY_AUTHORIZATION, hdrs.COOKIE)
"""Heads with these are read each time: what a gateway passes on would otherwise stay in memory for good."""


class Known(Enum):
    """What is to be done with bytes that come between requests."""

    ANSWERED = auto()
    INCOMPLETE = auto()
    """They begin as a request did before, and the rest of its body is yet to come."""
    NO = auto()
    """They must be parsed."""


class Shortcut:
    """Answers POST requests to some routes without waiting."""

    def __init__(self, edge: Edge, service: Service, handlers: Mapping[str, Handler]) -> None:
        """Answer for ``handlers``, by paths exactly as they stand in a request."""
        self._edge = edge
        self._service = service
        self._handlers = handlers
        self._heads = Heads()

    def answer(self, message: RawRequestMessage, payload: StreamReader, connection: Connection, raw: bytes) -> bool:
        """Answer a request, and say whether that was done; if not, it has to go the long way.

        Args:
            message: the head.
            payload: the body, or as much of it as is there.
            connection: where it came from, and the answer goes.
            raw: the head's own bytes, to be remembered; none when they are not known exactly.
        """
        path = message.path.partition("?")[0]
        handler = self._handlers.get(path)
        if handler is None or not _is_usual(message):
            return False
        head = Head(message, path, handler)
        if raw and not any(name in message.headers for name in _SECRETS):
            self._heads.keep(raw, head)
        is_whole = payload.is_eof() and payload.exception() is None
        if not is_whole or self._service.draining or not connection.is_waiting:
            return False
        body = received(payload)
        if len(body) != head.length:  # aiohttp gives no reader for 2**64-1 bytes, and its parser waits for them
            return False
        self._answer(head, body, connection)
        return True

    def answer_again(self, data: bytes, connection: Connection) -> Known:
        """Answer a request whose head was read before; ``data`` begins with the first byte behind the last one."""
        head, end = self._heads.find(data)
        if head is None or self._service.draining:
            return Known.NO
        if len(data) != end + head.length:
            is_begin = len(data) < end + head.length <= MAX_HELD_BYTES
            return Known.INCOMPLETE if is_begin else Known.NO
        self._answer(head, data[end:], connection)
        return Known.ANSWERED

    def _answer(self, head: Head, body: bytes, connection: Connection) -> None:
        request = WholeRequest(head.message, body, connection)
        self._run(self._edge.handle(request, head.handler, head.path), connection)

    def _run(self, handling: Coroutine[Any, Any, Answer], connection: Connection) -> None:
        """Run what handles a request to its end, or until it has to know whether a nonce was used before.

        Raises:
            RuntimeError: it waits for anything else, which no handler of the short way may.
        """
        try:
            use = handling.send(None)
        except StopIteration as end:
            answer = cast("Answer", end.value)
            connection.is_undecided = False
            connection.send(answer.to_bytes(), close=answer.closes)
            return
        if not isinstance(use, Use):
            handling.close()
            msg = "a handler of the short way waited"
            raise RuntimeError(msg)  # noqa: TRY004 - of no type that would be right
        connection.is_undecided = True
        self._service.uses.add(use, partial(self._go_on, handling, connection))

    def _go_on(self, handling: Coroutine[Any, Any, Answer], connection: Connection) -> None:
        """Go on with a request; should that fail, end its connection, as the event loop does where bytes fail."""
        try:
            self._run(handling, connection)
        except BaseException:
            self._service.metrics.bugs.inc()
            connection.cut_off()
            raise


def _is_usual(message: RawRequestMessage) -> bool:
    headers = message.headers
    return (
        message.method == hdrs.METH_POST
        and message.version == HttpVersion11
        and not message.upgrade
        and not message.should_close  # also for what the parser alone knows of, such as Proxy-Connection
        and hdrs.EXPECT not in headers
        and [value.lower() for value in headers.getall(hdrs.CONNECTION, [])] in _KEPT_ALIVE
        and hdrs.TRANSFER_ENCODING not in headers
    )


class ShortcutParser:
    """aiohttp's parser, which keeps to itself the requests that were answered in the short way."""

    def __init__(self, parser: HttpRequestParser, connection: Connection, shortcut: Shortcut) -> None:
        """Stand between ``parser`` and its ``connection``."""
        self._parser = parser
        self._connection = connection
        self._shortcut = shortcut
        self.position = Position()

    def feed_data(self, data: bytes) -> tuple[Messages, bool, bytes]:
        """Parse, and answer at once what can be."""
        self._connection.settle()
        try:
            messages, upgraded, tail = self._parser.feed_data(data)
        except BaseException:
            self.position.lose()
            raise
        raw = self.position.advance(data, messages, upgraded=upgraded)
        if len(messages) == 1 and not upgraded:
            message, payload = messages[0]
            if self._shortcut.answer(message, payload, self._connection, raw):
                self._parser.message_consumed()
                self._connection.head_ended = True
                return (), False, tail
        if messages and messages[-1][0].chunked:
            self._connection.begin_chunks(messages[-1][1])
        return messages, upgraded, tail

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else aiohttp's parser can do
        return getattr(self._parser, name)
