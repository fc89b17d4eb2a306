"""`nitro-verifier serve` in the enclave, at its vsock port alone: asked from inside and from the host."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from subprocess import run as run_here
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from tests.e2e_enclave.machine import Enclave, RaisedInEnclaveError
from tests.support.cases import VECTORS

PORT = 8080
INSIDE = f"vsock:1:{PORT}"
FOLDER = "/tmp/verifier"  # noqa: S108 - in the enclave, where nobody else is
ANSWER_S = 60
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
COSE = {"Content-Type": "application/cose"}
SERVE = f"nitro-verifier serve --no-tcp --vsock-port {PORT} --policies {FOLDER} --historical allow"
AFFIRMED, MISMATCHED = "affirmed.nonce.caller-caller", "freshness.nonce-mismatch.other-caller"


class Vector:
    """A vector as a request: what it expects holds as of its own time."""

    def __init__(self, name: str) -> None:
        self._case: dict[str, Any] = json.loads((VECTORS / "cases" / f"{name}.json").read_text())
        self.evidence: bytes = (VECTORS / self._case["evidence"]).read_bytes()
        self.expected: dict[str, object] = self._case["expected"]

    @property
    def anchor(self) -> tuple[bytes, str]:
        """The root's certificate, and its fingerprint."""
        (anchor,) = self._case["anchors"]
        return (VECTORS / anchor["file"]).read_bytes(), anchor["sha256"]

    @property
    def target(self) -> str:
        """Where it is posted."""
        return "/v1/verify?" + urlencode({"policy": "caller", "nonce": self._case["nonce"], "at": self._case["at"]})


class Served:
    """The service that runs in the enclave."""

    def __init__(self, enclave: Enclave, number: int) -> None:
        self.enclave, self._number = enclave, number

    def connect(self) -> HTTPConnection:
        """Open one connection over the vsock, which stays one: nothing here connects anew."""
        connection = HTTPConnection("enclave")
        connection.sock = self.enclave.connect(PORT)
        connection.sock.settimeout(ANSWER_S)
        connection.auto_open = 0
        return connection

    def stop(self) -> dict[str, Any]:
        """Send SIGTERM, and wait for the end."""
        return cast("dict[str, Any]", self.enclave.ask("programs", "stop", number=self._number))


@pytest.fixture(scope="session")
def served(enclave: Enclave, images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The service, started once. Emulation makes that last, so the test that ends it is the last one."""
    policy = tmp_path_factory.mktemp("policy") / "e2e.toml"
    command = [sys.executable, "-m", "verifier.cli", "policy", "new", "--eif", str(images["signed"]), "-o", str(policy)]
    run_here([*command, "--name", "e2e"], check=True, capture_output=True, timeout=60)
    root, fingerprint = Vector(AFFIRMED).anchor
    caller = (VECTORS / "policies" / "caller.toml").read_bytes()
    enclave.ask("programs", "run", command=["mkdir", FOLDER], stdin=b"")
    for name, content in {"e2e.toml": policy.read_bytes(), "caller.toml": caller, "root.pem": root}.items():
        enclave.ask("programs", "write", path=f"{FOLDER}/{name}", content=content)
    # The log goes to standard error, and the agent reads the other.
    shell = f"exec {SERVE} --anchor {FOLDER}/root.pem#sha256={fingerprint} 2>&1"
    started = enclave.ask("programs", "start", command=["sh", "-c", shell], until='"event":"listening"')
    found = cast("dict[str, Any]", started)
    assert f'"addresses":["vsock:4294967295:{PORT}"]' in found["printed"], found
    return Served(enclave, found["number"])


def answer(connection: HTTPConnection) -> tuple[int, dict[str, Any]]:
    """Read the next answer."""
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_an_application_beside_it_in_the_enclave_gets_a_nonce_and_the_rejection_of_qemus_document(
    served: Served,
) -> None:
    """`Attester` would not reach the service at its vsock port, or the loopback would carry something else."""
    attested = served.enclave.ask("door", "attest", address=INSIDE, policy="e2e", user_data=b"instance 8")
    found = cast("dict[str, Any]", attested)
    assert (found["verdict"], found["codes"]) == ("rejected", ["envelope.algorithm-unsupported"])
    assert b"instance 8" in found["document"]


def test_one_connection_from_the_host_carries_many_requests_and_their_verdicts(served: Served) -> None:
    """uvloop, taking a vsock for TCP, resets every connection; or the second request of each would be lost."""
    with closing(served.connect()) as connection:
        connection.request("GET", "/readyz")
        assert answer(connection)[0] == 200
        for vector, status in ((Vector(AFFIRMED), 200), (Vector(MISMATCHED), 422), (Vector(AFFIRMED), 200)):
            connection.request("POST", vector.target, vector.evidence, COSE)
            found, body = answer(connection)
            codes = [reason["code"] for reason in body["reasons"]]
            assert (found, {"verdict": body["verdict"], "reasons": codes}) == (status, vector.expected)


def test_requests_that_arrive_together_are_answered_in_their_order(served: Served) -> None:
    """Pipelining over a vsock would mix answers up."""
    paths = (b"/livez", b"/nothing", b"/livez")
    with closing(served.connect()) as connection:
        connection.sock.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: enclave\r\n\r\n" % path for path in paths))
        statuses = []
        for _ in paths:
            response = HTTPResponse(connection.sock)
            response.begin()
            response.read()
            statuses.append(response.status)
    assert statuses == [200, 404, 200]


def test_an_answer_larger_than_a_packet_arrives_whole(served: Served) -> None:
    """A vsock gives its sender credit; who ignores that would send the beginning alone."""
    with closing(served.connect()) as connection:
        connection.request("GET", "/openapi.json")
        status, body = answer(connection)
    assert (status, body["info"]["title"] != "", len(json.dumps(body)) > 2 * 16384) == (200, True, True)


def test_a_body_in_two_packets_is_one_document(served: Served) -> None:
    """What the first packet brings would be taken for all of it, and every larger document be rejected."""
    vector = Vector(AFFIRMED)
    with closing(served.connect()) as connection:
        rest = begin(connection, vector)
        connection.send(rest)
        status, body = answer(connection)
    assert (status, body["verdict"]) == (200, "affirmed")


@pytest.mark.last
def test_at_sigterm_what_is_in_flight_is_finished_and_nobody_else_is_let_in(served: Served) -> None:
    """Each deployment would lose requests."""
    with closing(served.connect()) as posting, closing(served.connect()) as asking, ThreadPoolExecutor(1) as thread:
        wait_until_ready_is(asking, 200)
        rest = begin(posting, Vector(AFFIRMED))
        stopping = thread.submit(served.stop)
        wait_until_ready_is(asking, 503)
        with pytest.raises(RaisedInEnclaveError) as refused:
            served.enclave.ask("door", "ask", address=INSIDE, message=b"", client="sync", timeout=10)
        posting.send(rest)
        status, body = answer(posting)
        stopped = stopping.result(ANSWER_S)
    assert refused.value.kind == "ConnectFailedError"
    assert (status, body["verdict"]) == (200, "affirmed")
    assert (stopped["code"], b'"event":"stopped"' in stopped["stdout"]) == (0, True), stopped


def begin(connection: HTTPConnection, vector: Vector) -> bytes:
    """Post a vector's first half, and wait until the service has begun with the request; give the other half."""
    connection.putrequest("POST", vector.target)
    for name, value in {**COSE, "Content-Length": str(len(vector.evidence)), "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock.recv(len(CONTINUE)) == CONTINUE
    half = len(vector.evidence) // 2
    connection.send(vector.evidence[:half])
    return vector.evidence[half:]


def wait_until_ready_is(connection: HTTPConnection, wanted: int) -> None:
    """Ask for readiness until the answer is another."""
    found = 0
    end = time.monotonic() + ANSWER_S
    while found != wanted:
        assert time.monotonic() < end, found
        connection.request("GET", "/readyz")
        found, _ = answer(connection)
