"""Bodies in chunks (RFC 9112 section 7.1): what their framing may cost.

Each chunk is a few calls of aiohttp's parser whatever it holds, so a body in chunks of one byte, small enough to be
taken, would cost as much as nine honest documents. What surrounds the content is therefore bounded. Chunks of a few
dozen bytes, which no client sends that has a whole document to send, still pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp import StreamReader

MAX_FRAMING_BYTES = 8 * 1024
"""Sizes, line ends and extensions of all chunks of one body, and the head that may have come along with the first."""
CHUNKED_STEP = 4 * 1024
"""How much is parsed before the framing is looked at again."""


class ChunkFramingError(web.RequestPayloadError):
    """The chunks are so small that reading them costs more than what they hold."""


class ChunkBudget:
    """Counts what one body in chunks spends on framing."""

    __slots__ = ("_payload", "_received")

    def __init__(self, payload: StreamReader) -> None:
        """Begin with nothing spent."""
        self._payload = payload
        self._received = 0

    @property
    def is_over(self) -> bool:
        """Whether the body has ended."""
        return self._payload.is_eof()

    def take(self, received: int) -> bool:
        """Count bytes that were parsed; if too many were no content, end the body with an error and give ``False``."""
        self._received += received
        payload = self._payload
        if self.is_over or self._received - payload.total_bytes <= MAX_FRAMING_BYTES:
            return True
        payload.set_exception(ChunkFramingError())
        payload.feed_eof()
        return False


def may_begin_chunks(data: bytes) -> bool:
    """Tell whether so much arrived at once that it matters, under a head that speaks of chunks."""
    return len(data) > CHUNKED_STEP and b"chunked" in data[: data.find(b"\r\n\r\n")].lower()
