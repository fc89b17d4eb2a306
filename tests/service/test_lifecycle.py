"""From start to SIGTERM: what an orchestrator sees."""

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.service.harness import COSE, HOST, POLICIES, Running, enclave, make_settings, pki, read_raw, running
from verifier import Verifier
from verifier.reasons import ConfigurationError
from verifier.service.app import make_app
from verifier.service.logs import make_logger
from verifier.service.server import run
from verifier.service.state import make_service

SERVE = """
import sys
from verifier.service.config import load_settings
from verifier.service.server import run
sys.exit(run(load_settings(file=sys.argv[1])))
"""


def write_configuration(folder: Path, **options: str) -> Path:
    """A configuration file with everything it names beside it."""
    (folder / "policies").mkdir()
    for name, text in POLICIES.items():
        (folder / "policies" / f"{name}.toml").write_text(text)
    (folder / "root.der").write_bytes(pki().root_der)
    lines = ['policies = "policies"', "port = 0", *(f'{name} = "{value}"' for name, value in options.items())]
    anchor = f'[[anchors]]\nname = "throwaway"\nfile = "root.der"\nsha256 = "{pki().root_sha256.hex()}"'
    file = folder / "service.toml"
    file.write_text("\n".join([*lines, anchor, ""]))
    return file


@contextmanager
def process(configuration: Path, *before: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The service as a process of its own, and its port."""
    command = [*before, sys.executable, "-c", SERVE, str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as service:
        assert service.stderr is not None
        try:
            for line in service.stderr:
                entry = json.loads(line)
                if entry["event"] == "listening":
                    yield service, int(entry["addresses"][0].rpartition(":")[2])
                    return
        finally:
            service.kill()


def ask(port: int, path: str) -> int:
    """One GET's status."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def verify(port: int) -> int:
    """The status of a verdict on a good document."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("POST", "/v1/verify?policy=open", enclave().attestation(), {"Content-Type": COSE})
    status = connection.getresponse().status
    connection.close()
    return status


def metric(port: int, name: str) -> float:
    """One metric without labels."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    [line] = [line for line in text.splitlines() if line.startswith(f"nitro_verifier_{name} ")]
    return float(line.split()[1])


def in_flight(port: int) -> float:
    """Requests being served, without the one that asks."""
    return metric(port, "in_flight") - 1


def is_refused(port: int) -> bool:
    """Whether nobody listens."""
    try:
        ask(port, "/livez")
    except ConnectionRefusedError:
        return True
    return False


def until(true: Callable[[], object]) -> None:
    """Wait for something to become true, however busy the machine is."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            assert ask(port, "/livez") == 200
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the service did not start")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_on_sigterm_it_is_not_ready_finishes_what_is_in_flight_and_exits_0(tmp_path: Path, number: int) -> None:
    """Every deployment would cut off requests, or look like a crash."""
    configuration = write_configuration(tmp_path, shutdown_delay="1500ms")
    document = enclave().attestation()
    with process(configuration) as (service, port), socket.create_connection((HOST, port)) as stream:
        assert ask(port, "/readyz") == 200
        head = f"POST /v1/verify?policy=open HTTP/1.1\r\nHost: x\r\nContent-Type: {COSE}\r\n"
        stream.sendall(f"{head}Content-Length: {len(document)}\r\n\r\n".encode() + document[:100])
        until(lambda: in_flight(port) == 1)

        service.send_signal(number)
        until(lambda: ask(port, "/readyz") == 503)
        live = ask(port, "/livez")
        until(lambda: is_refused(port))
        stream.sendall(document[100:])
        reply = read_raw(stream)

        assert live == 200
        assert (reply.status, reply.headers["Connection"]) == (200, "close")
        assert service.wait(10) == 0


def test_an_idle_connection_does_not_delay_the_end(tmp_path: Path) -> None:
    """A load balancer's spare connections would make each deployment wait for the kill."""
    with process(write_configuration(tmp_path)) as (service, port), socket.create_connection((HOST, port)) as stream:
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_raw(stream).status == 200
        begun = time.monotonic()
        service.terminate()

        assert service.wait(10) == 0
        assert time.monotonic() - begun < 3


def test_a_connection_whose_first_request_is_on_its_way_is_waited_for(tmp_path: Path) -> None:
    """Each exchange of workers would lose the requests of clients that had just connected."""
    with process(write_configuration(tmp_path)) as (service, port), socket.create_connection((HOST, port)) as stream:
        assert ask(port, "/livez") == 200  # whoever connected before that was accepted before
        service.terminate()
        until(lambda: is_refused(port))
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        reply = read_raw(stream)

        assert (reply.status, reply.headers["Connection"]) == (200, "close")
        assert service.wait(10) == 0


def test_a_connection_that_says_nothing_delays_the_end_only_so_long(tmp_path: Path) -> None:
    """A port scan would keep an old version alive."""
    with process(write_configuration(tmp_path)) as (service, port), socket.create_connection((HOST, port)):
        assert ask(port, "/livez") == 200
        begun = time.monotonic()
        service.terminate()

        assert service.wait(10) == 0
        assert time.monotonic() - begun < 5


def test_a_request_that_does_not_finish_delays_the_end_only_so_long(tmp_path: Path) -> None:
    """One slow client could keep an old version alive."""
    configuration = write_configuration(tmp_path, shutdown_timeout="300ms", body_timeout="60s")
    with process(configuration) as (service, port), socket.create_connection((HOST, port)) as stream:
        stream.sendall(
            f"POST /v1/nonces HTTP/1.1\r\nHost: x\r\nContent-Type: {COSE}\r\nContent-Length: 9\r\n\r\n".encode()
        )
        until(lambda: in_flight(port) == 1)
        service.terminate()

        assert service.wait(10) == 0


def test_a_log_whose_reader_went_away_costs_no_verdict_and_no_orderly_end(tmp_path: Path) -> None:
    """Every verdict would be lost with the log, nonces used up for nothing, and the end would look like a crash."""
    with process(write_configuration(tmp_path)) as (service, port):
        assert service.stderr is not None
        service.stderr.close()
        statuses = [verify(port) for _ in range(2)]
        failures = metric(port, "log_failures_total")
        service.terminate()

        assert statuses == [200, 200]
        assert failures == 2
        assert service.wait(10) == 0


def test_a_log_on_a_full_disk_costs_no_verdict_and_no_start(tmp_path: Path) -> None:
    """The command would end with exit code 1, which means that a document was rejected."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    command = ["serve", "--config", str(write_configuration(tmp_path)), "--port", str(port)]
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen([sys.executable, "-m", "verifier.cli", *command], stderr=full) as service,
    ):
        try:
            wait_for(port)
            status = verify(port)
            service.terminate()
            ended = service.wait(10)
        finally:
            service.kill()

    assert (status, ended) == (200, 0)


def test_a_port_in_use_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    """An operator would get a traceback, or a service that listens nowhere."""
    with socket.create_server((HOST, 0)) as taken:
        settings = make_settings(tmp_path, port=taken.getsockname()[1], log_level="error")

        with pytest.raises(ConfigurationError, match="cannot listen"):
            run(settings)


def test_while_draining_it_is_not_ready_and_closes_its_connections(tmp_path: Path) -> None:
    """A balancer would keep sending requests to a process that is about to end."""
    with running(make_settings(tmp_path)) as service:
        service.service.draining = True
        ready, live = service.call("GET", "/readyz"), service.call("GET", "/livez")

    assert (ready.status, ready.json["checks"]["not-draining"]) == (503, "failed")
    assert ready.headers["Retry-After"] == "1"
    assert "Retry-After" not in live.headers
    assert (live.status, live.headers["Connection"]) == (200, "close")


class Broken:
    """A self-test that fails."""

    def passes(self) -> bool:
        """Never."""
        return False


def test_a_process_that_cannot_verify_any_more_is_not_ready(tmp_path: Path) -> None:
    """Memory goes bad, libraries are replaced under a running process."""
    with running(make_settings(tmp_path)) as service:
        service.service.self_test = Broken()  # type: ignore[assignment]  # a fake
        reply = service.call("GET", "/readyz")

    assert (reply.status, reply.json["ready"], reply.json["checks"]["self-test"]) == (503, False, "failed")


def test_a_guard_that_cannot_write_makes_it_not_ready(tmp_path: Path) -> None:
    """Every request that needs it would be sent here to fail."""
    state = tmp_path / "used.sqlite3"
    with running(make_settings(tmp_path, single_use="embedded", state=state)) as service:
        assert service.call("GET", "/readyz").status == 200
        state.unlink()
        reply = service.call("GET", "/readyz")

    assert (reply.status, reply.json["checks"]["guard"]) == (503, "failed")


def test_a_guard_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    """Single use was asked for, and there would be none."""
    (tmp_path / "used.sqlite3").mkdir()

    with pytest.raises(ConfigurationError, match="state"):
        make_service(make_settings(tmp_path, single_use="embedded", state=tmp_path / "used.sqlite3"))


def test_it_tells_an_operator_what_it_starts_with(tmp_path: Path) -> None:
    """A key that only one replica knows refuses every other replica's nonces."""
    configuration = write_configuration(tmp_path, issuer="https://verifier.example", ephemeral_signing_key="true")
    with subprocess.Popen([sys.executable, "-c", SERVE, str(configuration)], stderr=subprocess.PIPE) as service:
        assert service.stderr is not None
        lines = [json.loads(service.stderr.readline()) for _ in range(5)]
        service.terminate()
        rest = [json.loads(line)["event"] for line in service.stderr]

    assert [line["event"] for line in lines] == [
        "configuration", "nonce-key-ephemeral", "signing-key-ephemeral", "starting", "listening",
    ]  # fmt: skip
    assert "debug mode" in lines[0]["detail"]
    assert "single replica" in lines[1]["detail"]
    assert "dies with it" in lines[2]["detail"]
    assert set(lines[3]["policies"]) == set(POLICIES)
    assert lines[3]["single_use"] == "off"
    assert len(lines[3]["signing_key"]) == 43
    assert lines[3]["engine"] == Verifier().engine
    assert rest == ["draining", "stopped"]


def test_a_key_that_others_can_read_is_said_at_the_start(tmp_path: Path) -> None:
    """A warning that is collected and never shown warns nobody."""
    configuration = write_configuration(tmp_path)
    (tmp_path / "nonce.key").write_bytes(b"\x00" * 32)
    (tmp_path / "nonce.key").chmod(0o644)
    configuration.write_text(configuration.read_text() + '[nonce_keys]\ncurrent = { id = 1, file = "nonce.key" }\n')
    with subprocess.Popen([sys.executable, "-c", SERVE, str(configuration)], stderr=subprocess.PIPE) as service:
        assert service.stderr is not None
        lines = [json.loads(service.stderr.readline()) for _ in range(4)]
        service.terminate()

    assert [line["event"] for line in lines] == ["configuration", "configuration", "starting", "listening"]
    assert "0644" in lines[1]["detail"]


def test_it_asks_for_as_many_open_files_as_its_connections_need(tmp_path: Path) -> None:
    """With the usual limit of 1024 it would stop accepting below its own cap."""
    with process(write_configuration(tmp_path), "prlimit", "--nofile=256:4096") as (service, _):
        limits = Path(f"/proc/{service.pid}/limits").read_text()
        service.terminate()
        assert service.wait(10) == 0

    [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert int(line.split()[3]) == 1024 + 64


def test_the_application_works_under_another_server_of_aiohttp(tmp_path: Path) -> None:
    """Those who run it under gunicorn would find what our own server adds missing, and more."""

    async def ask() -> tuple[int, str, bool]:
        service = make_service(make_settings(tmp_path), log=make_logger("error"))
        async with TestServer(make_app(service)) as server:
            client: TestClient[Any, Any] = TestClient(server)
            answer = await client.get("/nope")
            await client.close()
            return answer.status, answer.content_type, "X-Request-Id" in answer.headers

    assert asyncio.run(ask()) == (404, "application/problem+json", True)


def test_two_processes_can_share_a_port(tmp_path: Path) -> None:
    """One process for each core is how this service uses a machine."""
    settings = make_settings(tmp_path, reuse_port=True)
    with running(settings) as first:
        again = make_settings(tmp_path, reuse_port=True, port=first.port)
        with running(again) as second:
            assert _ready(second)


def _ready(service: Running) -> bool:
    return service.call("GET", "/readyz").status == 200
