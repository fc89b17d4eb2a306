"""The crowd: how many connections there may be, and how long each may keep us waiting.

aiohttp has one timer for connections without a request. Here every connection has a deadline at each moment of its
life: a request's head must be complete, the answer must be taken, the next request must begin. One sweep closes those
that are late. When there are too many, the one that has waited longest without a request makes room, and when there is
none, the one whose request has waited longest for its body: connections that do nothing never lock out one that wants
something.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.service.connections import Connection
    from verifier.service.state import Service

SWEEP_EVERY_S = 0.5
ANSWER_TIMEOUT_S = 30.0
"""For taking an answer, beside the time that its request's body may take."""
_LEFT = object()
"""Instead of a connection's value where it has left; otherwise that is ``None``."""


class Crowd:
    """All connections of one process."""

    def __init__(self, service: Service) -> None:
        """Begin with none; to be made where the event loop runs."""
        self._service = service
        self._limits = service.settings.limits
        self._metrics = service.metrics
        self._now = asyncio.get_running_loop().time
        # Each in the order in which they became so; a dict is an ordered set.
        self._idle: dict[Connection, None] = {}
        self._busy: dict[Connection, None] = {}
        self._holding: dict[Connection, None] = {}
        service.metrics.connections.set_function(self._count)

    def _count(self) -> int:
        return len(self._idle) + len(self._busy)

    def join(self, connection: Connection) -> None:
        """Let a connection in; when there are too many, another one has to go."""
        if self._count() >= self._limits.max_connections:
            # Work is never interrupted by a new connection, so those that are busy wait for their requests' bodies.
            self._service.uses.settle()
            self._metrics.count_shed("idle" if self._idle else "connections")
            longest = next(iter(self._idle or self._busy))
            self.leave(longest)
            longest.cut_off()
        self._idle[connection] = None
        self._service.newcomers += 1
        connection.deadline = self._now() + self._limits.header_timeout

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._know(connection)
        self.end_hold(connection)
        self._idle.pop(connection, None)
        self._busy.pop(connection, None)

    def begin_head(self, connection: Connection) -> None:
        """Give a connection the time that a request's head may take."""
        connection.reading_head = True
        connection.deadline = self._now() + self._limits.header_timeout

    def begin_hold(self, connection: Connection) -> bool:
        """Let a connection hold the begin of a request, if not too many bodies are on their way.

        Its head is complete, so it is busy from here on, as on the long way: otherwise a sweep or a new connection
        would take it for one that is late or idle. An ending service waits for it as for a newcomer.
        """
        if len(self._holding) + self._service.intake.arriving >= self._limits.max_in_flight:
            if self._holding:  # before the new one, so that those that came first are given up first
                next(iter(self._holding)).release()
            return False
        self._holding[connection] = None
        self._be_busy(connection)
        if not connection.is_new:
            connection.is_new = True
            self._service.newcomers += 1
        return True

    def end_hold(self, connection: Connection) -> None:
        """Note that a connection holds nothing more."""
        self._holding.pop(connection, None)

    def begin_request(self, connection: Connection) -> None:
        """Give a connection the time that a body and an answer may take."""
        self._know(connection)
        self._be_busy(connection)

    def _be_busy(self, connection: Connection) -> None:
        connection.busy, connection.reading_head = True, False
        connection.deadline = self._now() + self._limits.body_timeout + ANSWER_TIMEOUT_S
        if self._idle.pop(connection, _LEFT) is None:
            self._busy[connection] = None

    def end_request(self, connection: Connection) -> None:
        """Give a connection the time until its next request; a client that does not take its answer has no more.

        Requests of the short way only end. Nobody looks in between: whoever could has the guard asked first.
        """
        if connection.is_new:
            self._know(connection)
        connection.busy = connection.reading_head = False
        connection.deadline = self._now() + self._limits.keepalive_timeout
        if self._busy.pop(connection, _LEFT) is None or self._idle.pop(connection, _LEFT) is None:
            self._idle[connection] = None

    def _know(self, connection: Connection) -> None:
        """Note that a connection's first request came, or will not."""
        if connection.is_new:
            connection.is_new = False
            self._service.newcomers -= 1

    def sweep(self) -> None:
        """Close every connection that is late, and hold nothing for longer than until here."""
        self._service.uses.settle()
        now = self._now()
        for connection in [each for each in (*self._idle, *self._busy) if each.deadline < now]:
            if connection.busy or connection.reading_head:
                self._metrics.count_shed("deadline")
            self.leave(connection)
            connection.cut_off()
        for connection in self._holding:
            connection.loop.call_soon(connection.release)  # not from here: what fails there must not end the sweeps

    async def sweep_forever(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            self.sweep()
