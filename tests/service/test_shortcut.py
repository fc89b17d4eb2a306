"""The short way: which requests are answered on the spot, and that their answers are those of the long way."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import parse_headers
from pathlib import Path
from typing import cast

import pytest
from aiohttp import StreamReader
from aiohttp.http_parser import RawRequestMessage

from tests.service.harness import (
    COSE,
    Reply,
    Running,
    base64url,
    enclave,
    make_settings,
    read_raw,
    running,
    stranger,
)
from verifier.service.connections import Connection
from verifier.service.shortcut import Shortcut, run_through

DOCUMENT = enclave().attestation()
OPEN = "/v1/verify?policy=open"
VARIES = {"Date", "X-Request-Id", "Content-Length"}
"""The last with the number of digits of a document's age."""


@dataclass
class Watched:
    """The short way, and what became of each request that came to it."""

    real: Shortcut
    taken: list[bool] = field(default_factory=list)
    connection: Connection | None = None

    def answer(self, message: RawRequestMessage, payload: StreamReader, connection: Connection) -> bool:
        """Note whether the request was answered."""
        self.connection = connection
        self.taken.append(self.real.answer(message, payload, connection))
        return self.taken[-1]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service whose short way is watched."""
    settings = make_settings(tmp_path, single_use="embedded", state=tmp_path / "used.sqlite3")
    with running(settings) as started:
        yield started


def watched(service: Running) -> Watched:
    """Have the short way watched, by connections that are yet to be made."""
    way: object = service.service.shortcut
    if isinstance(way, Shortcut):
        way = Watched(real=way)
        service.service.shortcut = cast("Shortcut", way)
    assert isinstance(way, Watched)
    return way


def watch(service: Running) -> list[bool]:
    return watched(service).taken


def post(target: str, body: bytes, *headers: str, media_type: str = COSE) -> bytes:
    lines = (f"POST {target} HTTP/1.1", "Host: x", f"Content-Type: {media_type}", f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def ask(service: Running, *pieces: bytes) -> Reply:
    """Send a request, in pieces that arrive one by one."""
    with service.connect() as stream:
        for at, piece in enumerate(pieces):
            if at:
                time.sleep(0.05)
            stream.sendall(piece)
        return read_raw(stream)


def statuses(stream: socket.socket, count: int) -> list[int]:
    """Read so many answers off one connection."""
    found = []
    with stream.makefile("rb") as file:
        for _ in range(count):
            found.append(int(file.readline().split()[1]))
            headers = parse_headers(file)
            file.read(int(headers["Content-Length"]))
    return found


WHOLE: dict[str, bytes] = {
    "affirmed": post(OPEN, DOCUMENT),
    "rejected": post(OPEN, stranger().attestation()),
    "rejected, as the client wants it": post(f"{OPEN}&reject_status=403", b"noise"),
    "JSON": post(
        "/v1/verify",
        json.dumps({"document": base64url(DOCUMENT), "policy": "open"}).encode(),
        media_type="application/json",
    ),
    "no nonce": post("/v1/verify?policy=payments", DOCUMENT),
    "an unknown policy": post("/v1/verify?policy=other", DOCUMENT),
    "an odd query": post("/v1/verify?policy=open&policy=open", DOCUMENT),
    "another media type": post(OPEN, DOCUMENT, media_type="text/plain"),
    "nothing acceptable": post(OPEN, DOCUMENT, "Accept: text/html"),
    "an encoded body": post(OPEN, DOCUMENT, "Content-Encoding: gzip"),
    "too large": post(OPEN, bytes(16385)),
    "an empty body": post(OPEN, b""),
    "a fragment": post(f"{OPEN}#x", DOCUMENT),
}


@pytest.mark.parametrize("name", WHOLE)
def test_both_ways_give_the_same_answer(service: Running, name: str) -> None:
    """What a client is told would hang on how its bytes were cut into packets."""
    head, end, body = WHOLE[name].partition(b"\r\n\r\n")
    taken = watch(service)

    short, long = ask(service, WHOLE[name]), ask(service, head + end, body) if body else ask(service, head, end)

    assert taken == [True, False] if body else [True, True]
    assert short.status == long.status
    assert [pair for pair in short.headers.items() if pair[0] not in VARIES] == [
        pair for pair in long.headers.items() if pair[0] not in VARIES
    ]
    assert [pair[0] for pair in short.headers.items()] == [pair[0] for pair in long.headers.items()]
    assert short.headers["X-Request-Id"] in short.body.decode()
    told = [{**reply.json, "request_id": "", "evaluated_at": "", "freshness": ""} for reply in (short, long)]
    assert told[0] == told[1]
    assert service.metric("http_request_seconds_count", route="/v1/verify") == 2
    assert service.metric("in_flight") == 0


def test_a_nonce_is_issued_on_the_spot(service: Running) -> None:
    """A body that may be left out would be waited for."""
    taken = watch(service)
    assert ask(service, post("/v1/nonces", b"")).status == 201
    assert ask(service, post("/v1/nonces", b'{"ttl": 5}', media_type="application/json")).status == 201
    assert taken == [True, True]


UNUSUAL: dict[str, bytes] = {
    "HTTP/1.0": post(OPEN, DOCUMENT).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "Connection": post(OPEN, DOCUMENT, "Connection: close"),
    "Proxy-Connection": post(OPEN, DOCUMENT, "Proxy-Connection: close"),
    "Expect": post(OPEN, DOCUMENT, "Expect: something"),
    "another method": post(OPEN, DOCUMENT).replace(b"POST", b"PUT "),
    "chunks": post(OPEN, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(DOCUMENT), DOCUMENT),
    "another path": post("/v1/policies", b""),
    "an escaped path": post("/v1/%76erify?policy=open", DOCUMENT),
    "a whole URL": post("http://x" + OPEN, DOCUMENT),
}
STATUSES = {"another method": 405, "another path": 405}


@pytest.mark.parametrize("name", UNUSUAL)
def test_whatever_is_unusual_goes_the_long_way(service: Running, name: str) -> None:
    """What aiohttp knows about HTTP would have to be known here, too."""
    taken = watch(service)
    assert ask(service, UNUSUAL[name]).status == STATUSES.get(name, 200)
    assert not any(taken)


def test_requests_that_come_together_are_answered_in_order(service: Running) -> None:
    """A verdict would be taken for another document's."""
    taken = watch(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT))
        assert read_raw(stream).status == 200
        stream.sendall(post(OPEN, DOCUMENT) + post(OPEN, b"noise") + post("/v1/nonces", b""))
        assert statuses(stream, 3) == [200, 422, 201]
    assert taken == [True]


def test_any_number_of_requests_may_come_together(service: Running) -> None:
    """Those beyond what aiohttp queues would never be answered."""
    with service.connect() as stream:
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 100 + post(OPEN, DOCUMENT) * 2)
        assert statuses(stream, 102) == [200] * 102


def test_the_rest_of_the_next_request_may_come_later(service: Running) -> None:
    """The beginning of a request would be lost with the one before it."""
    noise = post(OPEN, b"noise")
    taken = watch(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT) + noise[:40])
        assert statuses(stream, 1) == [200]
        stream.sendall(noise[40:])
        assert statuses(stream, 1) == [422]
    assert taken == [True, True]


def test_a_connection_is_closed_after_an_answer_that_says_so(service: Running) -> None:
    """A client would send on to a connection that nobody reads."""
    taken = watch(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, bytes(16385)))
        reply = read_raw(stream)
        assert (reply.status, reply.headers["Connection"]) == (413, "close")
        assert stream.recv(1) == b""
    assert taken == [True]


def test_a_bug_is_answered_and_counted_on_the_short_way_too(service: Running) -> None:
    """A defect would close the connection without a word."""
    service.service.now = None  # type: ignore[assignment]  # the bug
    taken = watch(service)
    reply = ask(service, post(OPEN, DOCUMENT))
    assert (reply.status, reply.problem, taken) == (500, "internal-error", [True])
    assert service.metric("bugs_total") == 1


def test_a_service_that_is_draining_says_so(service: Running) -> None:
    """A client would keep its connection to a process that is about to end."""
    taken = watch(service)
    service.in_loop(lambda: setattr(service.service, "draining", True))
    assert ask(service, post(OPEN, DOCUMENT)).headers["Connection"] == "close"
    assert taken == [False]


def test_a_client_that_takes_no_answers_goes_the_long_way(service: Running) -> None:
    """Its answers would pile up in memory."""
    taken = watch(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT))
        assert read_raw(stream).status == 200
        connection = watched(service).connection
        assert connection is not None
        service.in_loop(connection.pause_writing)  # as the transport does when too much is unsent
        stream.sendall(post(OPEN, DOCUMENT))
        assert read_raw(stream).status == 200
        service.in_loop(connection.resume_writing)
        deadline = time.monotonic() + 10
        while not connection.is_waiting:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stream.sendall(post(OPEN, DOCUMENT))
        assert read_raw(stream).status == 200
    assert taken == [True, True]


def test_a_handler_of_the_short_way_may_not_wait() -> None:
    """Its answer would never come."""

    async def wait() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited"):
        run_through(wait())
