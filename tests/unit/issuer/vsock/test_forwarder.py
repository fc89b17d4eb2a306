import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psutil
import pytest
import uvloop

from issuer.vsock import (
    Address,
    ConnectFailedError,
    ConnectionLimits,
    Destination,
    Ending,
    FixedDestination,
    Forwarder,
    ForwarderLimits,
    Outcome,
    TcpAddress,
    UnixAddress,
    bound_address,
    connect_async,
    listen,
    pin_destination,
)
from issuer.vsock.allowlist import AllowList
from issuer.vsock.forwarder import log_ending

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Upstream = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = TcpAddress(host="127.0.0.1", port=0)
QUICK = ForwarderLimits(connect_s=2, idle_s=0.3)
PATIENT = ForwarderLimits(connect_s=2, idle_s=20)


class Scene:
    """A forwarder before a server, and what was reported."""

    def __init__(self, forwarder: Forwarder, where: Address, endings: list[Ending]) -> None:
        self.forwarder = forwarder
        self.where = where
        self.endings = endings

    async def connect(self) -> Streams:
        """Connect to the forwarder."""
        return await asyncio.open_connection(sock=await connect_async(self.where))

    async def connect_in_vain(self) -> None:
        """Connect, and see it end; over TCP that may come so soon that the connection was never there."""
        with suppress(ConnectFailedError):
            reader, writer = await self.connect()
            await ended(reader)
            await close(writer)

    async def outcomes(self) -> list[Outcome]:
        """Wait until all connections have ended; give how."""
        async with asyncio.timeout(10):
            while self.forwarder.active:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        return [ending.outcome for ending in self.endings]


@asynccontextmanager
async def forwarding(
    upstream: Upstream | Destination,
    source: Address,
    target: Address = LOOPBACK,
    *,
    limits: ForwarderLimits = PATIENT,
    drain: float = 0.0,
) -> AsyncIterator[Scene]:
    """Run a forwarder from one transport to another, with a server behind it."""
    server = None
    if callable(upstream):
        behind = listen(target)
        server = asyncio.create_task(serve(behind, upstream))
        upstream = await destination_of(bound_address(behind))
    endings: list[Ending] = []
    listener = listen(source)
    scene = Scene(Forwarder(listener, upstream, limits=limits, report=endings.append), bound_address(listener), endings)
    running = asyncio.create_task(scene.forwarder.run(drain=drain))
    try:
        yield scene
    finally:
        for task in (running, server):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})


async def serve(listener: socket.socket, upstream: Upstream) -> None:
    """Serve with streams until cancelled; leave nothing behind."""
    with listener:
        async with asyncio.TaskGroup() as group:
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(listener)
                group.create_task(attend(sock, upstream))


async def attend(sock: socket.socket, upstream: Upstream) -> None:
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        with suppress(ConnectionError):
            await upstream(reader, writer)
    finally:
        writer.transport.abort()


async def destination_of(address: Address) -> Destination:
    listed = AllowList(entries=(address,) if isinstance(address, TcpAddress) else ())
    return await pin_destination(address, listed)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def echo_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer only when everything was read: without half-close there is no answer."""
    everything = await reader.read(-1)
    writer.write(everything[::-1])
    await writer.drain()
    await close(writer)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    await close(writer)


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing and say nothing until the other side is gone."""
    await asyncio.sleep(2)
    await close(writer)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("target", ["tcp", "unix"])
def test_both_ways_are_carried_and_one_may_end_before_the_other(
    address: Address, target: str, unix_address: UnixAddress, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """vsock-proxy ends both ways with either; what comes after is lost."""
    there = LOOPBACK if target == "tcp" else UnixAddress(path=unix_address.path + "2")
    data = random.Random(1).randbytes(3_000_000)

    async def run() -> list[Ending]:
        async with forwarding(echo_at_the_end, address, there) as scene:
            reader, writer = await scene.connect()
            writer.write(data)
            writer.write_eof()
            assert await reader.read(-1) == data[::-1]
            await close(writer)
            assert await scene.outcomes() == [Outcome.COMPLETE]
            return scene.endings

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        (ending,) = runner.run(run())
    assert (ending.sent, ending.received, ending.error) == (len(data), len(data), None)


def test_a_conversation_is_carried_without_waiting_for_more(address: Address) -> None:
    """TLS handshakes would stand still."""

    async def run() -> list[Outcome]:
        async with forwarding(echo, address) as scene:
            reader, writer = await scene.connect()
            for size in (1, 100, 1):
                writer.write(bytes(size))
                assert await asyncio.wait_for(reader.readexactly(size), 5) == bytes(size)
            await close(writer)
            return await scene.outcomes()

    assert asyncio.run(run()) == [Outcome.COMPLETE]


def test_a_connection_on_which_nothing_moves_ends(address: Address) -> None:
    """Four idle clients block vsock-proxy for everybody."""

    async def run() -> list[Outcome]:
        async with forwarding(hold, address, limits=QUICK) as scene:
            reader, writer = await scene.connect()
            await ended(reader)
            await close(writer)
            return await scene.outcomes()

    assert asyncio.run(run()) == [Outcome.IDLE]


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait for the end, proper or not; over TCP it must not look proper."""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            assert await reader.read(-1) == b""


def test_a_peer_that_stops_reading_holds_up_nobody_and_costs_a_limited_time(address: Address) -> None:
    """It would fill the memory, or stop the others."""

    async def run() -> tuple[list[Outcome], int]:
        # Not QUICK: on a busy machine, copying 50 MB alone would make the other connection look idle.
        async with forwarding(stuck_unless_asked, address, limits=ForwarderLimits(connect_s=2, idle_s=1)) as scene:
            stuck_reader, stuck = await scene.connect()
            stuck.write(b"s" + bytes(50_000_000))
            reader, writer = await scene.connect()
            writer.write(b"echo")
            writer.write_eof()
            assert await reader.read(-1) == b"echo"
            await close(writer)
            await ended(stuck_reader)
            await close(stuck)
            return await scene.outcomes(), max(ending.sent for ending in scene.endings)

    outcomes, sent = asyncio.run(run())
    assert outcomes == [Outcome.COMPLETE, Outcome.IDLE]
    assert sent < 20_000_000  # what the kernel's buffers hold, not what was written


async def stuck_unless_asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.readexactly(1) == b"s":
        await hold(reader, writer)
    else:
        writer.write(b"e" + await reader.read(-1))
        await close(writer)


def test_a_slow_peer_is_not_an_idle_one(address: Address) -> None:
    """A large download over a slow line would break off."""

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(8):
            writer.write(b"x")
            await asyncio.sleep(0.1)
        await close(writer)

    async def run() -> list[Outcome]:
        async with forwarding(slowly, address, limits=QUICK) as scene:
            reader, writer = await scene.connect()
            assert await reader.read(-1) == b"x" * 8
            await close(writer)
            return await scene.outcomes()

    assert asyncio.run(run()) == [Outcome.COMPLETE]


async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say something, then leave as a killed process does: over TCP with a reset."""
    await reader.readexactly(1)
    writer.write(b"half of")
    await writer.drain()
    await asyncio.sleep(0.05)
    linger = socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
    writer.get_extra_info("socket").setsockopt(*linger)
    writer.transport.abort()


def test_a_broken_connection_is_not_passed_on_as_a_proper_end() -> None:
    """Half of an answer would be taken for a whole one."""

    async def run() -> list[Outcome]:
        async with forwarding(break_off, LOOPBACK) as scene:
            reader, writer = await scene.connect()
            writer.write(b"?")
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)
            await close(writer)
            return await scene.outcomes()

    assert asyncio.run(run()) == [Outcome.BROKEN]


async def last_word(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse a long request as a web server does: answer before its end, and close."""
    await reader.readexactly(1)
    writer.write(b"413 Too Large")
    await writer.drain()
    await close(writer)


def test_a_last_word_is_carried_although_the_server_takes_no_more(unix_address: UnixAddress) -> None:
    """The client would never learn why."""
    there = UnixAddress(path=unix_address.path + "2")

    async def run() -> list[Outcome]:
        async with forwarding(last_word, unix_address, there) as scene:
            loop = asyncio.get_running_loop()
            with await connect_async(scene.where) as sock:
                await loop.sock_sendall(sock, b"x")
                await asyncio.sleep(0.1)
                await loop.sock_sendall(sock, b"much more")
                assert await loop.sock_recv(sock, 100) == b"413 Too Large"
                return await scene.outcomes()

    assert asyncio.run(run()) == [Outcome.BROKEN]


def test_an_unreachable_destination_breaks_the_connection_and_says_why(address: Address) -> None:
    """An operator would look for the fault in the enclave."""

    async def run() -> list[Ending]:
        with listen(LOOPBACK) as listener:
            closed = bound_address(listener)
        async with forwarding(await destination_of(closed), address) as scene:
            await scene.connect_in_vain()
            await scene.outcomes()
            return scene.endings

    (ending,) = asyncio.run(run())
    assert ending.outcome is Outcome.UNREACHABLE
    assert isinstance(ending.error, ConnectFailedError)


class Failing:
    """A destination with a bug, or one that never answers."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.closed = False

    async def open(self, *, timeout: float) -> socket.socket:  # noqa: ARG002, ASYNC109 - the contract's
        """Fail as told."""
        if self.error is None:
            await asyncio.sleep(60)
        raise self.error or AssertionError

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def test_a_bug_ends_one_connection_and_is_told(address: Address) -> None:
    """It would vanish in a task that nobody looks at."""

    async def run() -> list[Ending]:
        destination = Failing(ValueError("bug"))
        async with forwarding(destination, address) as scene:
            await scene.connect_in_vain()
            await scene.outcomes()
        assert destination.closed
        return scene.endings

    (ending,) = asyncio.run(run())
    assert ending.outcome is Outcome.FAILED
    assert isinstance(ending.error, ValueError)


@pytest.mark.parametrize("upstream", [Failing(None), hold])
def test_a_stop_breaks_what_is_open(address: Address, upstream: Upstream | Destination) -> None:
    """A client would take it for the server's proper end, or the forwarder would never stop."""

    async def run() -> list[Ending]:
        async with forwarding(upstream, address) as scene:
            reader, writer = await scene.connect()
            await asyncio.sleep(0.05)
        await ended(reader)
        await close(writer)
        return scene.endings

    (ending,) = asyncio.run(run())
    assert ending.outcome is Outcome.STOPPED


def test_a_stop_gives_connections_time_to_end(address: Address) -> None:
    """Every restart would break off answers."""

    async def run() -> list[Ending]:
        async with forwarding(echo_at_the_end, address, drain=10) as scene:
            reader, writer = await scene.connect()
            await asyncio.sleep(0.05)

            async def finish() -> None:
                await asyncio.sleep(0.1)
                writer.write(b"hello")
                writer.write_eof()
                assert await reader.read(-1) == b"olleh"
                await close(writer)

            finishing = asyncio.create_task(finish())
        await finishing
        return scene.endings

    (ending,) = asyncio.run(run())
    assert ending.outcome is Outcome.COMPLETE


def test_one_too_many_is_refused_and_told(address: Address) -> None:
    """One enclave would take every place."""
    limits = ForwarderLimits(connections=ConnectionLimits(total=9, per_peer=1))

    async def run() -> list[Outcome]:
        async with forwarding(echo, address, limits=limits) as scene:
            reader, writer = await scene.connect()
            await asyncio.sleep(0.05)
            await scene.connect_in_vain()
            writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
            await close(writer)
            return await scene.outcomes()

    assert asyncio.run(run()) == [Outcome.REFUSED, Outcome.COMPLETE]


def test_no_descriptor_stays_open_however_connections_end(address: Address) -> None:
    """A forwarder runs for months."""
    process = psutil.Process()

    async def run() -> None:
        for upstream in (echo, break_off, hold, Failing(ValueError("bug"))):
            async with forwarding(upstream, address, limits=QUICK) as scene:
                streams = [await scene.connect() for _ in range(10)]
                for _, writer in streams:
                    writer.write(b"?")
                for reader, writer in streams:
                    if upstream is echo:
                        writer.write_eof()
                    with suppress(ConnectionError):
                        await asyncio.wait_for(reader.read(-1), 10)
                    await close(writer)

    asyncio.run(run())
    before = process.num_fds()
    asyncio.run(run())
    assert process.num_fds() == before


def test_endings_are_logged_each_at_its_level(caplog: pytest.LogCaptureFixture, unix_address: UnixAddress) -> None:
    """A bug would go unseen, or the log would fill with what is usual."""
    with caplog.at_level(logging.DEBUG, logger="issuer.vsock.forwarder"):
        log_ending(Ending(peer="unix", outcome=Outcome.COMPLETE))
        log_ending(Ending(peer="unix", outcome=Outcome.IDLE))
        log_ending(Ending(peer="unix", outcome=Outcome.FAILED, error=ValueError("bug")))
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "ERROR"]
    with listen(unix_address) as listener:
        assert Forwarder(listener, FixedDestination(unix_address)).active == 0
