import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.vsock import (
    MAX_MESSAGE_BYTES,
    ConnectionEndedError,
    ConnectionLostError,
    Deadline,
    DeadlineExceededError,
    MessageDecoder,
    MessageTooLargeError,
    TruncatedMessageError,
    VsockError,
    encode_message,
    receive_message,
    receive_message_async,
    send_message,
    send_message_async,
)

Receive = Callable[[socket.socket, float], bytes]
Send = Callable[[socket.socket, bytes, float], None]
Pair = tuple[socket.socket, socket.socket]


def receive_blocking(sock: socket.socket, seconds: float) -> bytes:
    return receive_message(sock, deadline=Deadline(seconds))


def receive_in_loop(sock: socket.socket, seconds: float) -> bytes:
    sock.settimeout(0)
    return asyncio.run(receive_message_async(sock, timeout=seconds))


def send_blocking(sock: socket.socket, message: bytes, seconds: float) -> None:
    send_message(sock, message, deadline=Deadline(seconds))


def send_in_loop(sock: socket.socket, message: bytes, seconds: float) -> None:
    sock.settimeout(0)
    asyncio.run(send_message_async(sock, message, timeout=seconds))


both_receive = pytest.mark.parametrize("receive", [receive_blocking, receive_in_loop])
both_send = pytest.mark.parametrize("send", [send_blocking, send_in_loop])


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def header(size: int) -> bytes:
    return struct.pack(">I", size)


def test_a_message_is_its_length_and_itself() -> None:
    """The tutorials' own programs could not read it."""
    assert encode_message(b"hello") == b"\x00\x00\x00\x05hello"
    assert encode_message(b"") == b"\x00\x00\x00\x00"


def test_one_mebibyte_fits_and_not_one_byte_more() -> None:
    """The limit is the tutorial's: refused only when greater."""
    assert len(encode_message(bytes(MAX_MESSAGE_BYTES))) == 4 + 1048576
    with pytest.raises(MessageTooLargeError, match="1048577 bytes, 1048576"):
        encode_message(bytes(MAX_MESSAGE_BYTES + 1))
    assert MessageDecoder().feed(header(MAX_MESSAGE_BYTES)) is None
    with pytest.raises(MessageTooLargeError):
        MessageDecoder().feed(header(MAX_MESSAGE_BYTES + 1))


@given(st.binary(max_size=300), st.lists(st.integers(1, 40)), st.binary(max_size=8))
def test_a_message_is_the_same_in_whatever_pieces_it_comes(message: bytes, sizes: list[int], after: bytes) -> None:
    """A message that a network splits differently would be another one, or bytes of the next would be lost."""
    decoder = MessageDecoder()
    stream = encode_message(message) + after
    pieces = iter(sizes)
    result = None
    while result is None:
        size = min(decoder.wanted, next(pieces, 64))
        piece, stream = stream[:size], stream[size:]
        result = decoder.feed(piece)
    assert (result, stream) == (message, after)


@given(st.binary(max_size=40), st.data())
def test_every_early_end_is_told(message: bytes, data: st.DataObject) -> None:
    """Half a message would be taken for a whole one."""
    encoded = encode_message(message)
    cut = data.draw(st.integers(1, len(encoded) - 1))
    decoder = MessageDecoder()
    for octet in encoded[:cut]:
        assert decoder.feed(bytes([octet])) is None
    with pytest.raises(TruncatedMessageError) as caught:
        decoder.feed(b"")
    assert caught.value.received == cut


def test_an_announcement_takes_no_memory() -> None:
    """A peer could announce a mebibyte on every connection and send none."""
    decoder = MessageDecoder()
    decoder.feed(header(MAX_MESSAGE_BYTES))
    assert decoder.wanted <= 65536


@both_send
@both_receive
@pytest.mark.parametrize("size", [0, 1, 70_000, MAX_MESSAGE_BYTES])
def test_messages_of_every_size_arrive(pair: Pair, receive: Receive, send: Send, size: int) -> None:
    """Larger than the kernel's buffers must work, and nothing at all must too."""
    ours, theirs = pair
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sender = threading.Thread(target=send, args=(theirs, message, 10.0))
    sender.start()
    assert receive(ours, 10.0) == message
    sender.join()


@both_receive
@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", ConnectionEndedError),
        (b"\x00\x00", TruncatedMessageError),
        (header(5), TruncatedMessageError),
        (header(5) + b"hell", TruncatedMessageError),
        (header(MAX_MESSAGE_BYTES + 1), MessageTooLargeError),
        (b"\xff\xff\xff\xff", MessageTooLargeError),
        (b"GET / HTTP/1.1\r\n\r\n", MessageTooLargeError),
    ],
)
def test_what_is_no_message_is_a_typed_error(
    pair: Pair, receive: Receive, sent: bytes, error: type[VsockError]
) -> None:
    """The caller could not tell a bad peer from a bad network."""
    ours, theirs = pair
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(error):
        receive(ours, 10.0)


@both_receive
@pytest.mark.parametrize("sent", [b"", b"\x00\x00", header(5) + b"hell"])
def test_a_silent_peer_costs_its_deadline(pair: Pair, receive: Receive, sent: bytes) -> None:
    """It would hold a place for ever."""
    ours, theirs = pair
    theirs.sendall(sent)
    with pytest.raises(DeadlineExceededError):
        receive(ours, 0.05)


@both_receive
def test_a_slow_peer_gains_nothing_by_sending_a_byte_now_and_then(pair: Pair, receive: Receive) -> None:
    """A timeout for each part would never fire."""
    ours, theirs = pair
    stop = threading.Event()

    def drip() -> None:
        theirs.sendall(header(1000))
        while not stop.wait(0.01):
            theirs.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        receive(ours, 0.2)
    assert time.monotonic() - began < 5
    stop.set()
    dripping.join()


@both_send
def test_a_peer_that_takes_nothing_costs_its_deadline(pair: Pair, send: Send) -> None:
    """The answer's sender would wait for ever."""
    with pytest.raises(DeadlineExceededError):
        send(pair[0], bytes(MAX_MESSAGE_BYTES), 0.05)


@both_send
def test_a_peer_that_is_gone_is_told_when_sending(pair: Pair, send: Send) -> None:
    """An OSError from three layers below would surface."""
    ours, theirs = pair
    theirs.close()
    with pytest.raises(ConnectionLostError) as caught:
        send(ours, b"hello", 10.0)
    assert caught.value.errno is not None


@both_receive
def test_a_peer_that_breaks_off_is_told_when_receiving(pair: Pair, receive: Receive) -> None:
    """A reset is no proper end of a message."""
    ours, theirs = pair
    ours.sendall(b"unread")
    theirs.close()
    with pytest.raises(ConnectionLostError):
        receive(ours, 10.0)


def test_a_deadline_that_is_over_is_over() -> None:
    """A negative timeout would be a blocking socket's ValueError."""
    with pytest.raises(DeadlineExceededError):
        Deadline(0).left()


def test_a_deadline_error_is_a_timeout_error_and_a_vsock_error() -> None:
    """Callers catch either."""
    assert issubclass(DeadlineExceededError, TimeoutError)
    assert issubclass(DeadlineExceededError, VsockError)
