"""A client that sends requests when they are due, not when the one before is done, and times them from then on.

One thread over epoll that watches the clock itself: asyncio's timers come in whole milliseconds, which is what is to be
measured. So it takes a core of its own while it runs.
"""

from __future__ import annotations

import gc
import os
import re
import select
import socket
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, repeat
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

    import psutil

CONNECTIONS = 64
CLOSED_LOOP_CONNECTIONS = 16
SLEEP_MARGIN_S = 0.001
"""epoll sleeps whole milliseconds, so the last one is watched."""
PATIENCE_S = 10.0

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_HEAD_END = b"\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of requests."""

    latencies_s: list[float] = field(default_factory=list)
    """From when each was due until its answer was whole, in the order of the answers."""
    due_s: list[float] = field(default_factory=list)
    """When each was due, in the same order."""
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed_s: float = 0.0
    sent_bytes: int = 0
    received_bytes: int = 0

    @property
    def per_second(self) -> float:
        """Give the answers in a second."""
        return len(self.latencies_s) / self.elapsed_s

    def percentile_ms(self, share: float) -> float:
        """Give the latency, in milliseconds, that this share of requests did not exceed."""
        ordered = sorted(self.latencies_s)
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True, kw_only=True)
class _Connection:
    """One kept-alive connection, with at most one request on its way."""

    sock: socket.socket
    due: float = 0.0
    received: bytes = b""

    def send(self, request: bytes, due: float) -> None:
        self.due, self.received = due, b""
        sent = self.sock.send(request)
        assert sent == len(request), "the kernel takes whole requests"

    def receive(self) -> int | None:
        """Read what is there; give the status once the answer is whole."""
        data = self.sock.recv(1 << 16)
        assert data, "the server closed a connection"
        self.received += data
        head, end, body = self.received.partition(_HEAD_END)
        if not end:
            return None
        length = _LENGTH.search(head + b"\r\n")
        assert length, head
        return int(head[9:12]) if len(body) == int(length[1]) else None


class Client:
    """Sends requests over connections that it keeps."""

    def __init__(self, port: int, connections: int = CONNECTIONS, *, sleeps: bool = True) -> None:
        """Open the connections; ``sleeps`` is whether to give the core away while there is nothing to do."""
        self._sleeps = sleeps
        self._port = port
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        for _ in range(connections):
            self._open()

    def _open(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        self._epoll.register(sock, select.EPOLLIN)
        connection = self._connections[sock.fileno()] = _Connection(sock=sock)
        self._idle.append(connection)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.sock.close()
        self._epoll.close()

    def run(self, requests: Iterator[bytes], arrivals: Iterable[float]) -> Outcome:
        """Send one request for each arrival, given in seconds from now; wait for every answer."""
        outcome = Outcome()
        gc.collect()
        gc.disable()  # a collection here would be taken for a slow answer
        try:
            self._run(requests, iter(arrivals), outcome)
        finally:
            gc.enable()
        return outcome

    def _run(self, requests: Iterator[bytes], arrivals: Iterator[float], outcome: Outcome) -> None:
        begun = perf_counter()
        waiting: deque[float] = deque()
        upcoming = next(arrivals, None)
        while upcoming is not None or waiting or len(self._idle) < len(self._connections):
            now = perf_counter() - begun
            while upcoming is not None and upcoming <= now and len(waiting) < len(self._connections):
                waiting.append(upcoming)
                upcoming = next(arrivals, None)
            while waiting and self._idle:
                request = next(requests)
                self._idle.popleft().send(request, waiting.popleft())
                outcome.sent_bytes += len(request)
            may_send = upcoming is not None and bool(self._idle)
            pause = max(0.0, upcoming - now - SLEEP_MARGIN_S) if upcoming is not None and may_send else PATIENCE_S
            self._collect(outcome, begun, pause if self._sleeps else 0.0)
        outcome.elapsed_s = perf_counter() - begun

    def _collect(self, outcome: Outcome, begun: float, pause: float) -> None:
        """Take the answers that are there, or come within ``pause``."""
        events = self._epoll.poll(pause if pause >= SLEEP_MARGIN_S else 0)
        assert events or pause < PATIENCE_S, "no answer came"
        for descriptor, _ in events:
            connection = self._connections[descriptor]
            if (status := connection.receive()) is not None:
                outcome.latencies_s.append(perf_counter() - begun - connection.due)
                outcome.due_s.append(connection.due)
                outcome.statuses[status] += 1
                outcome.received_bytes += len(connection.received)
                self._idle.append(connection)


def poisson(chance: random.Random, rate: float, seconds: float) -> Iterator[float]:
    """Give the moments of arrivals that know nothing of each other, ``rate`` of them a second."""
    moment = chance.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += chance.expovariate(rate)


def saturation(port: int, requests: Iterator[bytes], *, seconds: float, windows: int = 5) -> list[float]:
    """Give how many answers a second came in each window, with a new request sent as soon as one is answered."""
    client = Client(port, CLOSED_LOOP_CONNECTIONS)
    try:
        trial = client.run(requests, repeat(0.0, 500))
        size = max(100, int(trial.per_second * seconds / windows))
        return [client.run(requests, islice(repeat(0.0), size)).per_second for _ in range(windows)]
    finally:
        client.close()


def pin(*servers: psutil.Process) -> int | None:
    """Give servers one core, and this process another, where there are two; give the servers' core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:  # noqa: PLR2004 - one for each side
        return None
    for server in servers:
        for process in (server, *server.children(recursive=True)):
            process.cpu_affinity(cores[:1])
    os.sched_setaffinity(0, cores[1:])
    return cores[0]


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Run on one core until the block ends, where ``pin`` has given one."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
