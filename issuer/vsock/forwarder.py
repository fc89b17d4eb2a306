"""The forwarder: what connects to one address is carried to another, from a vsock to TCP or from TCP to a vsock.

On the parent it stands in for ``vsock-proxy``: an enclave reaches KMS or the verifier through it, and TLS stays between
the two ends. In the enclave it is the other half: it listens on 127.0.0.1, for clients that only know TCP.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from issuer.vsock.connections import Acceptor, ConnectionLimits
from issuer.vsock.destinations import Destination
from issuer.vsock.errors import TooManyConnectionsError, VsockError
from issuer.vsock.relay import Outcome, Relay
from issuer.vsock.transport import abort

CONNECTIONS: Final = ConnectionLimits(total=400, per_peer=256)  # two descriptors each, within the usual 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwarderLimits:
    """What a connection may cost.

    Attributes:
        connect_s: for connecting to the destination, with whatever has to be looked up.
        idle_s: for which nothing may move in either direction; a peer that takes nothing moves nothing.
        connections: how many at once.
    """

    connect_s: float = 5.0
    idle_s: float = 300.0
    connections: ConnectionLimits = CONNECTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one connection ended.

    Attributes:
        peer: who connected: ``vsock:CID``, ``tcp:ADDRESS`` or ``unix``.
        outcome: what became of it.
        sent: bytes that the destination took.
        received: bytes that came back.
        error: what went wrong, where that is known.
    """

    peer: str
    outcome: Outcome
    sent: int = 0
    received: int = 0
    error: BaseException | None = None


Report: TypeAlias = Callable[[Ending], None]


class Forwarder:
    """Carries connections from a listening socket to a destination until cancelled."""

    def __init__(
        self,
        listener: socket.socket,
        destination: Destination,
        *,
        limits: ForwarderLimits | None = None,
        report: Report | None = None,
    ) -> None:
        """Take over a listening socket.

        Args:
            listener: from `issuer.vsock.listen`; closed when the forwarder ends.
            destination: from `issuer.vsock.pin_destination`; closed when the forwarder ends.
            limits: what a connection may cost.
            report: told how each connection ended; logs by default.
        """
        self._destination = destination
        self._limits = limits or ForwarderLimits()
        self._report = report or log_ending
        self._acceptor = Acceptor(
            listener, handle=self._forward, limits=self._limits.connections, report=self._report_failure
        )

    @property
    def active(self) -> int:
        """How many connections there are now."""
        return self._acceptor.active

    async def run(self, *, drain: float = 0.0) -> None:
        """Forward until cancelled; then close the listener, and break what has not ended after `drain` seconds."""
        try:
            await self._acceptor.run(drain=drain)
        finally:
            await self._destination.close()

    async def _forward(self, client: socket.socket, peer: str) -> None:
        relay: Relay | None = None
        outcome: Outcome | None = None
        error: VsockError | None = None
        try:
            relay = Relay(client, await self._connect(), idle=self._limits.idle_s)
            outcome = await relay.run()
        except VsockError as unreachable:
            outcome, error = Outcome.UNREACHABLE, unreachable
        except asyncio.CancelledError:
            outcome = Outcome.STOPPED
            raise
        finally:
            if relay is None:
                abort(client)
            if outcome is not None:  # otherwise a bug is on its way to `_report_failure`
                sent, received = (relay.sent, relay.received) if relay else (0, 0)
                self._report(Ending(peer=peer, outcome=outcome, sent=sent, received=received, error=error))

    async def _connect(self) -> socket.socket:
        return await self._destination.open(timeout=self._limits.connect_s)

    def _report_failure(self, peer: str, error: BaseException) -> None:
        outcome = Outcome.REFUSED if isinstance(error, TooManyConnectionsError) else Outcome.FAILED
        self._report(Ending(peer=peer, outcome=outcome, error=error))


def log_ending(ending: Ending) -> None:
    """Log how a connection ended: the usual quietly, a bug of ours with its stack."""
    text = "%s: %s, %d bytes sent, %d received"
    values = (ending.peer, ending.outcome.value, ending.sent, ending.received)
    match ending.outcome:
        case Outcome.COMPLETE:
            _log.debug(text, *values)
        case Outcome.FAILED:
            _log.error(text, *values, exc_info=ending.error)
        case _:
            _log.info(f"{text}: %s", *values, ending.error or "no error")
