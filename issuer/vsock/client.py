"""One question, one answer, one connection: how the tutorials' applications talk over a vsock.

The time given is for all of it, from connecting to the last byte of the answer; only looking up a host name, for TCP
and without an event loop, is outside. Nothing is retried here: only the caller knows whether asking twice does harm.
"""

import asyncio
from contextlib import closing
from typing import Final

from issuer.vsock.addresses import Address
from issuer.vsock.framing import (
    MAX_MESSAGE_BYTES,
    encode_message,
    receive_message,
    receive_message_async,
    send_message,
    send_message_async,
)
from issuer.vsock.outgoing import connect, connect_async
from issuer.vsock.polling import Deadline

TIMEOUT_S: Final = 10.0


def exchange(address: Address, message: bytes, *, timeout: float = TIMEOUT_S, limit: int = MAX_MESSAGE_BYTES) -> bytes:
    """Send a message and return the answer.

    Raises:
        MessageTooLargeError: the message or the announced answer exceeds the limit.
        DeadlineExceededError: there was no whole answer in time.
        ConnectFailedError: nobody answered there, or it refused.
        ConnectionEndedError: the peer closed without an answer; servers refuse so.
        TruncatedMessageError: the peer closed within its answer.
        VsockError: any of the other things that can go wrong here.
    """
    encode_message(message, limit=limit)  # before anybody is bothered
    deadline = Deadline(timeout)
    with closing(connect(address, timeout=timeout)) as sock:
        send_message(sock, message, deadline=deadline, limit=limit)
        return receive_message(sock, deadline=deadline, limit=limit)


async def exchange_async(
    address: Address,
    message: bytes,
    *,
    timeout: float = TIMEOUT_S,  # noqa: ASYNC109 - the same words as `exchange`
    limit: int = MAX_MESSAGE_BYTES,
) -> bytes:
    """Send a message and return the answer; raises what `exchange` does."""
    encode_message(message, limit=limit)
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    with closing(await connect_async(address, timeout=timeout)) as sock:
        await send_message_async(sock, message, timeout=end - loop.time(), limit=limit)
        return await receive_message_async(sock, timeout=end - loop.time(), limit=limit)
