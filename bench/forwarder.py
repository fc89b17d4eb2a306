"""What the forwarder carries: bytes each way, connections at once, peers that stop reading, and what it leaves behind.

Runs `nitro-issuer forward` in a process of its own, between a Unix socket (in the vsock's place) and TCP on 127.0.0.1,
and talks to both ends of it. Every byte is compared with what was sent. Exits 1 when anything is lost or left open.

    python bench/forwarder.py [--mib 1024] [--connections 200] [--stuck 20]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from issuer.vsock import UnixAddress, connect, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
PATIENCE_S = 120.0
IDLE_S = 60
QUICK_IDLE_S = 3
SETTLE_S = 15.0
FULL_S = 0.3
_PATTERN = random.Random(3).randbytes(MIB + 1)  # one more, so that no block is the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A forwarder in a process of its own, where to enter it and what is behind it."""

    process: psutil.Process
    entrance: UnixAddress
    behind: socket.socket
    idle_descriptors: int
    """What it has open while nobody is connected."""

    def enter(self) -> tuple[socket.socket, socket.socket]:
        """Open a connection through the forwarder; give both of its ends."""
        client = connect(self.entrance)
        server, _ = self.behind.accept()
        for sock in (client, server):
            sock.settimeout(PATIENCE_S)
        return client, server

    @contextmanager
    def many(self, connections: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
        """Open that many connections, and close them all in the end."""
        with ExitStack() as opened:
            ends = [self.enter() for _ in range(connections)]
            for sock in (sock for end in ends for sock in end):
                opened.enter_context(sock)
            yield ends

    def settled(self, expected: int) -> int:
        """Count the forwarder's descriptors, once it had time to close what is over."""
        end = time.monotonic() + SETTLE_S
        while (count := int(self.process.num_fds())) != expected and time.monotonic() < end:
            time.sleep(0.05)
        return count

    def peak_kib(self) -> int:
        """Tell the most memory that the forwarder has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1])


@contextmanager
def forwarder(*, idle: int = IDLE_S) -> Iterator[Bench]:
    """Start one before a listening TCP port."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=1024) as behind:
        port = behind.getsockname()[1]
        allow_list = Path(folder, "allow.yaml")
        allow_list.write_text(f"allowlist:\n- {{address: 127.0.0.1, port: {port}}}\n")
        entrance = UnixAddress(path=f"{folder}/entrance")
        command = [sys.executable, "-m", "issuer.cli", "forward", str(entrance), f"tcp:127.0.0.1:{port}"]
        options = ["--allow-list", str(allow_list), "--idle-timeout", str(idle), "--max-per-peer", "400"]
        # Its words about broken connections are expected here, and read by nobody.
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            try:
                assert child.stdout
                assert child.stdout.readline().startswith(b"forwarding ")
                process = psutil.Process(child.pid)
                yield Bench(process=process, entrance=entrance, behind=behind, idle_descriptors=process.num_fds())
            finally:
                child.terminate()
                assert child.wait(PATIENCE_S) == 0


def send(sock: socket.socket, mebibytes: int, seed: int) -> str:
    """Send that much, no two blocks alike, then end this way; give the digest."""
    digest = hashlib.sha256()
    for number in range(mebibytes):
        turn = (number * 4093 + seed) % MIB
        block = _PATTERN[turn:] + _PATTERN[:turn]
        digest.update(block)
        sock.sendall(block)
    sock.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def receive(sock: socket.socket) -> str:
    """Receive until the end; give the digest."""
    digest = hashlib.sha256()
    buffer = bytearray(MIB)
    while size := sock.recv_into(buffer):
        digest.update(memoryview(buffer)[:size])
    return digest.hexdigest()


def carry(bench: Bench, mebibytes: int, *, back_too: bool) -> float:
    """Carry that much one way, or each way at once; give the seconds."""
    client, server = bench.enter()
    began = time.monotonic()
    with client, server, ThreadPoolExecutor(4) as pool:
        out = pool.submit(send, client, mebibytes, 1), pool.submit(receive, server)
        back = pool.submit(send, server, mebibytes if back_too else 0, 2), pool.submit(receive, client)
        assert out[0].result() == out[1].result(), "bytes were changed on the way out"
        assert back[0].result() == back[1].result(), "bytes were changed on the way back"
    return time.monotonic() - began


def crowd(bench: Bench, connections: int, mebibytes: int = 1) -> float:
    """Open that many connections, then send through all of them at once, both ways; give the seconds."""
    ready = threading.Barrier(4 * connections + 1)

    def sending(sock: socket.socket, seed: int) -> str:
        ready.wait(PATIENCE_S)
        return send(sock, mebibytes, seed)

    def receiving(sock: socket.socket) -> str:
        ready.wait(PATIENCE_S)
        return receive(sock)

    with bench.many(connections) as ends, ThreadPoolExecutor(4 * connections) as pool:
        ways = [
            (pool.submit(sending, source, seed), pool.submit(receiving, sink))
            for number, (client, server) in enumerate(ends)
            for source, sink, seed in ((client, server, 2 * number), (server, client, 2 * number + 1))
        ]
        ready.wait(PATIENCE_S)
        began = time.monotonic()
        assert all(sent.result() == got.result() for sent, got in ways), "bytes were changed in a crowd"
        return time.monotonic() - began


def stuck(bench: Bench, connections: int, mebibytes: int) -> tuple[float, int]:
    """Have that many peers stop reading, and one that does not; give the seconds of that one, and the bytes held."""
    with bench.many(connections) as ends:
        held = _fill([client for client, _ in ends])
        seconds = carry(bench, mebibytes, back_too=True)
        for sock in (sock for end in ends for sock in end):
            with suppress(ConnectionError):  # the forwarder gives them up, and says so as each transport can
                receive(sock)
    return seconds, held


def _fill(socks: list[socket.socket]) -> int:
    """Send into all of them until nothing is taken for a while; give how much was."""
    taken = 0
    end = time.monotonic() + FULL_S
    while time.monotonic() < end:
        for sock in socks:
            with suppress(BlockingIOError, ConnectionError):
                taken += sock.send(_PATTERN, socket.MSG_DONTWAIT)
                end = time.monotonic() + FULL_S
        time.sleep(0.005)
    return taken


def direct(mebibytes: int, *, back_too: bool) -> float:
    """Carry as much without a forwarder, over a Unix socket: what the two ends alone take."""
    with tempfile.TemporaryDirectory() as folder:
        address = UnixAddress(path=f"{folder}/direct")
        with listen(address) as behind:
            behind.settimeout(PATIENCE_S)
            nobody = Bench(process=psutil.Process(), entrance=address, behind=behind, idle_descriptors=0)
            return carry(nobody, mebibytes, back_too=back_too)


def main() -> int:
    """Measure and print; 1 when something is left open."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--stuck", type=int, default=20)
    arguments = parser.parse_args()
    with forwarder() as bench:
        for back_too in (False, True):
            print(_carried(bench, arguments.mib, back_too=back_too))
        seconds = crowd(bench, arguments.connections)
        print(f"{arguments.connections} connections at once, 1 MiB each way each: intact, {seconds:.2f} s")
        left = _left(bench)
    with forwarder(idle=QUICK_IDLE_S) as bench:
        seconds, held = stuck(bench, arguments.stuck, 32)
        print(
            f"{arguments.stuck} peers that stop reading, with {held // MIB} MiB in the kernel's buffers: "
            f"another carries 32 MiB each way in {seconds:.2f} s; given up after {QUICK_IDLE_S} s"
        )
        return int(_left(bench) + left > 0)


def _left(bench: Bench) -> int:
    before, after = bench.idle_descriptors, bench.settled(bench.idle_descriptors)
    print(f"descriptors: {before} before, {after} after; most memory {bench.peak_kib() // 1024} MiB")
    return after - before


def _carried(bench: Bench, mebibytes: int, *, back_too: bool) -> str:
    used = sum(bench.process.cpu_times()[:2])
    seconds = carry(bench, mebibytes, back_too=back_too)
    used = sum(bench.process.cpu_times()[:2]) - used
    ratio = seconds / direct(mebibytes, back_too=back_too)
    moved = mebibytes * (1 + back_too)
    return (
        f"{mebibytes} MiB {'each way at once' if back_too else 'one way'}: intact, {seconds:.2f} s, "
        f"{ratio:.2f} x without a forwarder, {moved / seconds:.0f} MiB/s, {moved / max(used, 0.01):.0f} MiB per CPU s"
    )


if __name__ == "__main__":
    sys.exit(main())
