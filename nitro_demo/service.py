"""The real service as a process of its own on a free loopback port, and an HTTP client that uses no proxy."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

START_SECONDS = 30.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_LOOPBACK = "127.0.0.1"


class DemoError(Exception):
    """A step did not go as it should; the message says which."""


class NoAnswerError(DemoError):
    """The service does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the service answered."""

    status: int
    body: dict[str, object]


class Service:
    """``nitro-verifier serve``, from start to SIGTERM."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        """Say how it is started, and where what it prints goes."""
        self.port = free_port()
        self._log = log
        self._command = [sys.executable, "-m", "verifier.cli", "serve", "--host", _LOOPBACK, "--port", str(self.port)]
        self._command += arguments
        self._process: subprocess.Popen[bytes] | None = None
        # Without this a proxy configured in the environment would be asked for loopback addresses.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{_LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        """Start it and wait until it says that it is ready."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - fixed words and our own files
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        """Stop it if it still runs; only a demo that failed elsewhere leaves that to be done here."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Ask it to end, as an orchestrator would, and give its exit code."""
        if self._process is None:
            raise DemoError("the service was not started")
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"the service did not stop within {STOP_SECONDS:g} s of SIGTERM") from error

    def post(self, path: str, body: bytes, content_type: str) -> Answer:
        """POST bytes and read the JSON answer, whatever its status."""
        return self._send(urllib.request.Request(self.url + path, data=body, headers={"Content-Type": content_type}))  # noqa: S310 - loopback http

    def get(self, path: str) -> Answer:
        """GET a JSON answer."""
        return self._send(urllib.request.Request(self.url + path))  # noqa: S310 - loopback http

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=10) as response:
                return Answer(status=response.status, body=_json(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, body=_json(error.read()))
        except OSError as error:  # refused, reset, timed out
            raise NoAnswerError(f"{request.full_url}: {error}") from error

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS  # noqa: TID251 - how long to wait, not what time it is
        while time.monotonic() < deadline:  # noqa: TID251 - as above
            if process.poll() is not None:
                raise DemoError(f"the service ended with exit code {process.returncode}:\n{self._log.read_text()}")
            with contextlib.suppress(NoAnswerError):  # it does not listen yet
                if self.get("/readyz").status == 200:  # noqa: PLR2004 - OK
                    return
            time.sleep(_POLL_SECONDS)
        raise DemoError(f"the service was not ready within {START_SECONDS:g} s:\n{self._log.read_text()}")


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _json(text: bytes) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {"text": text.decode(errors="replace")}
    return value if isinstance(value, dict) else {"value": value}
