"""The one kind of response there is: it does not say which software made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time

if TYPE_CHECKING:
    from http import HTTPStatus

NO_STORE = "no-store"

_ENCODER = msgspec.json.Encoder()


class Answer(web.Response):
    """A response without a ``Server`` header."""

    async def _prepare_headers(self) -> None:
        # aiohttp adds the header here and offers no switch; its signal for changing headers costs more on every
        # request, and is not sent for requests that could not be parsed.
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)

    def to_bytes(self) -> bytes:
        """Write the answer to a POST over HTTP/1.1 whole, as aiohttp would in several steps.

        Nothing in its headers was chosen by a client, but for a request id that was found to be one.
        """
        body = cast("bytes", self.body)
        self.headers[hdrs.CONTENT_LENGTH] = str(len(body))
        self.headers[hdrs.DATE] = rfc822_formatted_time()
        if self.keep_alive is False:
            self.headers[hdrs.CONNECTION] = "close"
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{fields}\r\n".encode() + body


def json_answer(body: msgspec.Struct, *, status: HTTPStatus | int = 200, cache: str = NO_STORE) -> Answer:
    """Write a value as JSON."""
    return Answer(
        body=_ENCODER.encode(body),
        status=int(status),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: cache},
    )


def token_answer(token: bytes, media_type: str, *, status: HTTPStatus | int) -> Answer:
    """Give a signed result, with the media type's parameters."""
    return Answer(body=token, status=int(status), headers={hdrs.CONTENT_TYPE: media_type, hdrs.CACHE_CONTROL: NO_STORE})
