"""`AsyncNsm`: the same calls for an event loop, each made in a thread that the loop does not wait in.

The driver can not be interrupted. A call whose task is cancelled goes on in its thread, up to the driver's 120 seconds:
what it asked for is done, the NSM serves it before any later call, its buffers live as long as it does, and the
device stays open under it. A call that was still waiting for its turn when its task was cancelled is never made.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Self, TypeVar

from issuer.nsm.backends import Backend
from issuer.nsm.client import BackendName, Nsm, warn_of_unlocked
from issuer.nsm.pcrs import PcrDescription
from issuer.nsm.requests import BytesLike, copied, copied_if_any
from issuer.nsm.responses import NsmDescription

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AsyncNsm:
    """An NSM to ask from a coroutine. Every method promises and refuses what `Nsm`'s of the same name does.

    It has one thread of its own: the driver serves one call at a time anyway, and an NSM that takes long must not
    use up the threads that the application shares.
    """

    __slots__ = ("_closed", "_executor", "_nsm")

    def __init__(self, nsm: Nsm) -> None:
        self._nsm = nsm
        self._closed = False
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nsm")

    @classmethod
    def open(cls, backend: BackendName | Backend = "device", *, strict: bool = False) -> Self:
        """Open the device, or what is asked for by name or given, as `Nsm.open` does."""
        return cls(Nsm.open(backend, strict=strict))

    @property
    def backend(self) -> Backend:
        """Who answers."""
        return self._nsm.backend

    def close(self) -> None:
        """Close the backend without waiting; a call under way keeps it open until it ends."""
        self._closed = True
        self._nsm.close()
        self._executor.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def describe(self) -> NsmDescription:
        """Ask the NSM what it is and which PCRs are locked."""
        return await self._run(self._nsm.describe)

    async def describe_pcr(self, index: int) -> PcrDescription:
        """Ask for the value of a PCR and whether it is locked."""
        return await self._run(self._nsm.describe_pcr, index)

    async def extend_pcr(self, index: int, data: BytesLike, *, lock: bool | None = None) -> bytes:
        """Extend a PCR and return its new value; cancellation does not come between extending and locking."""
        data = copied("data", data)
        if lock is None:
            warn_of_unlocked(index, stacklevel=3)
        return await self._run(self._nsm.extend_pcr, index, data, lock=bool(lock))

    async def lock_pcr(self, index: int) -> None:
        """Lock a PCR, for every process of the enclave and until it ends."""
        await self._run(self._nsm.lock_pcr, index)

    async def lock_pcrs(self, end: int) -> None:
        """Lock every PCR below `end`, for every process of the enclave and until it ends."""
        await self._run(self._nsm.lock_pcrs, end)

    async def attestation(
        self,
        *,
        user_data: BytesLike | None = None,
        nonce: BytesLike | None = None,
        public_key: BytesLike | None = None,
    ) -> bytes:
        """Ask for a signed document over the locked PCRs and these fields: an untagged COSE_Sign1."""
        return await self._run(
            self._nsm.attestation,
            user_data=copied_if_any("user_data", user_data),
            nonce=copied_if_any("nonce", nonce),
            public_key=copied_if_any("public_key", public_key),
        )

    async def random(self) -> bytes:
        """Ask for as many random bytes as the NSM gives at once."""
        return await self._run(self._nsm.random)

    async def random_bytes(self, size: int) -> bytes:
        """Ask for random bytes until there are as many as wanted."""
        return await self._run(self._nsm.random_bytes, size)

    async def _run(self, call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        if self._closed:
            raise ValueError("the NSM is closed")
        job = partial(call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, job)
