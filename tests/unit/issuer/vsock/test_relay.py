import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from issuer.vsock import Outcome
from issuer.vsock.relay import Relay

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Endless(socket.socket):
    """A peer that always has something to say and always takes everything, without ever being waited for."""

    def recv(self, size: int, _: int = 0) -> bytes:
        """Give as much as is asked for."""
        return bytes(size)

    def send(self, data: "Buffer", _: int = 0) -> int:
        """Take it."""
        return memoryview(data).nbytes


class Broken(socket.socket):
    """A peer that fails in a way that no socket does."""

    def recv(self, _: int, __: int = 0) -> bytes:
        """Fail."""
        raise ValueError("a bug")


def test_peers_that_are_always_ready_leave_the_others_their_turn() -> None:
    """One fast download would stop everything else, and its own stop."""

    async def run() -> Relay:
        relay = Relay(Endless(), Endless(), idle=60)
        relaying = asyncio.create_task(relay.run())
        for _ in range(10):
            await asyncio.sleep(0)
        relaying.cancel()
        await asyncio.wait({relaying})
        return relay

    relay = asyncio.run(asyncio.wait_for(run(), 10))
    assert 0 < relay.sent < 100 * 65536


def test_a_bug_is_no_outcome() -> None:
    """It would be reported as a peer's fault."""

    async def run() -> tuple[Outcome, Relay]:
        left, right = socket.socketpair()
        with left, right:
            left.settimeout(0)
            relay = Relay(Broken(), left, idle=60)
            return await relay.run(), relay

    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(run())


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_relay_that_is_cancelled_while_it_ends_closes_both_connections(steps: int) -> None:
    """Every such connection would cost a descriptor for good."""

    async def run() -> list[int]:
        (client, near), (far, destination) = socket.socketpair(), socket.socketpair()
        near.settimeout(0)
        far.settimeout(0)
        relaying = asyncio.create_task(Relay(near, far, idle=10).run())
        client.close()
        destination.close()
        for _ in range(steps):
            await asyncio.sleep(0)
        relaying.cancel()
        await asyncio.wait({relaying})
        return [near.fileno(), far.fileno()]

    assert asyncio.run(run()) == [-1, -1]
