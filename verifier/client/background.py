"""An event loop in a thread of its own, so that blocking code can use what is asynchronous.

A blocking call is safe wherever it is made: in a plain thread, in many at once, and in a thread whose own event loop is
running (which it blocks, as any blocking call does). The thread starts with the first call and ends with `close`, with
the garbage collection of whoever holds it, or with the interpreter.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

JOIN_S: Final = 10.0


class Closable(Protocol):
    """What lives in the loop, and is closed there."""

    async def close(self) -> None:
        """Let everything go."""
        ...


_Subject = TypeVar("_Subject", bound=Closable)
_Value = TypeVar("_Value")


class Background(Generic[_Subject]):
    """Makes one object and calls its coroutines, all in one background loop."""

    def __init__(self, make: Callable[[], _Subject]) -> None:
        make()  # what is wrong with the arguments is said here and not in the first call
        self._make: Final = make
        self._lock = threading.Lock()
        self._worker: _Worker[_Subject] | None = None
        self._forked: list[_Worker[_Subject]] = []
        self._closed = False
        _ALL.add(self)

    def renew_lock(self) -> None:
        """Begin with a lock that nobody holds, in a fork: the thread that held it is not there to give it back."""
        self._lock = threading.Lock()

    def run(self, call: Callable[[_Subject], Coroutine[Any, Any, _Value]]) -> _Value:
        """Call and wait.

        When the wait is interrupted, such as by Ctrl-C, the call is cancelled.

        Raises:
            RuntimeError: it is closed, or was closed meanwhile.
        """
        with self._lock:
            worker = self._running()
            future = asyncio.run_coroutine_threadsafe(call(worker.subject), worker.loop)
        try:
            return future.result()
        except CancelledError as error:
            raise RuntimeError("the client was closed during the call") from error
        finally:
            future.cancel()  # changes nothing when it is done

    def close(self) -> None:
        """End the thread; whatever waits for a call gets a `RuntimeError`."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is not None and worker.pid == os.getpid():
            worker.stop()

    def _running(self) -> _Worker[_Subject]:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._worker is not None and self._worker.pid != os.getpid():
            # A fork has no threads but its own, and the connections are its parent's: leave both alone, begin anew.
            self._forked.append(self._worker)
            self._worker = None
        if self._worker is None:
            self._worker = _Worker(self._make())
            weakref.finalize(self, self._worker.stop)  # also at the interpreter's exit
        return self._worker


_ALL: Final[weakref.WeakSet[Background[Any]]] = weakref.WeakSet()


def _renew_locks() -> None:
    for background in _ALL:
        background.renew_lock()


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_renew_locks)  # of POSIX only, as forks are


class _Worker(Generic[_Subject]):
    """The thread, its loop, and what lives there."""

    def __init__(self, subject: _Subject) -> None:
        self.subject: Final = subject
        self.pid: Final = os.getpid()
        self.loop: Final = asyncio.new_event_loop()
        self._stop: Final = asyncio.Event()
        self._thread: Final = threading.Thread(target=self._work, name="nitro-verifier-client", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close what lives in the loop, and end the thread; in a fork there is none."""
        if self.pid != os.getpid():
            return
        with suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        await self._stop.wait()
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self.subject.close()
