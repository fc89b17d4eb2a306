import asyncio
import errno
import os
import socket
from collections.abc import Callable

import pytest

from issuer.vsock import ConnectionLimits, TooManyConnectionsError, UnixAddress, connect_async, listen
from issuer.vsock.connections import Acceptor, Places

LIMITS = ConnectionLimits(total=3, per_peer=2)


async def wait_for_ever(sock: socket.socket, peer: str) -> None:
    await asyncio.sleep(60)


class Faulty(socket.socket):
    """A listening socket that fails first, as a busy or broken machine makes it."""

    failures: tuple[int, ...] = ()

    def accept(self) -> tuple[socket.socket, object]:
        """Fail once for each number, then accept."""
        if self.failures:
            code, *rest = self.failures
            self.failures = tuple(rest)
            raise OSError(code, os.strerror(code))
        return super().accept()


def faulty(address: UnixAddress, *failures: int) -> Faulty:
    listener = Faulty(fileno=listen(address).detach())
    listener.failures = failures
    return listener


def acceptor(listener: socket.socket, ends: list[tuple[str, BaseException]]) -> Acceptor:
    return Acceptor(listener, handle=wait_for_ever, limits=LIMITS, report=lambda *end: ends.append(end))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


def test_places_are_limited_in_all_and_for_each_peer() -> None:
    """One enclave would shut the others out, or all of them the forwarder."""
    places = Places(LIMITS)
    places.take("vsock:16")
    places.take("vsock:16")
    with pytest.raises(TooManyConnectionsError, match="vsock:16 has 2"):
        places.take("vsock:16")
    places.take("vsock:17")
    with pytest.raises(TooManyConnectionsError, match="all 3"):
        places.take("vsock:18")
    places.leave("vsock:16")
    places.take("vsock:18")


@pytest.mark.parametrize(("total", "per_peer"), [(0, 1), (1, 0), (-1, 1)])
def test_limits_that_let_nobody_in_are_refused(total: int, per_peer: int) -> None:
    """A server would start and refuse everybody."""
    with pytest.raises(ValueError, match="at least 1"):
        ConnectionLimits(total=total, per_peer=per_peer)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED, errno.EPROTO])
def test_what_passes_is_waited_for(unix_address: UnixAddress, code: int) -> None:
    """Too many files for a moment, and the forwarder would be gone."""

    async def run() -> None:
        running = asyncio.create_task((accepting := acceptor(faulty(unix_address, code, code), [])).run())
        with await connect_async(unix_address):
            await until(lambda: accepting.active == 1)
        running.cancel()
        await asyncio.wait({running})
        assert accepting.active == 0

    asyncio.run(run())


def test_a_listener_that_is_broken_ends_the_acceptor_loudly(unix_address: UnixAddress) -> None:
    """A service that accepts nothing any more would look alive."""
    listener = faulty(unix_address, errno.EBADF)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        asyncio.run(acceptor(listener, []).run())
    assert listener.fileno() == -1


def test_a_connection_that_is_cancelled_before_it_began_is_closed_and_gives_its_place_back(
    unix_address: UnixAddress,
) -> None:
    """A stop at the wrong moment would leak a descriptor."""

    async def run() -> None:
        accepting = acceptor(listen(unix_address), [])
        ours, theirs = socket.socketpair()
        accepting._admit(theirs, "unix")
        assert accepting.active == 1
        await accepting._end(0)
        assert (accepting.active, theirs.fileno(), accepting._places._taken.total()) == (0, -1, 0)
        ours.close()
        accepting._listener.close()

    asyncio.run(run())


def test_a_second_cancellation_ends_the_draining(unix_address: UnixAddress) -> None:
    """An operator in a hurry would have to kill it."""

    async def run() -> None:
        accepting = acceptor(listen(unix_address), [])
        running = asyncio.create_task(accepting.run(drain=60))
        with await connect_async(unix_address):
            await until(lambda: accepting.active == 1)
            running.cancel()
            await asyncio.sleep(0.05)
            assert not running.done()
            running.cancel()
            await asyncio.wait({running}, timeout=10)
            assert running.done()
            assert accepting.active == 0

    asyncio.run(run())


def test_a_connection_that_died_before_it_was_admitted_does_no_harm() -> None:
    """A peer that resets at once would stop the forwarder."""

    async def run() -> None:
        ends: list[tuple[str, BaseException]] = []
        ours, theirs = socket.socketpair()
        with ours:
            accepting = acceptor(ours, ends)
            theirs.close()
            accepting._admit(theirs, "unix")
            await accepting._end(0)
        assert ends == []

    asyncio.run(run())
