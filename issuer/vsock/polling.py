"""Waiting: for a non-blocking socket in an event loop, and against a deadline outside of one.

asyncio's own ``sock_*`` functions hide how much of a buffer was sent, take a Unix socket whose listener is busy for
connected, and under uvloop look a vsock's address up as if it were a host name. These few are all that is needed here.
"""

import asyncio
import socket
import time
from collections.abc import Callable

from issuer.vsock.errors import DeadlineExceededError


class Deadline:
    """A moment by which everything must be done, however many steps it takes."""

    def __init__(self, seconds: float) -> None:
        self._end = _now() + seconds

    def left(self) -> float:
        """Seconds until then, more than none.

        Raises:
            DeadlineExceededError: there are none left.
        """
        left = self._end - _now()
        if left <= 0:
            raise DeadlineExceededError("the time for this is over")
        return left


async def readable(sock: socket.socket) -> None:
    """Wait until a socket has something to read, has ended or has failed; one waiter for each socket."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def writable(sock: socket.socket) -> None:
    """Wait until a socket takes more, is connected or has failed; one waiter for each socket."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


async def receive_some(sock: socket.socket, size: int) -> bytes:
    """Receive what there is, up to a size; nothing means that the peer has ended. May return without waiting."""
    while True:
        try:
            return sock.recv(size)
        except BlockingIOError:
            await readable(sock)


async def send_all(sock: socket.socket, data: bytes, *, moved: Callable[[int], None] | None = None) -> None:
    """Send everything, telling how much at each step, so that a slow peer can be told from one that stands still."""
    rest = memoryview(data)
    while rest:
        try:
            sent = sock.send(rest)
        except BlockingIOError:
            await writable(sock)
            continue
        rest = rest[sent:]
        if moved is not None:
            moved(sent)


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - the edge itself: a blocking socket's deadline is a duration


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
