"""What it costs that a nonce counts once: the embedded store as it is, a shared one as its round trip says.

The embedded guard is asked in this process, in rounds beside V. Redis is one ``SET key expiry NX PX`` over a loopback
connection to a server of its own (Debian's, unpacked beside the checkout where the system has none, started and stopped
here): the time until its answer, the processor time of asking, and the processor time of the server when sixteen ask at
once. No guard over Redis is part of the service: what is measured is the least that one would add.

    python bench/store.py [--rounds 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.debian import UnavailableError, find_program
from bench.machine import Watch, processor_s
from bench.pki import make_corpus
from bench.unit import Summary, processor_us, summarise, verification
from verifier.service.guard import EmbeddedGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

USES = 500
"""In one sample."""
V_CALLS = 100
NONCE_BYTES = 58
TTL_MS = 300_000
CONNECTIONS = 16
PATIENCE_S = 10.0
PACKAGES = (
    "redis-tools",
    "redis-server",
    "libatomic1",
    "libhiredis0.14",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "lua-bitop",
    "lua-cjson",
)


def main() -> int:
    """Measure and print."""
    arguments = _arguments()
    watch = Watch()
    verify = verification(make_corpus(leaves=1, documents_per_leaf=1).documents[0][0])
    report: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        samples = embedded(Path(folder) / "used.sqlite3", verify, arguments.rounds)
        try:
            with redis_server(Path(folder)) as (pid, port):
                samples |= redis(pid, port, arguments.rounds)
        except UnavailableError as error:
            report["redis failure"] = str(error)
            print(f"Redis was not measured: {error}")
    found = {name: summarise(values) for name, values in samples.items()}
    report |= {name: {"low": one.low, "middle": one.middle, "high": one.high} for name, one in found.items()}
    report["others"] = watch.others()
    _print(found)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def embedded(path: Path, verify: Callable[[], None], rounds: int) -> dict[str, list[float]]:
    """Use nonces up in a file, a batch in each round, beside V."""
    costs, units, ratios = [], [], []
    at = time.time_ns() // 1_000_000
    with closing(EmbeddedGuard(path, at=at)) as guard:
        for _ in range(rounds + 1):
            nonces = iter([_nonce(at) for _ in range(USES)])

            def use(nonces: Iterator[bytes] = nonces) -> None:
                assert guard.consume(next(nonces), expires_at=at + TTL_MS, at=at)

            units.append(processor_us(verify, V_CALLS))
            costs.append(processor_us(use, USES))
            ratios.append(costs[-1] / units[-1])
    return {"V us": units[1:], "embedded us": costs[1:], "embedded in V": ratios[1:]}


def _nonce(at: int) -> bytes:
    return b"\x01\x01" + at.to_bytes(6) + os.urandom(NONCE_BYTES - 8)


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[int, int]]:
    """Run one that keeps nothing on disk and listens on loopback alone; give its process and port.

    Raises:
        UnavailableError: there is none, or it does not start.
    """
    program, environment = find_program("redis-server", *PACKAGES)
    port = _free_port()
    settings = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--daemonize", "no")
    with (
        (folder / "redis.log").open("wb") as log,
        subprocess.Popen(
            [str(program), *settings], cwd=folder, stdout=log, stderr=log, env={**os.environ, **environment}
        ) as child,
    ):
        try:
            _wait_for(child, port)
            yield child.pid, port
        finally:
            child.terminate()
            child.wait(PATIENCE_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_for(child: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionError), _connect(port):
            return
        time.sleep(0.02)
    raise UnavailableError("redis-server does not start")


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def redis(pid: int, port: int, rounds: int) -> dict[str, list[float]]:
    """Use nonces up, one after another and then sixteen at a time."""
    found: dict[str, list[float]] = {name: [] for name in ("redis round trip us", "redis asking us", "redis server us")}
    with ExitStack() as stack:
        connections = [stack.enter_context(_connect(port)) for _ in range(CONNECTIONS)]
        for turn in range(rounds + 1):
            trips, asking = _one_by_one(connections[0])
            before = processor_s(pid)
            _all_at_once(connections)
            serving = (processor_s(pid) - before) * 1e6 / (USES * CONNECTIONS)
            if turn:  # the first warms up
                for name, value in zip(found, (statistics.median(trips), asking, serving), strict=True):
                    found[name].append(value)
    return found


def _command() -> bytes:
    """Encode ``SET nonce 1 NX PX ttl``, as RESP has it."""
    words = (b"SET", _nonce(0), b"1", b"NX", b"PX", str(TTL_MS).encode())
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _one_by_one(sock: socket.socket) -> tuple[list[float], float]:
    """Give each round trip in microseconds, and the processor time of asking."""
    commands = [_command() for _ in range(USES)]
    trips = []
    used = time.process_time_ns()
    for command in commands:
        begun = time.perf_counter_ns()
        sock.sendall(command)
        assert sock.recv(64) == b"+OK\r\n"
        trips.append((time.perf_counter_ns() - begun) / 1000)
    return trips, (time.process_time_ns() - used) / USES / 1000


def _all_at_once(connections: list[socket.socket]) -> None:
    """Have every connection ask, then collect every answer, again and again."""
    for _ in range(USES):
        for sock in connections:
            sock.sendall(_command())
        for sock in connections:
            assert sock.recv(64) == b"+OK\r\n"


def _print(found: Mapping[str, Summary]) -> None:
    for name, one in found.items():
        print(f"{name:22} {one.middle:8.2f}   quartiles {one.low:.2f}-{one.high:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
