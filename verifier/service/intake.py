"""Bodies: how long one may take to arrive, how large it may become, and how many may be on their way at once.

Everything else that a request needs is done at once. A body that does not come is therefore the only way to hold a
request open, and it must not be a way to keep others out: when too many are on their way, the one that has taken
longest is given up for the one that begins. A request whose body came along with its head waits for nobody.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from verifier.service.chunks import ChunkFramingError
from verifier.service.problems import ProblemError, ProblemType
from verifier.service.requests import WholeRequest

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from verifier.service.metrics import Metrics
    from verifier.service.requests import Request
    from verifier.service.settings import Limits

_AT_ONCE = 0.0


class Intake:
    """Reads the bodies of one service."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        """Begin with none on its way."""
        self._within = limits.body_timeout
        self._most = limits.max_in_flight
        self._metrics = metrics
        # In the order in which they began; a dict is an ordered set.
        self._arriving: dict[asyncio.Timeout, None] = {}

    @property
    def arriving(self) -> int:
        """How many bodies are on their way."""
        return len(self._arriving)

    async def read(self, request: Request, limit: int) -> bytes:
        """Read at most ``limit`` bytes, whatever the headers promise.

        Raises:
            ProblemError: it is larger, late, encoded or broken, or was given up for others.
        """
        _refuse_codings(request)
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if isinstance(request, WholeRequest):
            return _within(request.body, limit)
        content = cast("web.Request", request).content
        if content.is_eof() and content.exception() is None:  # the usual case: it came along with the head
            # All of it is there: read_nowait would look after each piece whether there is room for more. A request
            # without a body has a reader of another kind, which is at its end and has no buffer.
            body = b"" if content.at_eof() else b"".join(content._buffer)  # noqa: SLF001 - as said
        else:
            try:
                body = await self._read_slowly(content, limit)
            except RuntimeError as error:
                if request.protocol.connected:
                    raise  # a defect after all
                msg = "the connection was closed before its request was served"  # aiohttp takes it for a defect of ours
                raise ConnectionResetError(msg) from error
        return _within(body, limit)

    async def _read_slowly(self, content: StreamReader, limit: int) -> bytes:
        self._make_room()
        body, deadline = bytearray(), asyncio.timeout(self._within)
        try:
            async with deadline:
                self._arriving[deadline] = None
                while len(body) <= limit and (chunk := await content.readany()):
                    body += chunk
        except TimeoutError as error:
            if deadline not in self._arriving:
                raise ProblemError(ProblemType.OVERLOADED, "too many others came before the body did") from error
            raise ProblemError(ProblemType.REQUEST_TIMEOUT, f"it must arrive within {self._within:g} s") from error
        except ChunkFramingError as error:
            raise ProblemError(ProblemType.BODY_TOO_LARGE, "its chunks are too small: send it whole") from error
        except web.RequestPayloadError as error:
            raise ProblemError(ProblemType.MALFORMED_HTTP, "the body is cut off, or not well-formed chunks") from error
        finally:
            self._arriving.pop(deadline, None)
        return bytes(body)

    def _make_room(self) -> None:
        """Give up the body that has taken longest, when there are as many as there may be."""
        if len(self._arriving) < self._most:
            return
        longest = next(iter(self._arriving))
        del self._arriving[longest]
        with suppress(RuntimeError):  # its time ran out just now
            longest.reschedule(_AT_ONCE)
        self._metrics.count_shed("in_flight")


def _refuse_codings(request: Request) -> None:
    """Refuse bodies that are not sent as they are: all fields count, not the first, and nothing is ever unpacked."""
    headers = request.headers
    if hdrs.CONTENT_ENCODING in headers and any(
        coding.strip().lower() != "identity" for coding in headers.getall(hdrs.CONTENT_ENCODING)
    ):
        raise ProblemError(
            ProblemType.UNSUPPORTED_CONTENT_ENCODING, "send it as it is", headers={hdrs.ACCEPT_ENCODING: "identity"}
        )
    if hdrs.TRANSFER_ENCODING in headers:
        codings = [coding.strip().lower() for coding in headers.getall(hdrs.TRANSFER_ENCODING)]
        if codings != ["chunked"]:
            raise ProblemError(ProblemType.MALFORMED_HTTP, "Transfer-Encoding: only chunked is taken")


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> ProblemError:
    return ProblemError(ProblemType.BODY_TOO_LARGE, f"at most {limit} bytes")
