"""A server of messages: reads one, answers it, closes; for an application that listens inside an enclave.

Peers that are silent, slow, too large or gone cost a place for a limited time and nothing else. The protocol has no way
to say no: a peer that did something wrong sees its connection closed, and `report` is told what it was.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from issuer.vsock.connections import Acceptor, ConnectionLimits
from issuer.vsock.errors import DeadlineExceededError, VsockError
from issuer.vsock.framing import MAX_MESSAGE_BYTES, receive_message_async, send_message_async

Handler: TypeAlias = Callable[[bytes], Awaitable[bytes]]
Report: TypeAlias = Callable[[str, BaseException | None], None]

CONNECTIONS: Final = ConnectionLimits(total=64, per_peer=64)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """What a peer may cost.

    Attributes:
        message_bytes: of a message, and of its answer.
        receive_s: from being accepted to the last byte of the message.
        handle_s: what the application may take.
        send_s: for taking the whole answer.
    """

    message_bytes: int = MAX_MESSAGE_BYTES
    receive_s: float = 10.0
    handle_s: float = 30.0
    send_s: float = 10.0


class MessageServer:
    """Answers messages until cancelled."""

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        *,
        limits: MessageLimits | None = None,
        connections: ConnectionLimits = CONNECTIONS,
        report: Report | None = None,
    ) -> None:
        """Take over a listening socket.

        Args:
            listener: from `issuer.vsock.listen`; closed when the server ends.
            handler: makes the answer to a message. Any exception of it closes the connection and is reported.
            limits: what a peer may cost.
            connections: how many at once; the others are closed unread.
            report: told how each connection ended: its peer, and None or what went wrong. Logs by default.
        """
        self._handler = handler
        self._limits = limits or MessageLimits()
        self._report = report or log_end
        self._acceptor = Acceptor(listener, handle=self._serve, limits=connections, report=self._report)

    @property
    def active(self) -> int:
        """How many connections there are now."""
        return self._acceptor.active

    async def run(self, *, drain: float = 0.0) -> None:
        """Serve until cancelled; then close the listener and give what was begun that many seconds to end."""
        await self._acceptor.run(drain=drain)

    async def _serve(self, sock: socket.socket, peer: str) -> None:
        limits = self._limits
        message = await receive_message_async(sock, timeout=limits.receive_s, limit=limits.message_bytes)
        answer = await self._answer(message)
        await send_message_async(sock, answer, timeout=limits.send_s, limit=limits.message_bytes)
        with suppress(OSError):  # it has its answer and is gone
            sock.shutdown(socket.SHUT_WR)
        self._report(peer, None)

    async def _answer(self, message: bytes) -> bytes:
        limit = asyncio.timeout(self._limits.handle_s)
        try:
            async with limit:
                return await self._handler(message)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the handler's own
            raise DeadlineExceededError("the application took too long to answer") from error


def log_end(peer: str, error: BaseException | None) -> None:
    """Log how a connection ended: a peer's misbehaviour quietly, a failure of the application with its stack."""
    if error is None:
        _log.debug("%s: answered", peer)
    elif isinstance(error, VsockError):
        _log.info("%s: %s: %s", peer, type(error).__name__, error)
    else:
        _log.error("%s: the application failed", peer, exc_info=error)
