"""The short way: a request that is whole when it arrives, to a route that waits for nothing, is answered on the spot.

aiohttp serves each request in a task of its own and finds its route by patterns, which takes longer than all that is
ours. A POST whose body came along with its head needs neither: aiohttp's parser has read it, the handler runs to its
end without waiting, and its answer is written, all within the one call that brought the bytes. The handler and the edge
around it are the same as on the long way, and so is what they refuse, count and log. Whatever is unusual about a
request (another version, ``Expect``, ``Connection``, a body that is chunked or still arriving) goes the long way, and
so does one that comes before the answer to the one before it was taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from aiohttp import HttpVersion11, StreamReader, hdrs, web

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

    from verifier.service.answers import Answer
    from verifier.service.connections import Connection
    from verifier.service.edge import Edge
    from verifier.service.state import Service

    Handler = Callable[[web.Request], Awaitable[Answer]]
    Messages = Sequence[tuple[RawRequestMessage, StreamReader]]

# A handler of the short way begins no answer and cannot be cancelled.
_NO_WRITER = cast("AbstractStreamWriter", None)
_NO_TASK = cast("asyncio.Task[None]", None)
_Value = TypeVar("_Value")


class Shortcut:
    """Answers POST requests to some routes without waiting."""

    def __init__(self, edge: Edge, service: Service, handlers: Mapping[str, Handler]) -> None:
        """Answer for ``handlers``, by paths exactly as they stand in a request."""
        self._edge = edge
        self._service = service
        self._handlers = handlers

    def answer(self, message: RawRequestMessage, payload: StreamReader, connection: Connection) -> bool:
        """Answer a request, and say whether that was done; if not, it has to go the long way."""
        path = message.path.partition("?")[0]
        handler = self._handlers.get(path)
        if handler is None or not self._is_usual(message, payload):
            return False
        request = web.Request(message, payload, connection, _NO_WRITER, _NO_TASK, connection.loop)
        answer = run_through(self._edge.handle(request, handler, path))
        connection.send(answer.to_bytes(), close=answer.closes)
        return True

    def _is_usual(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        headers = message.headers
        return (
            message.method == hdrs.METH_POST
            and message.version == HttpVersion11
            and payload.is_eof()
            and payload.exception() is None
            and not message.upgrade
            and not message.should_close  # also for what the parser alone knows of, such as Proxy-Connection
            and not self._service.draining
            and hdrs.EXPECT not in headers
            and hdrs.CONNECTION not in headers
            and hdrs.TRANSFER_ENCODING not in headers
        )


def run_through(coroutine: Coroutine[Any, Any, _Value]) -> _Value:
    """Run a coroutine that never waits.

    Raises:
        RuntimeError: it did, which no handler of the short way may.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("_Value", end.value)
    coroutine.close()
    msg = "a handler of the short way waited"
    raise RuntimeError(msg)


class ShortcutParser:
    """aiohttp's parser, which keeps to itself the requests that were answered in the short way."""

    def __init__(self, parser: HttpRequestParser, connection: Connection, shortcut: Shortcut) -> None:
        """Stand between ``parser`` and its ``connection``."""
        self._parser = parser
        self._connection = connection
        self._shortcut = shortcut

    def feed_data(self, data: bytes) -> tuple[Messages, bool, bytes]:
        """Parse, and answer at once what can be."""
        messages, upgraded, tail = self._parser.feed_data(data)
        if len(messages) == 1 and not upgraded and self._connection.is_waiting:
            message, payload = messages[0]
            if self._shortcut.answer(message, payload, self._connection):
                self._parser.message_consumed()
                self._connection.head_ended = True
                return (), False, tail
        if messages and messages[-1][0].chunked:
            self._connection.begin_chunks(messages[-1][1])
        return messages, upgraded, tail

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else aiohttp's parser can do
        return getattr(self._parser, name)
