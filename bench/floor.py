"""The least that an HTTP service can cost: read a request, answer with fixed bytes. Serves until it is terminated.

Two floors, both on uvloop: ``protocol`` finds a request's end by its Content-Length and nothing else; ``aiohttp`` is an
application with one handler that reads the body.

    python bench/floor.py protocol|aiohttp
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, cast

import uvloop
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BODY = bytes(2048)
"""About what a verdict with its claims has."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Floor(asyncio.Protocol):
    """Answers every request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing received."""
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer once a whole request is there."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if end and len(rest) >= int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            self._received = b""
            self._transport.write(ANSWER)


async def serve_protocol(listener: socket.socket) -> None:
    """Serve with the bare protocol."""
    server = await asyncio.get_running_loop().create_server(Floor, sock=listener)
    await server.serve_forever()


async def serve_aiohttp(listener: socket.socket) -> None:
    """Serve with aiohttp as it comes, without its access log."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert await request.read()
        return web.Response(body=BODY, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/verify", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


FLOORS: dict[str, Callable[[socket.socket], Awaitable[None]]] = {"protocol": serve_protocol, "aiohttp": serve_aiohttp}


async def main(name: str) -> None:
    """Say which port it is, then serve."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    await FLOORS[name](listener)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
