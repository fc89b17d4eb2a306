"""A headless Chromium, driven through its DevTools protocol: one page, what it shows, and what it asked for."""

import asyncio
import base64
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60
FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


def find_chromium() -> str | None:
    """Give the program, if this machine has it."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@dataclass(slots=True, kw_only=True)
class Page:
    """One page. Events are read while commands are answered, so look at them after a command."""

    runner: asyncio.Runner
    socket: aiohttp.ClientWebSocketResponse
    events: list[dict[str, Any]] = field(default_factory=list)
    _sent: int = 0

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have the browser do something."""
        return self.runner.run(self._command(method, parameters))

    async def _command(self, method: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        self._sent += 1
        await self.socket.send_json({"id": self._sent, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message: dict[str, Any] = await self.socket.receive_json()
                if message.get("id") == self._sent:
                    assert "error" not in message, (method, message["error"])
                    return dict(message["result"])
                self.events.append(message)

    def script(self, text: str) -> Any:  # noqa: ANN401 - whatever the script gives
        """Evaluate JavaScript in the page; a promise is waited for."""
        found = self.command("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.script(f"Boolean({condition})"):
            assert time.monotonic() < deadline, (condition, self.text("body"))
            time.sleep(0.05)

    def open(self, url: str) -> None:
        """Go somewhere, and forget what was before."""
        self.command("Page.navigate", url="about:blank")
        self.events.clear()
        self.command("Page.navigate", url=url)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def text(self, selector: str) -> str:
        """What an element shows; what is hidden is not in it."""
        return str(self.script(f"document.querySelector({selector!r}).innerText"))

    def of_kind(self, method: str) -> list[dict[str, Any]]:
        """The events of one kind since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def requests(self) -> list[str]:
        """The addresses of everything that the page asked for."""
        return [str(event["request"]["url"]) for event in self.of_kind("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """What the browser blocked, failed to load, or what failed in a script."""
        entries = [event["entry"]["text"] for event in self.of_kind("Log.entryAdded")]
        return entries + [event["exceptionDetails"]["text"] for event in self.of_kind("Runtime.exceptionThrown")]

    def screen(self, *, width: int, height: int = 900, dark: bool = False, scale: int = 1) -> None:
        """Be a screen of this size and colour scheme."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """The whole page as PNG."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Page]:
    """Run a browser with a fresh profile and one page until the block ends."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    arguments = [program, *FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with asyncio.Runner() as runner:
            session, page = runner.run(_connect(runner, _port(profile, process)))
            try:
                for domain in ("Page", "Network", "Log", "Runtime"):
                    page.command(f"{domain}.enable")
                yield page
            finally:
                runner.run(session.close())
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait for the file in which the browser says where it listens."""
    file, deadline = profile / "DevToolsActivePort", time.monotonic() + PATIENCE_S
    while not (file.exists() and file.read_text()):
        assert process.poll() is None, f"the browser ended at once, with {process.returncode}"
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
    return int(file.read_text().splitlines()[0])


async def _connect(runner: asyncio.Runner, port: int) -> tuple[aiohttp.ClientSession, Page]:
    session = aiohttp.ClientSession()
    async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
        [target] = [each for each in await reply.json() if each["type"] == "page"]
    socket = await session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
    return session, Page(runner=runner, socket=socket)
