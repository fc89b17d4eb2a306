"""Limits: no client takes what another one needs."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.service.harness import (
    COSE,
    HOST,
    Reply,
    Running,
    enclave,
    make_settings,
    read_raw,
    read_reply,
    running,
)
from tests.service.short_way import connection_of, watched

RecordProperty = Callable[[str, object], None]

HEAD = f"POST /v1/verify?policy=open HTTP/1.1\r\nHost: x\r\nContent-Type: {COSE}\r\n"
IDLE_CONNECTIONS = 500
PATIENCE_S = 2.0
"""What the other client may wait at worst, on a machine that is busy with other things."""


@pytest.fixture(scope="module")
def service(module_folder: Path) -> Iterator[Running]:
    """A service that is quick to lose patience."""
    settings = make_settings(
        module_folder,
        header_timeout="1s",
        body_timeout="1s",
        keepalive_timeout="2s",
        max_connections=IDLE_CONNECTIONS + 50,
    )
    with running(settings) as started:
        yield started


def latencies(service: Running, *, times: int = 50) -> list[float]:
    """How long another client waits for its verdict, over one connection, in order."""
    document = enclave().attestation()
    found = []
    connection = http.client.HTTPConnection(HOST, service.port, timeout=30)
    for _ in range(times):
        begun = time.perf_counter()
        connection.request("POST", "/v1/verify?policy=open", document, {"Content-Type": COSE})
        assert read_reply(connection).status == 200
        found.append(time.perf_counter() - begun)
    connection.close()
    return sorted(found)


def closed_after(stream: socket.socket) -> float:
    """How long the service keeps a connection that it says nothing on."""
    begun = time.perf_counter()
    while stream.recv(4096):
        pass
    return time.perf_counter() - begun


def report(record: RecordProperty, what: str, found: list[float]) -> None:
    """Note and print the figures."""
    median, worst = found[len(found) // 2], found[-1]
    record(f"{what}, median ms", f"{median * 1000:.2f}")
    record(f"{what}, worst ms", f"{worst * 1000:.2f}")
    print(f"\n{what}: median {median * 1000:.2f} ms, worst {worst * 1000:.2f} ms")  # noqa: T201 - the figure asked for


def test_idle_connections_do_not_keep_another_client_waiting(service: Running, record_property: RecordProperty) -> None:
    """Anybody could stop the service with a loop around connect()."""
    alone = latencies(service)
    with ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            stack.enter_context(service.connect())
        beside = latencies(service)

    report(record_property, "alone", alone)
    report(record_property, f"beside {IDLE_CONNECTIONS} idle connections", beside)
    assert beside[-1] < PATIENCE_S


def test_slow_clients_do_not_keep_another_client_waiting_and_are_cut_off(
    service: Running, record_property: RecordProperty
) -> None:
    """A byte a second keeps a naive server busy for hours."""
    stop = threading.Event()
    heads, bodies = [service.connect() for _ in range(20)], [service.connect() for _ in range(20)]
    for stream in bodies:
        stream.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n".encode())

    def drip() -> None:
        while not stop.wait(0.2):
            for stream in heads + bodies:
                try:
                    stream.send(b"G")
                except OSError:
                    continue

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        beside = latencies(service)
        waited = closed_after(heads[0])
        reply = read_raw(bodies[0])
    finally:
        stop.set()
        dripper.join()
        for stream in heads + bodies:
            stream.close()

    report(record_property, "beside 40 clients of five bytes a second", beside)
    assert beside[-1] < PATIENCE_S
    assert waited < 1 + 0.5 + PATIENCE_S
    assert (reply.status, reply.problem) == (408, "request-timeout")


def test_a_connection_that_says_nothing_is_closed(service: Running) -> None:
    """Dead clients would fill the table of connections."""
    before = service.metric("shed_total", limit="deadline")
    with service.connect() as stream:
        assert 0.5 < closed_after(stream) < 1 + 0.5 + PATIENCE_S

    assert service.metric("shed_total", limit="deadline") > before


def test_a_head_that_never_ends_is_cut_off_after_a_first_request_too(service: Running) -> None:
    """The deadline would be got around by one honest request."""
    with service.connect() as stream:
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_raw(stream).status == 200
        time.sleep(0.2)
        stream.sendall(b"GET /livez HTTP/1.1\r\nHo")
        assert closed_after(stream) < 1 + 0.5 + PATIENCE_S


def test_an_idle_connection_is_kept_for_the_next_request_and_not_for_ever(service: Running) -> None:
    """Every request would pay for a new connection, or old ones would pile up."""
    with service.connect() as stream:
        for _ in range(2):
            stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_raw(stream).status == 200
            time.sleep(1.2)  # longer than a head may take
        assert closed_after(stream) < 2 + 0.5 + PATIENCE_S


@pytest.mark.parametrize(("length", "status"), [(16384, 422), (16385, 413)])
def test_the_largest_body_is_the_documented_one_also_in_chunks(service: Running, length: int, status: int) -> None:
    """Without a Content-Length nobody would count."""
    chunks = iter([b"x" * 1000] * (length // 1000) + [b"x" * (length % 1000)])

    reply = service.call("POST", "/v1/verify?policy=open", chunks, Content_Type=COSE)

    assert reply.status == status


def in_chunks(body: bytes, size: int) -> bytes:
    """Write a body in chunks of ``size`` bytes."""
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


CHUNKED_HEAD = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()


@pytest.mark.parametrize("packet", [1 << 20, 1000], ids=["at once", "in packets"])
def test_a_body_in_chunks_of_one_byte_is_given_up(service: Running, packet: int) -> None:
    """It would cost as much as nine honest documents, and no client sends it."""
    request = CHUNKED_HEAD.replace(b"chunked", b"cHuNkEd") + in_chunks(b"x" * 16_000, 1)
    with service.connect() as stream:
        with suppress(OSError):  # it is closed on us before all is sent
            for at in range(0, len(request), packet):
                stream.sendall(request[at : at + packet])
        reply = read_raw(stream)

    assert (reply.status, reply.problem) == (413, "body-too-large")
    assert "chunks are too small" in reply.json["detail"]


def test_small_chunks_pass_and_what_follows_them_does_too(service: Running) -> None:
    """A client that writes as it reads would be refused."""
    for size in (16, 1000):
        with service.connect() as stream:
            stream.sendall(CHUNKED_HEAD + in_chunks(b"x" * 16_000, size))
            assert read_raw(stream).status == 422


@pytest.mark.parametrize("trailer", ["X-Request-Id: evil", "Content-Encoding: gzip", "Accept: text/html", "Host: y"])
def test_a_trailer_is_no_header_of_the_request_behind_it(service: Running, trailer: str) -> None:
    """Whoever shares a proxy's connection would choose the next one's headers: aiohttp keeps the last trailer field."""
    with service.connect() as stream:
        stream.sendall(CHUNKED_HEAD + b"1\r\nx\r\n0\r\n" + f"{trailer}\r\n\r\n".encode())
        reply = read_raw(stream)
        assert (reply.status, reply.headers["Connection"]) == (422, "close")
        with suppress(ConnectionError):
            stream.sendall(f"{HEAD}Content-Length: 9\r\n\r\n".encode() + b"x" * 9)
            assert stream.recv(1) == b""


def test_an_upgrade_that_is_refused_ends_the_connection(service: Running) -> None:
    """The request behind it would be swallowed, and the next answer taken for its own."""
    behind = b"POST /v1/nonces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    odd = b"OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: odd\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with service.connect() as stream:
        stream.sendall(odd + behind)
        reply = read_raw(stream)
        assert (reply.status, reply.headers["Connection"]) == (417, "close")
        with suppress(ConnectionError):
            assert stream.recv(1) == b""


def test_a_route_without_a_body_gives_up_chunks_of_one_byte_as_well(service: Running) -> None:
    """Passing the body over would cost what reading it does; or its end would be a bug's."""
    bugs = service.metric("bugs_total")
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(b"x" * 60_000, 1)
    with service.connect() as stream:
        with suppress(OSError):
            stream.sendall(request)
        assert read_raw(stream).status == 200
        with suppress(OSError):
            assert stream.recv(1) == b""

    assert service.metric("bugs_total") == bugs


def test_a_body_without_an_end_is_answered_before_it_ends(service: Running) -> None:
    """The service would read for as long as somebody writes."""
    sent, begun = 0, time.perf_counter()
    with service.connect() as stream:
        stream.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            while time.perf_counter() - begun < 20:
                stream.sendall(b"400\r\n" + b"x" * 0x400 + b"\r\n")
                sent += 1
                time.sleep(0.001)
        except OSError:
            pass  # it was closed on us, as it should be

    assert time.perf_counter() - begun < 1 + 0.5 + PATIENCE_S
    assert service.metric("http_requests_total", route="/v1/verify", method="POST", status="413") >= 1


def _wait_for_bodies(service: Running, begun: int) -> None:
    """Wait until so many bodies have begun, and those that were given up are answered."""
    service.until(lambda: service.metric("in_flight") + service.metric("shed_total", limit="in_flight") == begun)


def _send_whole(service: Running, request: bytes) -> Reply:
    """Send a head and its body at once; http.client sends two pieces, and the service may see the second one late."""
    with service.connect() as stream:
        stream.sendall(request)
        return read_raw(stream)


def test_bodies_that_do_not_come_keep_nobody_out(tmp_path: Path) -> None:
    """Anybody with a few idle connections could stop the service for all others."""
    document = enclave().attestation()
    head = f"{HEAD}Content-Length: {len(document)}\r\n\r\n".encode()
    with running(make_settings(tmp_path, max_in_flight=3)) as service, ExitStack() as stack:
        waiting = [stack.enter_context(service.connect()) for _ in range(5)]
        for begun, stream in enumerate(waiting, start=1):
            stream.sendall(head)
            _wait_for_bodies(service, begun)  # so that it is known which of them came first

        honest = [_send_whole(service, head + document).status for _ in range(5)]
        probes = [service.call("GET", path).status for path in ("/livez", "/readyz", "/metrics")]
        shed = [read_raw(stream) for stream in waiting[:2]]
        service.until(lambda: service.metric("in_flight") == 3)
        for stream in waiting[2:]:
            stream.sendall(document)
        served = [read_raw(stream).status for stream in waiting[2:]]

        assert honest == [200] * 5
        assert probes == [200] * 3
        assert [(reply.status, reply.problem, reply.headers["Retry-After"]) for reply in shed] == [
            (503, "overloaded", "1")
        ] * 2
        assert [reply.headers["Connection"] for reply in shed] == ["close"] * 2
        assert served == [200] * 3
        assert service.metric("shed_total", limit="in_flight") == 2


def test_a_body_whose_time_is_up_makes_room_without_a_fuss(tmp_path: Path) -> None:
    """Where both happen at once, the request that makes room would end as a bug."""
    with running(make_settings(tmp_path, max_in_flight=1)) as service, ExitStack() as stack:
        late, next_one = (stack.enter_context(service.connect()) for _ in range(2))
        late.sendall(f"{HEAD}Content-Length: 9\r\n\r\n".encode())
        _wait_for_bodies(service, 1)

        def run_out() -> None:
            (deadline,) = service.service.intake._arriving
            deadline._on_timeout()  # type: ignore[attr-defined]  # what its timer would do
            service.service.intake._make_room()

        service.in_loop(run_out)
        next_one.sendall(f"{HEAD}Content-Length: 1\r\n\r\nx".encode())

        assert read_raw(late).status == 503
        assert read_raw(next_one).status == 422
        assert service.metric("bugs_total") == 0


def test_the_longest_idle_connection_makes_room_for_one_that_wants_something(tmp_path: Path) -> None:
    """Idle connections up to the cap would lock everybody out."""
    with running(make_settings(tmp_path, max_connections=3)) as service, ExitStack() as stack:
        idle = [stack.enter_context(service.connect()) for _ in range(3)]
        service.until(lambda: service.metric("connections") == 3)

        assert service.verify(enclave().attestation(), "policy=open").status == 200

        assert closed_after(idle[0]) < PATIENCE_S
        assert service.metric("shed_total", limit="idle") == 1
        idle[1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_raw(idle[1]).status == 200


def test_when_every_connection_waits_for_a_body_the_one_that_waits_longest_makes_room(tmp_path: Path) -> None:
    """With a few more connections, bodies that do not come would lock everybody out again."""
    with running(make_settings(tmp_path, max_connections=2)) as service, ExitStack() as stack:
        busy = [stack.enter_context(service.connect()) for _ in range(2)]
        for begun, stream in enumerate(busy, start=1):
            stream.sendall(f"{HEAD}Content-Length: 1\r\n\r\n".encode())
            _wait_for_bodies(service, begun)

        assert service.verify(enclave().attestation(), "policy=open").status == 200
        busy[1].sendall(b"x")

        assert busy[0].recv(1) == b""
        assert read_raw(busy[1]).status == 422
        assert service.metric("shed_total", limit="connections") == 1
        service.until(lambda: service.metric("connections") == 1)
        service.until(lambda: service.service.in_flight == 0)


def test_a_client_that_does_not_take_its_answers_is_cut_off(tmp_path: Path) -> None:
    """Answers that nobody reads would fill our memory, and their connections the table."""
    with (
        running(make_settings(tmp_path, keepalive_timeout="1s", header_timeout="1s")) as service,
        service.connect() as stream,
    ):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(20)
        begun = time.perf_counter()
        with pytest.raises(OSError, match=r"reset|Broken pipe"):  # noqa: PT012 - which of the sends fails is chance
            while time.perf_counter() - begun < 15:
                stream.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
                time.sleep(0.05)


def test_a_client_that_leaves_in_the_middle_is_counted_as_gone_and_not_as_a_bug(service: Running) -> None:
    """Every closed laptop would page somebody."""
    with service.connect() as stream:
        stream.sendall(f"{HEAD}Content-Length: 100\r\n\r\nabc".encode())
        service.until(lambda: service.service.in_flight == 1)
    labels = {"route": "/v1/verify", "method": "POST", "status": "aborted"}

    service.until(lambda: service.metric("http_requests_total", **labels) and service.service.in_flight == 0)
    assert service.metric("bugs_total") == 0


def test_a_long_head_in_pieces_is_taken_up_to_the_documented_length(service: Running) -> None:
    """Tokens that proxies add would be refused, or each connection could hold half a megabyte."""
    fields = "".join(f"X{index}: {'x' * 7900}\r\n" for index in range(4)).encode()
    with service.connect() as stream:
        for _ in range(3):  # and each request begins anew
            stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + fields[:20_000])
            time.sleep(0.1)
            stream.sendall(fields[20_000:])
            time.sleep(0.1)
            stream.sendall(b"\r\n")
            assert read_raw(stream).status == 200


def test_a_body_that_is_passed_over_is_not_taken_for_a_head(service: Running) -> None:
    """Behind a proxy one client's refused body would spoil the next client's request."""
    with service.connect() as stream:
        stream.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 50000\r\n\r\n")
        assert read_raw(stream).status == 415
        for _ in range(5):
            stream.sendall(b"x" * 10_000)
            time.sleep(0.02)
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_raw(stream).status == 200


@pytest.mark.parametrize(
    "begin", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"]
)
def test_what_is_no_request_is_not_kept(service: Running, begin: bytes) -> None:
    """A few clients that send rubbish would take all of the memory, and errors that quote it would hold on to it."""
    streams = [service.connect() for _ in range(10)]
    before = psutil.Process().memory_info().rss
    for stream in streams:
        stream.sendall(begin)
        stream.settimeout(0.2)
        with suppress(OSError):
            for _ in range(64):
                stream.sendall(b"z" * 65536)
    grown = psutil.Process().memory_info().rss - before
    for stream in streams:
        stream.close()

    assert grown < 10 * 2**20
    assert service.call("GET", "/livez").status == 200


def test_pipelined_requests_are_answered_in_order(service: Running) -> None:
    """A proxy that pipelines would mix up verdicts."""
    with service.connect() as stream:
        stream.sendall(
            b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in ("/livez", "/", "/nope"))
        )
        file = stream.makefile("rb")
        statuses = []
        for _ in range(3):
            statuses.append(int(file.readline().split()[1]))
            length = 0
            while (line := file.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            file.read(length)

    assert statuses == [200, 200, 404]


def test_a_connection_that_makes_room_before_its_request_is_served_is_no_defect(tmp_path: Path) -> None:
    """Whoever opens many connections would set off the alert for defects of this software."""
    with running(make_settings(tmp_path)) as service:
        way = watched(service)
        with service.connect() as stream:
            connection = connection_of(service, way, stream)

            def receive() -> None:
                connection.data_received(f"{HEAD}Content-Length: 2\r\n\r\n1".encode())
                connection.cut_off()

            service.in_loop(receive)
            assert stream.recv(1) == b""

        def counts() -> tuple[float, float]:
            aborted = service.metric("http_requests_total", route="/v1/verify", method="POST", status="aborted")
            return aborted, service.metric("bugs_total")

        service.until(lambda: any(counts()))
        assert counts() == (1, 0)


def test_a_body_that_fails_while_its_client_is_there_is_a_defect(tmp_path: Path) -> None:
    """A client would be let wait for an answer, and nobody know of the defect."""
    with running(make_settings(tmp_path)) as service, service.connect() as stream:
        connection = connection_of(service, watched(service), stream)
        stream.sendall(f"{HEAD}Content-Length: 2\r\n\r\n1".encode())
        service.until(lambda: service.service.intake.arriving)

        def fail() -> None:
            assert connection._current_request is not None
            connection._current_request.content.set_exception(RuntimeError("a defect"))

        service.in_loop(fail)
        assert read_raw(stream).problem == "internal-error"
        assert service.metric("bugs_total") == 1
