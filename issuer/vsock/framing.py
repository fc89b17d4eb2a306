"""Messages: a length of four bytes, big-endian, then as many bytes. What the Nitro tutorials send over a vsock.

A message may be empty and holds 1 MiB at most, in both directions: a peer that announces more is refused before a byte
of it is read, and what has not arrived takes no memory. A deadline is for the whole message, so a peer that sends one
byte a second gains nothing by it.
"""

import asyncio
import socket
import struct
from typing import Final

from issuer.vsock.errors import (
    ConnectionEndedError,
    ConnectionLostError,
    DeadlineExceededError,
    MessageTooLargeError,
    TruncatedMessageError,
    VsockError,
)
from issuer.vsock.polling import Deadline, receive_some, send_all

MAX_MESSAGE_BYTES: Final = 1024 * 1024
_HEADER: Final = struct.Struct(">I")
_CHUNK_BYTES: Final = 64 * 1024


class MessageDecoder:
    """Puts one message together from whatever pieces it arrives in; does no input or output itself."""

    def __init__(self, *, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._end = _HEADER.size

    @property
    def wanted(self) -> int:
        """How many bytes to read next: never one that belongs to another message."""
        return min(self._end - len(self._buffer), _CHUNK_BYTES)

    def feed(self, data: bytes) -> bytes | None:
        """Take what arrived, `wanted` bytes at most, nothing meaning the peer's end; give the message once it is whole.

        Raises:
            MessageTooLargeError: more than the limit is announced.
            ConnectionEndedError: the end came before a message.
            TruncatedMessageError: the end came within one.
        """
        if not data:
            self._refuse_end()
        self._buffer += data
        if len(self._buffer) == self._end == _HEADER.size:
            self._end += self._announced()
        if len(self._buffer) < self._end:
            return None
        return bytes(self._buffer[_HEADER.size :])

    def _announced(self) -> int:
        size: int = _HEADER.unpack(self._buffer)[0]
        if size > self._limit:
            raise MessageTooLargeError(size=size, limit=self._limit)
        return size

    def _refuse_end(self) -> None:
        if not self._buffer:
            raise ConnectionEndedError("the peer left without a message")
        raise TruncatedMessageError(received=len(self._buffer), expected=self._end)


def encode_message(message: bytes, *, limit: int = MAX_MESSAGE_BYTES) -> bytes:
    """Put the length before a message.

    Raises:
        MessageTooLargeError: it exceeds the limit.
    """
    if len(message) > limit:
        raise MessageTooLargeError(size=len(message), limit=limit)
    return _HEADER.pack(len(message)) + message


def send_message(sock: socket.socket, message: bytes, *, deadline: Deadline, limit: int = MAX_MESSAGE_BYTES) -> None:
    """Send one message on a blocking socket.

    Raises:
        MessageTooLargeError: it exceeds the limit; nothing was sent.
        DeadlineExceededError: the peer does not take it in time.
        ConnectionLostError: the connection broke.
    """
    encoded = encode_message(message, limit=limit)
    try:
        sock.settimeout(deadline.left())
        sock.sendall(encoded)  # the timeout is for all of it, not for each part
    except OSError as error:
        raise _failure("sending", error) from error


def receive_message(sock: socket.socket, *, deadline: Deadline, limit: int = MAX_MESSAGE_BYTES) -> bytes:
    """Receive one message on a blocking socket.

    Raises:
        MessageTooLargeError: the peer announces more than the limit.
        ConnectionEndedError: the peer closed the connection before a message.
        TruncatedMessageError: the peer closed it within one.
        DeadlineExceededError: the whole message did not arrive in time.
        ConnectionLostError: the connection broke.
    """
    decoder = MessageDecoder(limit=limit)
    try:
        while True:
            sock.settimeout(deadline.left())
            message = decoder.feed(sock.recv(decoder.wanted))
            if message is not None:
                return message
    except OSError as error:
        raise _failure("receiving", error) from error


async def send_message_async(
    sock: socket.socket,
    message: bytes,
    *,
    timeout: float,  # noqa: ASYNC109 - it becomes a typed error
    limit: int = MAX_MESSAGE_BYTES,
) -> None:
    """Send one message on a non-blocking socket; raises what `send_message` does."""
    encoded = encode_message(message, limit=limit)
    try:
        async with asyncio.timeout(timeout):
            await send_all(sock, encoded)
    except OSError as error:
        raise _failure("sending", error) from error


async def receive_message_async(
    sock: socket.socket,
    *,
    timeout: float,  # noqa: ASYNC109 - it becomes a typed error
    limit: int = MAX_MESSAGE_BYTES,
) -> bytes:
    """Receive one message on a non-blocking socket; raises what `receive_message` does."""
    decoder = MessageDecoder(limit=limit)
    try:
        async with asyncio.timeout(timeout):
            while True:
                message = decoder.feed(await receive_some(sock, decoder.wanted))
                if message is not None:
                    return message
                await asyncio.sleep(0)  # a peer faster than us must not keep the others waiting, nor its own deadline
    except OSError as error:
        raise _failure("receiving", error) from error


def _failure(doing: str, error: OSError) -> VsockError:
    if isinstance(error, TimeoutError):
        return DeadlineExceededError(f"{doing} a message took too long")
    return ConnectionLostError(f"{doing} a message", error)
