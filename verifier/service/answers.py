"""The one kind of answer there is: it does not say which software made it.

An answer is a few values, from which both ways write theirs: the short way its bytes at once, the long way aiohttp's
response. So what a client is told does not hang on the way that its request took.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_STORE = "no-store"

_ENCODER = msgspec.json.Encoder()
_STATUS_LINE_OF = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_LAST_FIELDS = f"{hdrs.CONTENT_LENGTH}: %d\r\n{hdrs.DATE}: %s\r\n\r\n"
_LAST_FIELDS_AND_CLOSE = f"{_LAST_FIELDS[:-2]}{hdrs.CONNECTION}: close\r\n\r\n"


class Answer:
    """What a request is answered with."""

    __slots__ = ("body", "closes", "headers", "status")

    def __init__(
        self,
        *,
        status: int = 200,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with ``headers``, and after them the content type where one is given."""
        self.status = int(status)
        self.body = body
        self.headers: dict[str, str] = {} if headers is None else {**headers}
        if content_type is not None:
            self.headers[hdrs.CONTENT_TYPE] = content_type
        self.closes = False
        """Whether the connection ends with it."""

    def to_bytes(self) -> bytes:
        """Write the answer to a POST over HTTP/1.1 whole, as aiohttp would in several steps.

        Nothing in its headers was chosen by a client, but for a request id that was found to be one.
        """
        body = self.body or b""
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        last = _LAST_FIELDS_AND_CLOSE if self.closes else _LAST_FIELDS
        head = _STATUS_LINE_OF[self.status] + fields + last % (len(body), rfc822_formatted_time())
        return head.encode() + body

    def to_response(self) -> web.Response:
        """Make a response of aiohttp's."""
        response = _Response(status=self.status, body=self.body, headers=self.headers)
        if self.closes:
            response.force_close()
        return response


class _Response(web.Response):
    """A response without a ``Server`` header."""

    async def _prepare_headers(self) -> None:
        # aiohttp adds the header here and offers no switch; its signal for changing headers costs more on every
        # request, and is not sent for requests that could not be parsed.
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


def json_answer(body: msgspec.Struct, *, status: HTTPStatus | int = 200, cache: str = NO_STORE) -> Answer:
    """Write a value as JSON."""
    return Answer(
        body=_ENCODER.encode(body),
        status=status,
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: cache},
    )


def token_answer(token: bytes, media_type: str, *, status: HTTPStatus | int) -> Answer:
    """Give a signed result, with the media type's parameters."""
    return Answer(body=token, status=status, headers={hdrs.CONTENT_TYPE: media_type, hdrs.CACHE_CONTROL: NO_STORE})
