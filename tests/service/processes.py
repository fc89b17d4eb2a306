"""The service as processes of its own, and connections to those of them that serve."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil

from tests.service.harness import COSE, HOST, Reply, read_raw

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = "metrics"
MANY = 200
"""Connections of which two workers get one each, or the kernel does not share them out."""


class Process:
    """A command that serves, and ways to talk to it."""

    def __init__(self, folder: Path, command: Sequence[str], *, traced: bool = True) -> None:
        """Prepare to start it in a folder of its own.

        Args:
            folder: for its log and its temporary files.
            command: what serves.
            traced: whether coverage may look on, where it does; it takes as long as the service itself.
        """
        self.folder = folder
        self.command = command
        self.log = folder / "log"
        self.port = 0
        (folder / FOLDER).mkdir()
        inherited = {name: text for name, text in os.environ.items() if traced or not name.startswith("COVERAGE_")}
        self._environ = {**inherited, "TMPDIR": str(folder / FOLDER)}

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command, stderr=log, env=self._environ, cwd=CHECKOUT)
        self.until(lambda: self.lines("listening"))
        self.port = int(self.lines("listening")[0]["addresses"][0].rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        """End it if it still runs, and those that it left."""
        for pid in [*self.workers(), self.process.pid]:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one kind."""
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in map(json.loads, whole) if line["event"] == event]

    def until(self, true: Callable[[], object]) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """The processes that serve."""
        try:
            return [child.pid for child in psutil.Process(self.process.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection((HOST, self.port), timeout=30)

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Ask one thing over a connection of its own."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, target, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if "json" in answer.headers["Content-Type"] else data.decode()
        finally:
            connection.close()

    def verify(self, document: bytes, policy: str = "open") -> tuple[int, Any]:
        """Post a document."""
        return self.ask("POST", f"/v1/verify?policy={policy}", document, Content_Type=COSE)

    def nonce(self) -> bytes:
        """Fetch a nonce."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request("POST", "/v1/nonces", headers={"Accept": "application/octet-stream"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """One sample, as whichever worker is asked gives it."""
        _, text = self.ask("GET", "/metrics")
        [value] = re.findall(rf"^nitro_verifier_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(value)

    def until_counted(self, name: str, value: float) -> None:
        """Wait for a sample's value: what another worker counted is told with that one's next beat."""
        self.until(lambda: self.metric(name) == value)

    def serving(self) -> set[int]:
        """Those that have said that they serve."""
        return {line["pid"] for line in self.lines("serving")}

    def wait_for_all(self, count: int = 2) -> None:
        """Wait until so many serve."""
        self.until(lambda: len(self.serving() & set(self.workers())) == count)

    def end(self) -> int:
        """Ask it to end."""
        self.process.terminate()
        return self.process.wait(30)


@dataclass(slots=True, kw_only=True)
class Lane:
    """A connection that is kept, and the process at its other end."""

    pid: int
    stream: socket.socket

    def ask(self, request: bytes) -> Reply:
        """Send a whole request at once, and read the answer."""
        self.stream.sendall(request)
        return read_raw(self.stream)

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()


def write_request(target: str, body: bytes = b"", **headers: str) -> bytes:
    """Write a POST; header names have underscores for hyphens."""
    given = {"Host": HOST, "Content-Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {text}" for name, text in given.items()]
    return "\r\n".join((f"POST {target} HTTP/1.1", *lines, "", "")).encode() + body


def open_lane(process: Process, *, policy: str) -> Lane:
    """Open a connection, and find out from the log which process takes what is sent there."""
    name = f"lane-{uuid4()}"
    lane = Lane(pid=process.process.pid, stream=process.connect())
    with ExitStack() as failed:
        failed.callback(lane.close)
        lane.ask(write_request(f"/v1/verify?policy={policy}", b"?", Content_Type=COSE, X_Request_Id=name))
        [line] = [line for line in process.log.read_text().splitlines() if name in line]
        lane.pid = json.loads(line).get("pid", lane.pid)  # one that serves alone does not say
        failed.pop_all()
    return lane


@contextmanager
def lanes_to(process: Process, workers: int, *, policy: str) -> Iterator[list[Lane]]:
    """Open a connection to each worker."""
    with ExitStack() as opened:
        lanes: dict[int, Lane] = {}
        for _ in range(MANY):
            lane = open_lane(process, policy=policy)
            opened.callback(lane.close)
            lanes.setdefault(lane.pid, lane)
            if len(lanes) == workers:
                break
        assert len(lanes) == workers, "connections do not reach every worker"
        yield list(lanes.values())
