"""Where chunks are checked: in this process, in others on this machine, or on a Dask cluster. The rows are the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from verifier.audit import audit_chunk
from verifier.cli.exits import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from verifier.audit import AuditItem, AuditJob

Item = TypeVar("Item")

CHUNK = 64
"""Entries that travel together: about 0.5 MB, and 20 ms of work."""
_AHEAD = 4
"""Chunks on their way for each worker; the archive is never read further ahead than that."""
CONNECT_S = 10


class Rows(Protocol):
    """The rows of a chunk, now or later."""

    def result(self) -> list[bytes]:
        """Wait for them."""
        ...


class Engine(Protocol):
    """Somewhere to check chunks."""

    def submit(self, chunk: list[AuditItem]) -> Rows:
        """Begin with a chunk."""
        ...

    @property
    def ahead(self) -> int:
        """How many chunks to have on their way."""
        ...


def check_in_order(engine: Engine, items: Iterable[AuditItem]) -> Iterator[list[bytes]]:
    """Give the rows of all items, chunk by chunk, in the order of the items whichever was ready first."""
    pending: deque[Rows] = deque()
    for chunk in in_chunks(items, CHUNK):
        pending.append(engine.submit(chunk))
        if len(pending) >= engine.ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def in_chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Give items in lists of at most ``size``, reading no further than the list at hand."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk


@contextmanager
def local_engine(job: AuditJob, workers: int) -> Iterator[Engine]:
    """Check in ``workers`` processes of this machine, or in this one if that is all."""
    if workers == 1:
        yield _Here(job=job)
        return
    # Spawned, so that none of them holds open what another needs closed; and a killed parent leaves none behind.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=prepare_worker)
    try:
        yield _Pool(job=job, pool=pool, workers=workers)
    except BrokenProcessPool as error:
        raise InputError("a worker was killed; run the same command again to go on") from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def dask_engine(job: AuditJob, address: str) -> Iterator[Engine]:
    """Check on the workers of a Dask scheduler; each needs this package.

    Raises:
        InputError: Dask is not installed, or nobody answers at ``address``.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise InputError(f'{error.name} is not installed: pip install "nitro-verifier[dask]"') from error
    try:
        client: Any = Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:  # ValueError: not an address
        raise InputError(f"--scheduler {address}: {error}") from error
    with client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise InputError(f"--scheduler {address}: it has no workers")
        yield _Cluster(job=client.scatter(job, broadcast=True, hash=False), client=client, workers=workers)


def prepare_worker() -> None:
    """Begin a worker: the keyboard's interrupt is for the parent, and without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=leave_after, args=(parent.sentinel,), daemon=True).start()


def leave_after(sentinel: int, leave: Callable[[int], object] = os._exit) -> None:
    """Wait for a process to end, and leave: a worker whose parent was killed would wait for work for ever."""
    wait([sentinel])
    leave(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    job: AuditJob
    ahead: int = 1

    def submit(self, chunk: list[AuditItem]) -> Rows:
        done: Future[list[bytes]] = Future()
        done.set_result(audit_chunk(self.job, chunk))
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    job: AuditJob
    pool: ProcessPoolExecutor
    workers: int

    @property
    def ahead(self) -> int:
        return self.workers * _AHEAD

    def submit(self, chunk: list[AuditItem]) -> Rows:
        return self.pool.submit(audit_chunk, self.job, chunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cluster:
    job: object
    client: Any
    workers: int

    @property
    def ahead(self) -> int:
        return self.workers * _AHEAD

    def submit(self, chunk: list[AuditItem]) -> Rows:
        rows: Rows = self.client.submit(audit_chunk, self.job, chunk, pure=False)
        return rows
