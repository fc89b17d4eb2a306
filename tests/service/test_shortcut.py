"""The short way: which requests are answered on the spot, and that their answers are those of the long way."""

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.service.harness import (
    Reply,
    Running,
    base64url,
    enclave,
    make_settings,
    read_raw,
    running,
    stranger,
)
from tests.service.short_way import connection_of, post, statuses, watched
from verifier.service.answers import Answer
from verifier.service.connections import Connection
from verifier.service.edge import Edge
from verifier.service.heads import MAX_HEAD_BYTES, MAX_HEADS
from verifier.service.requests import Request
from verifier.service.shortcut import Known, Shortcut

DOCUMENT = enclave().attestation()
OPEN = "/v1/verify?policy=open"
VARIES = {"Date", "X-Request-Id", "Content-Length"}
"""The last with the number of digits of a document's age."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service whose short way is watched."""
    settings = make_settings(tmp_path, single_use="embedded", state=tmp_path / "used.sqlite3")
    with running(settings) as started:
        yield started


def watch(service: Running) -> list[bool]:
    return watched(service).taken


def ask(service: Running, *pieces: bytes) -> Reply:
    """Send a request, in pieces that arrive one by one."""
    with service.connect() as stream:
        for at, piece in enumerate(pieces):
            if at:
                time.sleep(0.05)
            stream.sendall(piece)
        return read_raw(stream)


def ask_at_once(service: Running, *pieces: bytes) -> Reply:
    """Have a request arrive in pieces, with nothing in between, so that no sweep can let go of what is held."""
    way = watched(service)
    with service.connect() as stream:
        connection = connection_of(service, way, stream)

        def arrive() -> None:
            for piece in pieces:
                connection.data_received(piece)

        service.in_loop(arrive)
        return read_raw(stream)


def until_it_waits(service: Running, connection: Connection | None) -> None:
    """Wait until aiohttp has done with the request before."""
    assert connection is not None
    service.until(lambda: connection.is_waiting)


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
    "kept alive": post(OPEN, DOCUMENT, "Connection: Keep-Alive"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_all_ways_give_the_same_answer(service: Running, name: str) -> None:
    """What a client is told would hang on how its bytes were cut into packets, or on who asked before."""
    head, end, body = WHOLE[name].partition(b"\r\n\r\n")
    pieces = (head + end, body) if body else (head, end)
    way = watched(service)

    parsed, known, held = ask(service, WHOLE[name]), ask(service, WHOLE[name]), ask_at_once(service, *pieces)
    outcomes = [Known.NO, Known.ANSWERED, *([Known.INCOMPLETE, Known.ANSWERED] if body else [Known.NO])]
    assert way.known[: len(outcomes)] == outcomes
    way.forgets = True
    long = ask(service, *pieces)

    assert way.taken == ([True, False] if body else [True, True, True])
    for reply in (parsed, known, held):
        assert reply.status == long.status
        assert [pair for pair in reply.headers.items() if pair[0] not in VARIES] == [
            pair for pair in long.headers.items() if pair[0] not in VARIES
        ]
        assert [pair[0] for pair in reply.headers.items()] == [pair[0] for pair in long.headers.items()]
        assert reply.headers["X-Request-Id"] in reply.body.decode()
        told = [{**each.json, "request_id": "", "evaluated_at": "", "freshness": ""} for each in (reply, long)]
        assert told[0] == told[1]
    assert len({reply.headers["X-Request-Id"] for reply in (parsed, known, held, long)}) == 4
    assert service.metric("http_request_seconds_count", route="/v1/verify") == 4
    assert service.metric("in_flight") == 0


def test_a_body_in_many_pieces_is_put_together(service: Running) -> None:
    """A document that comes over a network, in packets, would be cut."""
    whole = post(OPEN, DOCUMENT)
    assert ask(service, whole).status == 200
    way = watched(service)
    at = whole.index(b"\r\n\r\n") + 4
    assert ask_at_once(service, whole[: at + 9], whole[at + 9 : -1], whole[-1:]).status == 200
    assert way.known == [Known.INCOMPLETE, Known.INCOMPLETE, Known.ANSWERED]


def test_a_body_that_does_not_come_is_waited_for_on_the_long_way(service: Running) -> None:
    """Whoever sends a known head and nothing more would hold it for as long as a head may take, uncounted."""
    whole = post(OPEN, DOCUMENT)
    assert ask(service, whole).status == 200
    way = watched(service)
    with service.connect() as stream:
        stream.sendall(whole[:-1])
        service.until(lambda: service.service.in_flight == 1)
        stream.sendall(whole[-1:])
        assert read_raw(stream).status == 200
    assert (way.known, way.taken) == ([Known.INCOMPLETE], [False])


def test_a_release_that_comes_too_late_changes_nothing(service: Running) -> None:
    """A body's rest that arrives together with the end of patience would be taken twice, or not at all."""
    way, whole = watched(service), post(OPEN, DOCUMENT)
    with service.connect() as stream:
        stream.sendall(whole)
        assert statuses(stream, 1) == [200]
        connection = way.known_by
        assert connection is not None

        def arrive() -> None:
            connection.data_received(whole[:-9])
            connection.loop.call_soon(connection.release)  # as a sweep does
            connection.data_received(whole[-9:])

        service.in_loop(arrive)
        assert statuses(stream, 1) == [200]
        stream.sendall(whole)
        assert statuses(stream, 1) == [200]
    assert (way.again, way.taken) == (2, [True])


def test_what_holds_a_request_is_busy_with_it(service: Running) -> None:
    """It would be cut off as idle, by the deadline of a head that is complete, or by an end that waits for nobody."""
    assert ask(service, post(OPEN, DOCUMENT)).status == 200
    way, found = watched(service), []
    with service.connect() as stream:
        connection = connection_of(service, way, stream)

        def begin() -> None:
            connection.data_received(post(OPEN, DOCUMENT)[:-1])
            patience = connection.deadline - connection.loop.time()
            found.extend([connection.busy, connection.reading_head, service.service.newcomers, patience])

        service.in_loop(begin)
    assert way.known == [Known.INCOMPLETE]
    assert found[:3] == [True, False, 1]
    assert found[3] > service.service.settings.limits.body_timeout
    service.until(lambda: not service.service.newcomers and not service.metric("connections"))
    assert service.metric("in_flight") == 0


def test_a_body_on_its_way_is_not_cut_off_for_a_newcomer(tmp_path: Path) -> None:
    """Whoever opens connections would end others in the middle of their requests."""
    with running(make_settings(tmp_path, max_connections=4)) as service, ExitStack() as stack:
        assert ask(service, post(OPEN, DOCUMENT)).status == 200
        service.until(lambda: not service.metric("connections"))
        way = watched(service)
        with service.connect() as stream:
            stream.sendall(post(OPEN, DOCUMENT)[:-9])
            service.until(lambda: way.known == [Known.INCOMPLETE])
            for _ in range(4):
                stack.enter_context(service.connect())
            service.until(lambda: service.metric("shed_total", limit="idle"))
            stream.sendall(DOCUMENT[-9:])
            assert read_raw(stream).status == 200


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Proxy-Authorization"])
def test_heads_with_credentials_are_not_remembered(service: Running, name: str) -> None:
    """A gateway's tokens would lie in memory for as long as the service runs."""
    way = watched(service)
    for _ in range(2):
        assert ask(service, post(OPEN, DOCUMENT, f"{name.lower()}: secret")).status == 200
    assert (way.again, way.taken) == (0, [True, True])


def test_a_head_is_known_only_where_one_may_begin(service: Running) -> None:
    """A part of one request would be answered as another one, and each answer after it taken for the wrong one.

    What comes second looks like a request from before, and is the value of a header and what follows it.
    """
    known = post(OPEN, DOCUMENT)
    assert ask(service, known).status == 200
    way = watched(service)
    begin = b"POST /v1/verify?policy=open HTTP/1.1\r\nX-Note: "
    with service.connect() as stream:
        stream.sendall(begin)
        time.sleep(0.05)
        stream.sendall(known)
        assert statuses(stream, 1) == [200]
        stream.sendall(post("/v1/nonces", b""))
        assert statuses(stream, 1) == [201]
    assert way.again == 0
    with service.connect() as stream:
        stream.sendall(known + begin)
        assert statuses(stream, 1) == [200]
        stream.sendall(known)
        assert statuses(stream, 1) == [200]
        assert way.known.count(Known.ANSWERED) == 0
    with service.connect() as stream:
        stream.sendall(post(OPEN, known + b"!", "X-Other: 1")[: -len(known) - 1])
        time.sleep(0.05)
        stream.sendall(known)  # all of a body but its last byte
        time.sleep(0.05)
        stream.sendall(b"!")
        assert statuses(stream, 1) == [422]
    assert way.again == 0


def test_heads_are_known_again_after_requests_of_other_kinds(service: Running) -> None:
    """One look at the service's health would make all that follows on a connection slower."""
    way = watched(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT))
        assert statuses(stream, 1) == [200]
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(stream, 1) == [200]
        stream.sendall(post("/v1/explain?policy=open", DOCUMENT))
        assert statuses(stream, 1) == [200]
        until_it_waits(service, way.connection)
        stream.sendall(post(OPEN, DOCUMENT))
        assert statuses(stream, 1) == [200]
    assert way.again == 1


def test_no_more_heads_are_remembered_than_there_may_be(service: Running) -> None:
    """Clients that send another head with each request would fill the memory."""
    way = watched(service)
    with service.connect() as stream:
        for number in range(MAX_HEADS + 1):
            stream.sendall(post("/v1/nonces", b"", f"X-Trace: {number}"))
            assert statuses(stream, 1) == [201]
        for number in (0, MAX_HEADS):
            stream.sendall(post("/v1/nonces", b"", f"X-Trace: {number}"))
            assert statuses(stream, 1) == [201]
        assert way.again == 1
        for _ in range(2):
            stream.sendall(post("/v1/nonces", b"", f"X-Trace: {'x' * MAX_HEAD_BYTES}"))
            assert statuses(stream, 1) == [201]
    assert way.again == 1


def test_a_request_is_answered_though_what_follows_it_is_not_http(service: Running) -> None:
    """A good answer would be lost by the bytes behind its request, if its head was known and its body came late."""
    assert ask(service, post(OPEN, DOCUMENT)).status == 200
    way = watched(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT)[:-9])
        service.until(lambda: bool(way.known))
        stream.sendall(DOCUMENT[-9:] + b"\0not http\r\n\r\n")
        assert statuses(stream, 2) == [200, 400]


def test_a_body_of_any_length_is_not_taken_for_an_empty_one(service: Running) -> None:
    """All that follows would be read as that body: aiohttp has no reader for the one length that stands for none."""
    with service.connect() as stream:
        stream.sendall(post("/v1/nonces", b"").replace(b"Length: 0", b"Length: %d" % (2**64 - 1)))
        assert read_raw(stream).status == 413
        assert stream.recv(1) == b""


def test_a_request_behind_a_known_one_is_answered_too(service: Running) -> None:
    """It would be taken for a part of the body, or never be answered."""
    way = watched(service)
    with service.connect() as stream:
        for _ in range(2):
            stream.sendall(post(OPEN, DOCUMENT) + post("/v1/nonces", b""))
            assert statuses(stream, 2) == [200, 201]
    assert way.again == 0


def test_a_nonce_is_issued_on_the_spot(service: Running) -> None:
    """A body that may be left out would be waited for."""
    taken = watch(service)
    assert ask(service, post("/v1/nonces", b"")).status == 201
    assert ask(service, post("/v1/nonces", b'{"ttl": 5}', media_type="application/json")).status == 201
    assert taken == [True, True]


UNUSUAL: dict[str, bytes] = {
    "HTTP/1.0": post(OPEN, DOCUMENT).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "Connection": post(OPEN, DOCUMENT, "Connection: close"),
    "Connection, twice": post(OPEN, DOCUMENT, "Connection: keep-alive", "Connection: x-other"),
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
        until_it_waits(service, connection)
        stream.sendall(post(OPEN, DOCUMENT))
        assert read_raw(stream).status == 200
    assert (taken, watched(service).again) == ([True, False], 1)


def test_whoever_was_answered_is_no_newcomer(service: Running) -> None:
    """A service that ends would wait for its first request, as for those whose connections were accepted just now."""
    taken = watch(service)
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT))
        assert statuses(stream, 1) == [200]
        assert (taken, service.service.newcomers) == ([True], 0)


def test_a_handler_of_the_short_way_may_not_wait(service: Running) -> None:
    """Its answer would never come, and the connection would wait for it in vain."""

    async def wait(_: Request) -> Answer:
        await asyncio.sleep(0)
        raise AssertionError

    way = watched(service)
    way.real = Shortcut(Edge(service.service), service.service, {"/v1/verify": wait})
    with service.connect() as stream:
        stream.sendall(post(OPEN, DOCUMENT))
        assert stream.recv(1) == b""


def test_no_more_begins_are_held_than_bodies_may_be_on_their_way(tmp_path: Path) -> None:
    """Whoever opens connections and sends half a request over each would fill the memory."""
    with running(make_settings(tmp_path, max_in_flight=2)) as service:
        way, connections = watched(service), []
        with service.connect() as first, service.connect() as second, service.connect() as third:
            for stream in (first, second, third):
                stream.sendall(post(OPEN, DOCUMENT))
                assert read_raw(stream).status == 200
                connections.append(way.known_by)
            before = len(way.taken)

            def begin() -> None:
                for connection in connections:
                    assert connection is not None
                    connection.data_received(post(OPEN, DOCUMENT)[:-1])

            service.in_loop(begin)  # at once, so that nothing is released in between
            assert way.taken[before:] == [False, False]  # the first of them, and the third
            assert way.known[-3:] == [Known.INCOMPLETE] * 3


def test_what_is_held_is_not_parsed_for_a_client_that_is_gone(tmp_path: Path) -> None:
    """To begin a request of a connection that was lost makes aiohttp fail, which the log would tell as a warning."""
    failed = []
    with running(make_settings(tmp_path)) as service:
        service.loop.set_exception_handler(lambda _, context: failed.append(context["message"]))
        way = watched(service)
        with service.connect() as stream:
            connection, request = connection_of(service, way, stream), post("/v1/verify?policy=open", b"noise")
            stream.sendall(request)
            assert statuses(stream, 1) == [422]

            def go_away() -> None:
                connection.data_received(request[:-1])
                connection.eof_received()
                connection._wire.close()  # as the event loop does then
                connection.release()  # as a sweep's turn may be just then

            service.in_loop(go_away)
            assert stream.recv(1) == b""
        service.until(lambda: service.metric("connections") == 0)
        service.in_loop(gc.collect)
    assert failed == []
