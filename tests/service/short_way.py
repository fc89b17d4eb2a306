"""The short way as tests look at it: what it does with each request, and its side of a connection."""

import socket
from dataclasses import dataclass, field
from http.client import parse_headers
from typing import cast

from aiohttp import StreamReader
from aiohttp.http_parser import RawRequestMessage

from tests.service.harness import COSE, Running
from verifier.service.connections import Connection
from verifier.service.shortcut import Known, Shortcut


@dataclass
class Watched:
    """The short way, and what became of each request that came to it."""

    real: Shortcut
    taken: list[bool] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    forgets: bool = False
    known_by: Connection | None = None
    connection: Connection | None = None

    def answer(self, message: RawRequestMessage, payload: StreamReader, connection: Connection, raw: bytes) -> bool:
        """Note whether the request was answered."""
        self.connection = connection
        self.taken.append(self.real.answer(message, payload, connection, raw))
        return self.taken[-1]

    def answer_again(self, data: bytes, connection: Connection) -> Known:
        """Note what became of what began between requests."""
        known = Known.NO if self.forgets else self.real.answer_again(data, connection)
        self.known.append(known)
        self.known_by = connection
        return known

    @property
    def again(self) -> int:
        """How many requests were answered because their heads were known."""
        return self.known.count(Known.ANSWERED)


def watched(service: Running) -> Watched:
    """Have the short way watched, by connections that are yet to be made."""
    way: object = service.service.shortcut
    if isinstance(way, Shortcut):
        way = Watched(real=way)
        service.service.shortcut = cast("Shortcut", way)
    assert isinstance(way, Watched)
    return way


def post(target: str, body: bytes, *headers: str, media_type: str = COSE) -> bytes:
    """A request with its body."""
    lines = (f"POST {target} HTTP/1.1", "Host: x", f"Content-Type: {media_type}", f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def connection_of(service: Running, way: Watched, stream: socket.socket) -> Connection:
    """The service's side of a connection that has asked for something else before."""
    stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(stream, 1) == [200]
    connection = way.connection
    assert connection is not None
    service.until(lambda: connection.is_waiting)
    way.taken.pop()
    way.known.pop()
    return connection


def statuses(stream: socket.socket, count: int) -> list[int]:
    """Read so many answers off one connection."""
    found = []
    with stream.makefile("rb") as file:
        for _ in range(count):
            found.append(int(file.readline().split()[1]))
            headers = parse_headers(file)
            file.read(int(headers["Content-Length"]))
    return found
