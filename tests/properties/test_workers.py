"""Two workers that serve: whatever is sent to either of them, and whichever is asked first."""

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Barrier
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.service.harness import COSE, Reply, base64url, enclave
from tests.service.processes import Lane, Process, lanes_to, open_lane, write_request
from tests.service.test_lifecycle import write_configuration
from tests.service.vector_services import serve
from verifier import Reason

JSON, OCTETS = "application/json", "application/octet-stream"
WORKERS = (0, 1)
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

KEYS = st.sampled_from(["document", "policy", "nonce", "at", "reject_status", "result_nonce", "ttl"]) | st.text(
    max_size=5
)
TEXTS = st.sampled_from(["open", "payments", "document", "200", "AAAA", "00"]) | st.text(max_size=9)
QUERIES = st.dictionaries(KEYS, TEXTS, max_size=4).map(urlencode) | st.text("ab=&%?+;/0", max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=60).map(base64url),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
BODIES = st.binary(max_size=20_000) | VALUES.map(lambda value: json.dumps(value).encode())
TYPES = st.sampled_from([COSE, "application/cbor", OCTETS, JSON, "text/plain", ""])
TARGETS = st.builds(
    "{}{}".format, st.sampled_from(["/v1/verify", "/v1/explain", "/v1/nonces"]), st.just("") | QUERIES.map("?{}".format)
)
REQUESTS = st.just(("/v1/verify?policy=open", COSE)) | st.just(("/v1/verify", JSON)) | st.tuples(TARGETS, TYPES)
"""The first two get to look at the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Both of them, a connection to each, and as many clients."""

    process: Process
    lanes: list[Lane]
    clients: ThreadPoolExecutor

    def ask(self, worker: int, target: str, body: bytes = b"", **headers: str) -> Reply:
        """Ask one of them, and connect to it anew when it takes no more there."""
        lane = self.lanes[worker]
        reply = lane.ask(write_request(target, body, **headers))
        while reply.headers.get("Connection") == "close" and self.lanes[worker] is lane:
            new = open_lane(self.process, policy="open")
            if new.pid == lane.pid:
                self.lanes[worker] = new
            (lane if new.pid == lane.pid else new).close()
        return reply

    def verify(self, worker: int, document: bytes, policy: str = "open") -> Reply:
        """Post a document to one of them."""
        return self.ask(worker, f"/v1/verify?policy={policy}", document, Content_Type=COSE)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A service of two workers, whose nonces count once among both."""
    folder = tmp_path_factory.mktemp("workers")
    configuration = write_configuration(
        folder, single_use="embedded", state="used", header_timeout="1s", body_timeout="1s"
    )
    with (
        Process(folder, serve(configuration, len(WORKERS)), traced=False) as process,
        lanes_to(process, len(WORKERS), policy="open") as lanes,
        ThreadPoolExecutor(len(WORKERS)) as clients,
    ):
        given_out = Workers(process=process, lanes=lanes, clients=clients)
        yield given_out
        for lane in given_out.lanes:
            lane.close()
        assert process.lines("bug") == []


@given(worker=st.sampled_from(WORKERS), request=REQUESTS, body=BODIES)
@example(worker=0, request=("/v1/verify?policy=open", COSE), body=b"")
@example(worker=1, request=("/v1/nonces", JSON), body=bytes(2000))
def test_any_bytes_are_refused_or_rejected(
    workers: Workers, worker: int, request: tuple[str, str], body: bytes
) -> None:
    """An unauthenticated sender could cause a 500, or what a careless caller takes for an affirmed document."""
    target, media_type = request
    route = target.partition("?")[0]
    reply = workers.ask(worker, target, body, Content_Type=media_type)
    verdict = reply.headers.get("Attestation-Verdict")
    match reply.media_type:
        case "application/problem+json":
            assert 400 <= reply.status < 500
            assert (verdict, reply.json["status"]) == (None, reply.status)
        case "application/json" if route == "/v1/nonces":
            assert (verdict, reply.status, set(reply.json)) == (None, 201, {"nonce", "issued_at", "expires_at"})
        case "application/json":
            assert (route, verdict, reply.json["verdict"]) == ("/v1/verify", "rejected", "rejected")
            assert reply.status in {200, 403, 422}
            assert reply.reasons
            assert reply.json["claims"] is None
        case explanation:
            assert (route, verdict, reply.status) == ("/v1/explain", None, 200)
            assert explanation == "application/vnd.nitro-verifier.explanation+json"


@given(
    places=st.lists(st.integers(0, 2**8), min_size=1, max_size=3),
    inserted=st.binary(max_size=4),
    cut=st.integers(0, 2),
)
def test_any_head_of_a_request_is_answered_or_hung_up_on(
    workers: Workers, places: list[int], inserted: bytes, cut: int
) -> None:
    """Bytes that are hardly HTTP would be a 500, or keep a connection for good."""
    request = write_request("/v1/verify?policy=open", enclave().attestation(), Content_Type=COSE)
    length = request.index(b"\r\n\r\n") + 4
    for place in places:
        at = place % length
        request = request[:at] + inserted + request[at + cut :]

    with workers.process.connect() as stream:
        stream.sendall(request + LAST)
        answers = read_all(stream)

    statuses = [int(status) for status in re.findall(rb"^HTTP/\d\.\d (\d{3}) ", answers, re.MULTILINE)]
    assert statuses
    assert all(status < 500 for status in statuses), answers


def read_all(stream: socket.socket) -> bytes:
    """Read until the other side hangs up."""
    answer = b""
    with suppress(ConnectionError):  # it had not read all by then
        while more := stream.recv(1 << 16):
            answer += more
    return answer


@given(worker=st.sampled_from(WORKERS), place=st.integers(0, 2**16), change=st.integers(1, 255), in_json=st.booleans())
def test_a_document_with_a_changed_byte_is_not_affirmed(
    workers: Workers, *, worker: int, place: int, change: int, in_json: bool
) -> None:
    """Some byte of a document would be outside of every check, or a remembered path would stand in for one."""
    document = enclave().attestation()
    at = place % len(document)
    changed = document[:at] + bytes((document[at] ^ change,)) + document[at + 1 :]

    genuine = workers.verify(worker, document)
    if in_json:
        body = json.dumps({"document": base64url(changed), "policy": "open"}).encode()
        reply = workers.ask(worker, "/v1/verify", body, Content_Type=JSON)
    else:
        reply = workers.verify(worker, changed)

    assert (genuine.status, genuine.json["verdict"]) == (200, "affirmed")
    assert (reply.status, reply.json["verdict"], reply.json["build"]) == (422, "rejected", None)
    assert reply.headers["Attestation-Verdict"] == "rejected"


@given(
    issuers=st.lists(st.sampled_from(WORKERS), min_size=1, max_size=3),
    queues=st.tuples(*(st.lists(st.integers(0, 2), max_size=5) for _ in WORKERS)),
)
@example(issuers=[0], queues=([0], [0]))
@example(issuers=[0, 1], queues=([0, 1], [1, 0]))
def test_a_nonce_counts_once_whoever_is_asked_at_the_same_time(
    workers: Workers, issuers: list[int], queues: tuple[list[int], ...]
) -> None:
    """A replay need only be sent to the other worker, or be quick."""
    nonces = [workers.ask(worker, "/v1/nonces", Accept=OCTETS).body for worker in issuers]
    documents = [enclave().attestation(nonce=nonce) for nonce in nonces]
    start = Barrier(len(WORKERS))

    def present(worker: int) -> list[tuple[int, Reply]]:
        which = [index % len(documents) for index in queues[worker]]
        start.wait(30)
        return [(index, workers.verify(worker, documents[index], "payments")) for index in which]

    replies = [each for of_one in workers.clients.map(present, WORKERS) for each in of_one]

    for index in {index for index, _ in replies}:
        mine = [reply for other, reply in replies if other == index]
        refused = [reply.reasons for reply in mine if reply.status == 422]
        assert sorted(reply.status for reply in mine) == [200, *[422] * (len(mine) - 1)]
        assert refused == [[Reason.FRESHNESS_NONCE_REPLAYED]] * (len(mine) - 1)
