"""Carrying bytes both ways between two connections until both ends are done, one breaks, or nothing moves any more.

Each direction has one buffer: what one side does not take is not read from the other, so a peer that stops reading
costs 64 KiB and a place, for as long as the idle limit. The end of one direction is passed on as an end and the other
goes on; a connection that broke is passed on as broken wherever the kernel can say so, never as a proper end.
"""

import asyncio
import enum
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from issuer.vsock.polling import receive_some, send_all
from issuer.vsock.transport import abort

CHUNK_BYTES: Final = 64 * 1024


class Outcome(enum.Enum):
    """How a forwarded connection ended."""

    COMPLETE = "complete"
    """Both directions came to their end."""
    BROKEN = "broken"
    """One side broke, or left with something unread."""
    IDLE = "idle"
    """Nothing moved in either direction for too long."""
    STOPPED = "stopped"
    """The forwarder ended before they did."""
    UNREACHABLE = "unreachable"
    """The destination could not be connected to, or is not allowed."""
    REFUSED = "refused"
    """There was no place for it."""
    FAILED = "failed"
    """The forwarder has a bug."""


class Relay:
    """Two connections, the client's and the destination's."""

    def __init__(self, client: socket.socket, destination: socket.socket, *, idle: float) -> None:
        self._client = client
        self._destination = destination
        self._idle = idle
        self._now = asyncio.get_running_loop().time
        self._moved_at = self._now()
        self._unread = False
        self.sent = 0
        self.received = 0

    async def run(self) -> Outcome:
        """Carry until it is over, and close both connections as it deserves."""
        loop = asyncio.get_running_loop()
        ways = [
            loop.create_task(self._carry(self._client, self._destination, self._count_sent)),
            loop.create_task(self._carry(self._destination, self._client, self._count_received)),
        ]
        proper = False
        try:
            outcome = await self._watch(set(ways))
            proper = outcome is Outcome.COMPLETE
        finally:
            for way in ways:
                way.cancel()
            try:
                await asyncio.gather(*ways, return_exceptions=True)
            finally:  # also when this task is cancelled right here
                for sock in (self._client, self._destination):
                    sock.close() if proper else abort(sock)
        return Outcome.BROKEN if proper and self._unread else outcome

    async def _watch(self, ways: set[asyncio.Task[None]]) -> Outcome:
        while ways:
            left = self._moved_at + self._idle - self._now()
            if left <= 0:
                return Outcome.IDLE
            done, ways = await asyncio.wait(ways, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            try:
                for way in done:
                    way.result()
            except OSError:
                return Outcome.BROKEN
        return Outcome.COMPLETE

    async def _carry(self, source: socket.socket, sink: socket.socket, moved: Callable[[int], None]) -> None:
        """Carry one way until the source ends or the sink takes no more; raises OSError when the source breaks."""
        while data := await receive_some(source, CHUNK_BYTES):
            self._moved_at = self._now()
            try:
                await send_all(sink, data, moved=moved)
            except OSError:
                # The sink may have said its last word before it left: the other way ends by itself, when that is read.
                self._unread = True
                return
            await asyncio.sleep(0)  # neither step waits while both sides are quick, and the others want their turn
        with suppress(OSError):  # the sink is gone; the other way finds out
            sink.shutdown(socket.SHUT_WR)

    def _count_sent(self, count: int) -> None:
        self.sent += count
        self._moved_at = self._now()

    def _count_received(self, count: int) -> None:
        self.received += count
        self._moved_at = self._now()
