"""Accepting connections: how many there may be, and that nothing is left of one when it is over.

One that comes when all places are taken is closed at once: its peer learns it now and may come again, instead of
waiting in a queue behind peers that do nothing. No peer gets all places, so that one enclave does not shut the others
out.
"""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from issuer.vsock.errors import TooManyConnectionsError
from issuer.vsock.polling import readable
from issuer.vsock.transport import abort, peer_of, prepare

ACCEPT_PAUSE_S: Final = 0.05
# accept(2): out of something that will come back, or a connection that died before it was accepted.
_TRANSIENT: Final = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EPROTO,
        errno.EPERM,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
    }
)

Handle = Callable[[socket.socket, str], Coroutine[Any, Any, None]]
Report = Callable[[str, BaseException], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections there may be at once.

    Attributes:
        total: of all peers together.
        per_peer: of one CID, or of one IP address; all of a Unix socket's peers count as one.
    """

    total: int
    per_peer: int

    def __post_init__(self) -> None:
        """Refuse limits that let nobody in."""
        if min(self.total, self.per_peer) < 1:
            raise ValueError("limits of connections are at least 1")


class Places:
    """Who holds how many of the places that there are."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()

    def take(self, peer: str) -> None:
        """Take a place.

        Raises:
            TooManyConnectionsError: there is none for this peer.
        """
        if self._taken.total() >= self._limits.total:
            raise TooManyConnectionsError(f"all {self._limits.total} connections are in use")
        if self._taken[peer] >= self._limits.per_peer:
            raise TooManyConnectionsError(f"{peer} has {self._limits.per_peer} connections already")
        self._taken[peer] += 1

    def leave(self, peer: str) -> None:
        """Give a place back."""
        self._taken[peer] -= 1
        if not self._taken[peer]:
            del self._taken[peer]


class Acceptor:
    """Accepts connections and runs a coroutine for each; closes each connection when its coroutine is over."""

    def __init__(self, listener: socket.socket, *, handle: Handle, limits: ConnectionLimits, report: Report) -> None:
        """Begin with none.

        Args:
            listener: a listening socket; from now on it is this acceptor's to close.
            handle: what to do with a connection; given the non-blocking socket and the name of its peer.
            limits: how many at once.
            report: told of each connection that got no place, and of each failure that `handle` let through.
        """
        self._listener = listener
        self._handle = handle
        self._places = Places(limits)
        self._report = report
        self._running: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """How many connections there are now."""
        return len(self._running)

    async def run(self, *, drain: float = 0.0) -> None:
        """Accept until cancelled; then close the listener, give connections that time to end, and cancel the others."""
        try:
            self._listener.settimeout(0)
            while True:
                await self._accept()
                await asyncio.sleep(0)  # a crowd at the door must not keep those inside waiting
        finally:
            self._listener.close()
            await self._end(drain)

    async def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except BlockingIOError:
            await readable(self._listener)
        except OSError as error:
            if error.errno not in _TRANSIENT:
                raise
            await asyncio.sleep(ACCEPT_PAUSE_S)
        else:
            self._admit(sock, peer_of(sock.family, address))

    def _admit(self, sock: socket.socket, peer: str) -> None:
        try:
            self._places.take(peer)
        except TooManyConnectionsError as error:
            abort(sock)
            self._report(peer, error)
            return
        task = asyncio.get_running_loop().create_task(self._handle(sock, peer))
        self._running.add(task)
        # In a callback, because a task that is cancelled before it began runs no `finally`.
        task.add_done_callback(lambda task: self._leave(task, sock, peer))
        with suppress(OSError):  # it may be gone already; then its coroutine finds out
            prepare(sock)

    def _leave(self, task: asyncio.Task[None], sock: socket.socket, peer: str) -> None:
        sock.close()
        self._places.leave(peer)
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(peer, error)

    async def _end(self, drain: float) -> None:
        try:
            if self._running and drain > 0:
                await asyncio.wait(self._running, timeout=drain)
        finally:  # also when cancelled once more, by somebody who is in a hurry
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
