"""Heads of requests that were read before, and where on a connection one may begin.

A client's heads are mostly equal, byte for byte, and between two requests the same bytes mean the same. So the last few
heads are remembered with what aiohttp's parser made of them. For that it must be known exactly where a request begins:
what looks like a head may be the value of a header, or a body, for whoever reads from the first byte. It is known as
long as all that a connection brought were heads, one at a time from their first byte on, and bodies as long as they
said. When it is not, what comes is parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp import StreamReader
    from aiohttp.http_parser import RawRequestMessage

    from verifier.service.answers import Answer
    from verifier.service.requests import Request

    Handler = Callable[[Request], Awaitable[Answer]]
    Messages = Sequence[tuple[RawRequestMessage, StreamReader]]

MAX_HEADS = 2048
MAX_HEAD_BYTES = 1024
"""A head for each policy, client and length of a document. Clients that send an id of their own with each request have
heads that do not come again, and these bound them."""
HEAD_END = b"\r\n\r\n"
_DIGITS = 18
"""More of them are more than anybody waits for."""


class Head:
    """A head as aiohttp's parser read it, and who answers."""

    __slots__ = ("handler", "length", "message", "path")

    def __init__(self, message: RawRequestMessage, path: str, handler: Handler) -> None:
        """Keep what the parser read of a request to ``path``."""
        self.message = message
        self.path = path
        self.handler = handler
        self.length = body_length(message)
        """Of the body, in bytes."""


class Heads:
    """The last heads that were new, by their bytes."""

    __slots__ = ("_by_bytes",)

    def __init__(self) -> None:
        """Begin with none."""
        self._by_bytes: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head | None, int]:
        """Give the head that ``data`` begins with, if it was read before, and where its body begins."""
        end = data.find(HEAD_END, 0, MAX_HEAD_BYTES) + len(HEAD_END)
        return self._by_bytes.get(data[:end]), end

    def keep(self, data: bytes, head: Head) -> None:
        """Remember what was read of exactly these bytes; in turn forget what was remembered first."""
        if len(data) > MAX_HEAD_BYTES:
            return
        if len(self._by_bytes) >= MAX_HEADS and data not in self._by_bytes:
            del self._by_bytes[next(iter(self._by_bytes))]
        self._by_bytes[data] = head


class Position:
    """Where in its requests a connection is."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        """Begin before the first request."""
        self._left: int | None = 0
        """Bytes of a body that are yet to come; ``None`` when that cannot be told."""

    @property
    def is_between_requests(self) -> bool:
        """Whether the next byte is certainly the first of a request."""
        return self._left == 0

    def lose(self) -> None:
        """Know nothing any more."""
        self._left = None

    def advance(self, data: bytes, messages: Messages, *, upgraded: bool) -> bytes:
        """Note what was parsed, and which heads ended in it; give the bytes of a head that ``data`` begins with."""
        left, self._left = self._left, None
        if left and not messages and len(data) <= left:
            self._left = left - len(data)
        if left or left is None or len(messages) != 1 or upgraded:
            return b""
        message, payload = messages[0]
        end = data.find(HEAD_END) + len(HEAD_END)
        body, length = received(payload), body_length(message)
        # The parser's reading counts: whatever it took for the body's begin, it must be what follows these bytes.
        if hdrs.TRANSFER_ENCODING in message.headers or end < len(HEAD_END):
            return b""
        if data[end:] != body or len(body) > length:
            return b""
        self._left = length - len(body)
        return data[:end]


def body_length(message: RawRequestMessage) -> int:
    """Give what a request without chunks says of its body; the parser has seen that it is one number, if any."""
    length = message.headers.get(hdrs.CONTENT_LENGTH, "0")
    return int(length) if len(length) <= _DIGITS else 10**_DIGITS


def received(payload: StreamReader) -> bytes:
    """Give what has arrived of a body that nobody has begun to read."""
    # All of it: read_nowait would look after each piece whether there is room for more. A request without a body has a
    # reader of another kind, which is at its end and has no buffer.
    return b"" if payload.at_eof() else b"".join(payload._buffer)  # noqa: SLF001 - as said
