import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import cbor2
import pytest

from issuer.nsm import (
    AsyncNsm,
    DeviceBackend,
    NsmUnavailableError,
    PcrLocked,
    ReadOnlyIndexError,
    SoftwareBackend,
    UnlockedPcrWarning,
    encode_reply,
    extended,
)
from tests.unit.issuer.nsm.driver import FakeDriver, Scripted

ZERO = bytes(48)
WAIT = 60


class Gate(SoftwareBackend):
    """A software NSM that takes as long as the test wants, like a driver that can not be interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.finished = 0

    def process(self, request: bytes) -> bytes:
        """Wait, then answer."""
        self.entered.set()
        assert self.go_on.wait(WAIT)
        reply = super().process(request)
        self.finished += 1
        return reply


async def inside(gate: Gate) -> None:
    """Wait until a call is in the driver."""
    assert await asyncio.to_thread(gate.entered.wait, WAIT)


def test_all_calls_are_there_and_do_the_same() -> None:
    """What an asynchronous enclave application imports."""

    async def session() -> None:
        async with AsyncNsm.open("software") as nsm:
            assert isinstance(nsm.backend, SoftwareBackend)
            assert (await nsm.describe()).max_pcrs == 32
            assert await nsm.extend_pcr(16, bytearray(b"x"), lock=False) == extended(ZERO, b"x")
            assert await nsm.extend_pcr(17, b"x", lock=True) == extended(ZERO, b"x")
            assert (await nsm.describe_pcr(17)).lock
            await nsm.lock_pcr(16)
            await nsm.lock_pcrs(20)
            document = await nsm.attestation(nonce=b"n", user_data=memoryview(b"u"), public_key=b"")
            fields = cbor2.loads(cbor2.loads(document)[2])
            assert [fields[name] for name in ("nonce", "user_data", "public_key")] == [b"n", b"u", b""]
            assert list(fields["pcrs"]) == list(range(20))
            assert len(await nsm.random()) == 256
            assert len(await nsm.random_bytes(300)) == 300
            with pytest.raises(ReadOnlyIndexError):
                await nsm.lock_pcr(16)

    asyncio.run(session())


def test_extending_warns_where_the_caller_is() -> None:
    """The warning would point into a thread pool."""

    async def session() -> None:
        async with AsyncNsm.open("software") as nsm:
            with pytest.warns(UnlockedPcrWarning) as caught:
                await nsm.extend_pcr(16, b"x")
            assert caught[0].filename == __file__

    asyncio.run(session())


def test_the_loop_goes_on_while_the_driver_does_not() -> None:
    """A slow NSM would stop the whole server for up to 120 seconds."""

    async def session() -> None:
        gate = Gate()
        async with AsyncNsm.open(gate) as nsm:
            call = asyncio.create_task(nsm.describe())
            await inside(gate)
            for _ in range(10):
                await asyncio.sleep(0)
            assert not call.done()
            gate.go_on.set()
            assert (await call).max_pcrs == 32

    asyncio.run(session())


def test_a_cancelled_call_that_is_under_way_is_still_made() -> None:
    """Its effect is not undone by looking away, and pretending so would be a lie about a lock."""

    async def session() -> None:
        gate = Gate()
        async with AsyncNsm.open(gate) as nsm:
            data = bytearray(b"hello")
            call = asyncio.create_task(nsm.extend_pcr(16, data, lock=True))
            await inside(gate)
            call.cancel()
            data[:] = b"other"
            with pytest.raises(asyncio.CancelledError):
                await call
            gate.go_on.set()
            described = await nsm.describe_pcr(16)
            assert (described.lock, described.data) == (True, extended(ZERO, b"hello"))
            assert gate.finished == 3

    asyncio.run(session())


def test_a_cancelled_call_that_has_not_begun_never_is() -> None:
    """A PCR would be locked by a task that was cancelled long before."""

    async def session() -> None:
        gate = Gate()
        async with AsyncNsm.open(gate) as nsm:
            first = asyncio.create_task(nsm.describe())
            await inside(gate)
            second = asyncio.create_task(nsm.lock_pcr(16))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            gate.go_on.set()
            await first
            assert not (await nsm.describe_pcr(16)).lock

    asyncio.run(session())


def test_a_cancelled_call_keeps_its_device_and_its_buffers(tmp_path: Path) -> None:
    """The driver would write into freed memory, or through a number that is another file by now."""
    node = tmp_path / "nsm"
    node.touch()
    gate = Gate()
    backend = DeviceBackend(node, ioctl=FakeDriver(gate))

    async def session() -> None:
        async with AsyncNsm.open(backend) as nsm:
            call = asyncio.create_task(nsm.attestation(nonce=bytes(1024)))
            await inside(gate)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert str(node) in open_paths()
        gate.go_on.set()

    asyncio.run(session())
    for thread in threading.enumerate():
        if thread.name.startswith("nsm"):
            thread.join(WAIT)
    assert gate.finished == 1
    assert str(node) not in open_paths()


def test_after_closing_nothing_is_asked() -> None:
    """A call would go to whatever has the descriptor's number."""
    backend = Scripted(encode_reply(PcrLocked()))

    async def session() -> None:
        async with AsyncNsm.open(backend) as nsm:
            pass
        with pytest.raises(ValueError, match="closed"):
            await nsm.lock_pcr(16)

    asyncio.run(session())
    assert (backend.requests, backend.closed) == ([], 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda nsm: nsm.attestation(nonce="text"),
        lambda nsm: nsm.extend_pcr(16, "text"),
        lambda nsm: nsm.describe_pcr("16"),
    ],
)
def test_what_is_wrong_is_wrong_here_too(call: Callable[[AsyncNsm], Awaitable[object]]) -> None:
    """A nonce given as text would be signed as its digits."""

    async def session() -> None:
        async with AsyncNsm.open("software") as nsm:
            with pytest.raises(TypeError):
                await call(nsm)

    asyncio.run(session())


def test_there_is_no_fallback_here_either(tmp_path: Path) -> None:
    """The same promise as `Nsm.open`."""
    if not Path("/dev/nsm").exists():
        with pytest.raises(NsmUnavailableError):
            AsyncNsm.open()


def open_paths() -> set[str]:
    """What this process has open."""
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
