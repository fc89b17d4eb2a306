"""A service that listens, in a thread of this process, and an enclave that attests to it."""

import asyncio
import base64
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Any

import uvloop

from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from verifier.service.config import load_settings
from verifier.service.listeners import Listener, open_listeners
from verifier.service.logs import make_logger
from verifier.service.server import listening
from verifier.service.settings import Settings
from verifier.service.state import Service, make_service

HOST = "127.0.0.1"
COSE = 'application/cose; cose-type="cose-sign1"'
BUILD = "payments v1"


class Clock:
    """The real clock, until somebody moves it."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        """Read it."""
        return datetime.now(UTC) + self.offset


@cache
def pki() -> ThrowawayPki:
    """The throwaway root that these services trust."""
    return ThrowawayPki(seed=b"tests of the service")


@cache
def enclave(*, build: str = BUILD, debug: bool = False) -> SoftwareNsm:
    """An enclave's NSM under that root."""
    return SoftwareNsm(clock=lambda: datetime.now(UTC), pki=pki(), build=build, debug=debug)


@cache
def stranger() -> SoftwareNsm:
    """An enclave's NSM under another root."""
    return SoftwareNsm(clock=lambda: datetime.now(UTC), pki=ThrowawayPki(seed=b"a stranger"), build=BUILD)


def policy_text(**scalars: str) -> str:
    """A policy that trusts the one build."""
    pcrs = build_pcrs(BUILD)
    table = ", ".join(f'{index} = "{pcrs[index].hex()}"' for index in (0, 1, 2))
    return (
        "".join(f'{key} = "{value}"\n' for key, value in scalars.items())
        + f'[[build]]\nname = "v1"\npcrs = {{ {table} }}\n'
    )


POLICIES = {
    "payments": policy_text(),
    "caller": policy_text(nonce="caller"),
    "open": policy_text(nonce="none"),
    "lab": policy_text(nonce="none", debug="allow"),
}


def make_settings(folder: Path, *, policies: Mapping[str, str] = POLICIES, **options: object) -> Settings:
    """Settings of a service on any free port that trusts the throwaway root."""
    (folder / "policies").mkdir(exist_ok=True)
    for name, text in policies.items():
        (folder / "policies" / f"{name}.toml").write_text(text)
    (folder / "root.der").write_bytes(pki().root_der)
    anchor = {"name": "throwaway", "file": str(folder / "root.der"), "sha256": pki().root_sha256.hex()}
    given = {"policies": folder / "policies", "port": 0, "anchors": [anchor], **options}
    file = given.pop("config", None)
    return load_settings(file=None if file is None else Path(str(file)), overrides=given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the service said
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        """The body's media type alone."""
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def problem(self) -> str:
        """The last word of a problem's type."""
        assert self.media_type == "application/problem+json", (self.status, self.body)
        return str(self.json["type"]).rpartition(":")[2]

    @property
    def reasons(self) -> list[str]:
        """The codes of a result's reasons."""
        return [reason["code"] for reason in self.json["reasons"]]


@dataclass(slots=True, kw_only=True)
class Running:
    """A service that listens, and ways to talk to it."""

    service: Service
    port: int
    log: io.BytesIO
    clock: Clock
    loop: asyncio.AbstractEventLoop
    ask_to_reload: Callable[[], None]
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def call(self, method: str, target: str, body: object = None, **headers: str) -> Reply:
        """Ask one thing over a connection of its own; header names have underscores for hyphens."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, target, body, {name.replace("_", "-"): text for name, text in headers.items()})  # type: ignore[arg-type]  # http.client takes more than its types say
            return read_reply(connection)
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection((HOST, self.port), timeout=30)

    def nonce(self, policy: str = "payments") -> bytes:
        """Fetch a nonce."""
        reply = self.call("POST", "/v1/nonces", json.dumps({"policy": policy}), Content_Type="application/json")
        return base64.urlsafe_b64decode(reply.json["nonce"] + "==")

    def verify(self, document: bytes, query: str = "policy=payments", **headers: str) -> Reply:
        """Post a raw document."""
        return self.call("POST", f"/v1/verify?{query}", document, **({"Content_Type": COSE} | headers))

    def verify_json(self, **fields: object) -> Reply:
        """Post JSON."""
        return self.call("POST", "/v1/verify", json.dumps(fields), Content_Type="application/json")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one kind."""
        found = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in found if line["event"] == event]

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value now; 0 when it was never counted."""
        return self.service.metrics.registry.get_sample_value(f"nitro_verifier_{name}", labels) or 0.0

    def until(self, true: Callable[[], object]) -> None:
        """Wait for something to become true, however busy the machine is."""
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    def in_loop(self, what: Callable[[], object]) -> None:
        """Do something where the service runs."""
        done = threading.Event()

        def act() -> None:
            what()
            done.set()

        self.loop.call_soon_threadsafe(act)
        assert done.wait(10)


def read_reply(connection: http.client.HTTPConnection) -> Reply:
    """Read the next answer."""
    response = connection.getresponse()
    return Reply(status=response.status, headers=response.headers, body=response.read())


def read_raw(stream: socket.socket) -> Reply:
    """Read an answer off a bare connection."""
    with http.client.HTTPResponse(stream) as response:
        response.begin()
        return Reply(status=response.status, headers=response.headers, body=response.read())


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Run a service in a thread until the block ends."""
    log, clock = io.BytesIO(), Clock()
    service = make_service(settings, now=clock, log=make_logger("debug", log))
    ready: list[tuple[int, asyncio.AbstractEventLoop, Callable[[], None]]] = []
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        with open_listeners(settings.addresses) as listeners:
            async with listening(service, listeners) as front:
                ready.append((port_of(listeners[0]), asyncio.get_running_loop(), front.watcher.ask))
                started.set()
                await stop.wait()

    def work() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert started.wait(30), "the service did not start"
    port, loop, ask_to_reload = ready[0]
    try:
        yield Running(service=service, port=port, log=log, clock=clock, loop=loop, ask_to_reload=ask_to_reload)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        service.close()
        assert not thread.is_alive()


def port_of(listener: Listener) -> int:
    """The port of a TCP listener."""
    return int(listener.address.rpartition(":")[2])


def base64url(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
