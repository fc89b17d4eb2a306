"""The message server beside peers that misbehave: what an honest exchange takes, and what became of the others.

Peers of four kinds keep coming in turn: silent ones, slow ones, ones that announce too much and ones that leave within
their message. An honest one asks again and again, first alone, then among them. Exits 1 when an answer is missing or
wrong, or anything is left open.

    python bench/messages.py [--exchanges 2000] [--peers 40]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress

import psutil

from issuer.vsock import (
    MAX_MESSAGE_BYTES,
    MessageLimits,
    MessageServer,
    UnixAddress,
    connect_async,
    encode_message,
    exchange_async,
    listen,
)

LIMITS = MessageLimits(receive_s=0.5, handle_s=0.5, send_s=0.5)
QUESTION = bytes(4096)


async def reverse(message: bytes) -> bytes:
    """Be the application."""
    return message[::-1]


async def misbehave(address: UnixAddress, kind: int) -> None:
    """Be one bad peer after another, of one kind, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(ConnectionError), await connect_async(address) as sock:
            match kind % 4:
                case 0:  # silent
                    await loop.sock_recv(sock, 1)
                case 1:  # slow
                    for octet in encode_message(QUESTION):
                        await loop.sock_sendall(sock, bytes([octet]))
                        await asyncio.sleep(0.01)
                case 2:  # too large
                    await loop.sock_sendall(sock, (MAX_MESSAGE_BYTES + 1).to_bytes(4))
                    await loop.sock_recv(sock, 1)
                case _:  # truncated
                    await loop.sock_sendall(sock, encode_message(QUESTION)[:-1])
        await asyncio.sleep(0.02)


async def ask(address: UnixAddress, exchanges: int) -> list[float]:
    """Be the honest one; give what each exchange took, in milliseconds."""
    taken = []
    for _ in range(exchanges):
        began = time.perf_counter()
        assert await exchange_async(address, QUESTION) == QUESTION
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def describe(name: str, taken: list[float]) -> str:
    """Write what exchanges took."""
    last = statistics.quantiles(taken, n=100)[98]
    return (
        f"{name}: {len(taken)} exchanges of 4 KiB answered, median {statistics.median(taken):.2f} ms, p99 {last:.2f} ms"
    )


async def run(address: UnixAddress, exchanges: int, peers: int) -> None:
    """Serve, misbehave and ask, all in one event loop."""
    ends: Counter[str] = Counter()
    server = MessageServer(
        listen(address), reverse, limits=LIMITS, report=lambda _, error: ends.update([type(error).__name__])
    )
    serving = asyncio.create_task(server.run())
    print(describe("alone", await ask(address, exchanges)))
    bad = [asyncio.create_task(misbehave(address, kind)) for kind in range(peers)]
    await asyncio.sleep(0.1)
    print(describe(f"among {peers} bad peers", await ask(address, exchanges)))
    for task in bad:
        task.cancel()
    await asyncio.wait(bad)
    while server.active:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)
    serving.cancel()
    await asyncio.wait({serving})
    del ends["NoneType"]
    print("the bad ones ended as", ", ".join(f"{name} {count}" for name, count in sorted(ends.items())))


def main() -> int:
    """Measure and print; 1 when something is left open."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=2000)
    parser.add_argument("--peers", type=int, default=40)
    arguments = parser.parse_args()
    before = psutil.Process().num_fds()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(UnixAddress(path=f"{folder}/s"), arguments.exchanges, arguments.peers))
    after = psutil.Process().num_fds()
    print(f"descriptors: {before} before, {after} after")
    return int(after != before)


if __name__ == "__main__":
    sys.exit(main())
