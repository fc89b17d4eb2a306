import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable

import psutil
import pytest

from issuer.vsock import (
    MAX_MESSAGE_BYTES,
    Address,
    ConnectFailedError,
    ConnectionEndedError,
    ConnectionLimits,
    ConnectionLostError,
    DeadlineExceededError,
    MessageLimits,
    MessageServer,
    MessageTooLargeError,
    TooManyConnectionsError,
    TruncatedMessageError,
    UnixAddress,
    VsockError,
    bound_address,
    connect_async,
    encode_message,
    exchange,
    exchange_async,
    listen,
)
from issuer.vsock.server import log_end

Ends = list[tuple[str, BaseException | None]]
Talk = Callable[[Address], Awaitable[None]]
QUICK = MessageLimits(receive_s=0.3, handle_s=0.3, send_s=0.3)


async def reverse(message: bytes) -> bytes:
    return message[::-1]


async def serve(
    address: Address,
    talk: Talk,
    *,
    handler: Callable[[bytes], Awaitable[bytes]] = reverse,
    limits: MessageLimits = QUICK,
    connections: ConnectionLimits = ConnectionLimits(total=64, per_peer=64),  # noqa: B008 - immutable
) -> Ends:
    """Talk to a server, then end it; give how its connections ended."""
    ends: Ends = []
    listener = listen(address)
    where = bound_address(listener)
    server = MessageServer(
        listener, handler, limits=limits, connections=connections, report=lambda *end: ends.append(end)
    )
    running = asyncio.create_task(server.run())
    await talk(where)
    async with asyncio.timeout(10):
        while server.active:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return ends


def errors(ends: Ends) -> list[type[BaseException] | None]:
    return [None if error is None else type(error) for _, error in ends]


@pytest.mark.parametrize("message", [b"", b"hello", bytes(MAX_MESSAGE_BYTES - 1) + b"x"])
def test_a_message_is_answered(address: Address, message: bytes) -> None:
    """This is all that it is for."""

    async def talk(where: Address) -> None:
        assert await exchange_async(where, message) == message[::-1]
        assert await asyncio.to_thread(exchange, where, message) == message[::-1]

    ends = asyncio.run(serve(address, talk, limits=MessageLimits()))
    assert errors(ends) == [None] * 2
    assert all(peer in {"unix", "tcp:127.0.0.1"} for peer, _ in ends)


@pytest.mark.parametrize(
    ("sent", "ended", "error"),
    [
        (b"", True, ConnectionEndedError),
        (b"\x00", True, TruncatedMessageError),
        (encode_message(b"hello")[:-1], True, TruncatedMessageError),
        (struct.pack(">I", MAX_MESSAGE_BYTES + 1), False, MessageTooLargeError),
        (b"\xff" * 70_000, False, MessageTooLargeError),
        (b"", False, DeadlineExceededError),
        (encode_message(b"hello")[:-1], False, DeadlineExceededError),
    ],
)
def test_a_bad_peer_is_closed_and_named_and_others_are_served(
    address: Address, sent: bytes, *, ended: bool, error: type[VsockError]
) -> None:
    """One oversize, truncated or silent peer would be the end of the enclave's only door."""

    async def talk(where: Address) -> None:
        loop = asyncio.get_running_loop()
        with await connect_async(where) as bad:
            await loop.sock_sendall(bad, sent)
            if ended:
                bad.shutdown(socket.SHUT_WR)
            assert await exchange_async(where, b"good") == b"doog"
            try:
                assert await loop.sock_recv(bad, 1) == b""
            except ConnectionError:
                assert sent  # what was not read is lost, and the kernel says so

    ends = asyncio.run(serve(address, talk))
    assert set(errors(ends)) == {None, error}


async def drip(sock: socket.socket) -> None:
    """Send a byte of a long message now and then."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, struct.pack(">I", 1000))
    for _ in range(900):
        await loop.sock_sendall(sock, b"x")
        await asyncio.sleep(0.01)


def test_a_slow_peer_has_one_deadline_for_its_whole_message(address: Address) -> None:
    """A byte now and then would hold a place for ever."""

    async def talk(where: Address) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with await connect_async(where) as slow, pytest.raises(ConnectionError):
            await drip(slow)
        assert loop.time() - began < 5

    assert errors(asyncio.run(serve(address, talk))) == [DeadlineExceededError]


def test_a_peer_that_takes_no_answer_costs_a_limited_time(address: Address) -> None:
    """Answers of a mebibyte would pile up."""

    async def talk(where: Address) -> None:
        with await connect_async(where) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await asyncio.get_running_loop().sock_sendall(deaf, encode_message(b"more"))
            await asyncio.sleep(0.6)

    async def much(_: bytes) -> bytes:
        return bytes(16 * MAX_MESSAGE_BYTES)

    large = MessageLimits(message_bytes=16 * MAX_MESSAGE_BYTES, send_s=0.3)
    assert errors(asyncio.run(serve(address, talk, handler=much, limits=large))) == [DeadlineExceededError]


def test_a_failing_application_answers_nobody_and_goes_on(address: Address) -> None:
    """One message that it cannot handle would stop it for everybody, or get a made-up answer."""

    async def fail(message: bytes) -> bytes:
        if message == b"slow":
            await asyncio.sleep(10)
        if message == b"late":
            raise TimeoutError("its own")
        if message == b"long":
            return bytes(MAX_MESSAGE_BYTES + 1)
        if message == b"bad":
            raise ValueError("secret")
        return message

    async def talk(where: Address) -> None:
        for message in (b"bad", b"slow", b"late", b"long"):
            with pytest.raises(ConnectionEndedError):
                await exchange_async(where, message)
        assert await exchange_async(where, b"good") == b"good"

    expected = [ValueError, DeadlineExceededError, TimeoutError, MessageTooLargeError, None]
    assert errors(asyncio.run(serve(address, talk, handler=fail))) == expected


@pytest.mark.parametrize("limits", [ConnectionLimits(total=2, per_peer=9), ConnectionLimits(total=9, per_peer=2)])
def test_one_too_many_is_closed_at_once_and_places_come_back(address: Address, limits: ConnectionLimits) -> None:
    """Silent peers would shut everybody out, or a few lost places would do so in the end."""

    async def talk(where: Address) -> None:
        silent = [await connect_async(where) for _ in range(2)]
        await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        with pytest.raises((ConnectFailedError, ConnectionEndedError, ConnectionLostError)):
            await exchange_async(where, b"refused")
        assert asyncio.get_running_loop().time() - began < 0.25
        for sock in silent:
            sock.close()
        await asyncio.sleep(0.05)
        assert await exchange_async(where, b"good") == b"doog"

    ends = asyncio.run(serve(address, talk, connections=limits))
    assert errors(ends) == [TooManyConnectionsError, ConnectionEndedError, ConnectionEndedError, None]


def test_a_server_that_ends_lets_what_was_begun_finish(unix_address: UnixAddress) -> None:
    """Every restart would lose answers."""

    async def run() -> tuple[bytes, Ends]:
        begun = asyncio.Event()
        ends: Ends = []

        async def slow(message: bytes) -> bytes:
            begun.set()
            await asyncio.sleep(0.1)
            return message

        server = MessageServer(listen(unix_address), slow, report=lambda *end: ends.append(end))
        running = asyncio.create_task(server.run(drain=10))
        asking = asyncio.create_task(exchange_async(unix_address, b"hello"))
        await begun.wait()
        running.cancel()
        answer = await asking
        await asyncio.gather(running, return_exceptions=True)
        return answer, ends

    answer, ends = asyncio.run(run())
    assert answer == b"hello"
    assert errors(ends) == [None]


def test_nothing_is_left_behind(address: Address) -> None:
    """An enclave that answers a million messages would run out of descriptors."""

    async def talk(where: Address) -> None:
        messages = [b"message %d" % number for number in range(50)]
        assert await asyncio.gather(*(exchange_async(where, message) for message in messages)) == [
            message[::-1] for message in messages
        ]

    process = psutil.Process()
    asyncio.run(serve(address, talk))
    before = process.num_fds()
    asyncio.run(serve(address, talk))
    assert process.num_fds() == before


def test_ends_are_logged_each_at_its_level(caplog: pytest.LogCaptureFixture, unix_address: UnixAddress) -> None:
    """A bug would go unseen, or every scanner would raise an alarm."""
    with caplog.at_level(logging.DEBUG, logger="issuer.vsock.server"):
        log_end("unix", None)
        log_end("unix", ConnectionEndedError("left"))
        log_end("unix", ValueError("bug"))
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "ERROR"]
    with listen(unix_address) as listener:
        assert MessageServer(listener, reverse).active == 0
