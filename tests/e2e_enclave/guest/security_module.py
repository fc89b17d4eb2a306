"""The NSM of this enclave, asked as the host wishes."""

import asyncio
import dataclasses
import threading

from issuer.nsm import AsyncNsm, DeviceBackend, Nsm, NsmDescription, PcrDescription

HELD_S = 30.0


class _HeldBackend:
    """A device whose first call waits on its way to the driver, so that something can happen meanwhile."""

    def __init__(self, backend: DeviceBackend) -> None:
        self._backend = backend
        self.entered = threading.Event()
        self.released = threading.Event()

    def process(self, request: bytes) -> bytes:
        """Wait, and then ask the driver."""
        self.entered.set()
        self.released.wait(HELD_S)
        return self._backend.process(request)

    def close(self) -> None:
        """Leave the device open, which is another's."""


class SecurityModule:
    """The real device, opened once for all calls of `Nsm`, and once for each of `AsyncNsm`."""

    def __init__(self) -> None:
        self._backend = DeviceBackend()
        self._nsm = Nsm(self._backend)
        self._strict = Nsm(self._backend, strict=True)

    async def call(self, method: str, arguments: dict[str, object], client: str) -> object:
        """Call a method of `Nsm`, or, for the client "async", of an `AsyncNsm` that is opened for it."""
        if client != "async":
            nsm = self._strict if client == "strict" else self._nsm
            return _plain(await asyncio.to_thread(getattr(nsm, method), **arguments))
        async with AsyncNsm.open() as opened:
            return _plain(await getattr(opened, method)(**arguments))

    async def raw(self, request: bytes) -> bytes:
        """Hand any bytes to the driver and give what comes back."""
        return await asyncio.to_thread(self._backend.process, request)

    async def unchecked(self, size: int) -> bytes:
        """Hand the driver a request of a size that the backend would not let through."""
        with self._backend._borrowed() as fd:
            return self._backend._exchange(fd, bytes(size))

    async def together(self, count: int) -> list[object]:
        """Ask for documents with different nonces at once, from tasks and from threads, and give them in order."""
        nonces = [bytes([number]) * 32 for number in range(count)]
        async with AsyncNsm.open() as opened:
            by_tasks = (opened.attestation(nonce=nonce) for nonce in nonces)
            by_threads = (asyncio.to_thread(self._nsm.attestation, nonce=nonce) for nonce in nonces)
            return list(await asyncio.gather(*by_tasks, *by_threads))

    async def cancelled(self, index: int, data: bytes) -> object:
        """Extend a PCR in a task that is cancelled once the call is under way; give what the PCR holds afterwards."""
        held = _HeldBackend(self._backend)
        async with AsyncNsm.open(held) as opened:
            task = asyncio.create_task(opened.extend_pcr(index, data, lock=False))
            await asyncio.to_thread(held.entered.wait, HELD_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            held.released.set()
            described = await opened.describe_pcr(index)
        return {"cancelled": task.cancelled(), "data": described.data}

    async def buffered(self) -> str:
        """Open the device as Python opens files, and say what comes of it."""
        try:
            await asyncio.to_thread(_open_buffered)
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        return "opened"


def _open_buffered() -> None:
    with open("/dev/nsm", "r+b"):  # noqa: PTH123 - as others do it
        pass


def _plain(value: object) -> object:
    if isinstance(value, NsmDescription | PcrDescription):
        return dataclasses.asdict(value)
    return value
