"""Uses of nonces that are committed together: those of the requests that came at the same moment.

To write one use into the guard's file takes as long as three, most of it the locks and the log. A loaded service finds
several requests whenever it looks, so their uses are collected, written in one transaction, and each is answered when
that is committed, never before. Nobody waits for requests that have yet to come: what was collected is written before
the event loop looks again. Only the short way collects; it goes on with a request where it was left.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from verifier.nonces import GuardUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType

    from verifier.pipeline import Undecided
    from verifier.service.guard import EmbeddedGuard
    from verifier.service.metrics import Metrics

MAX_TOGETHER = 8
"""The first of them waits for the last one's signature; beyond this there is little to gain."""


class Use:
    """A use that is yet to be written; ``await`` it for whether it was the nonce's first."""

    __slots__ = ("at", "error", "expires_at", "is_first", "nonce", "trace")

    def __init__(self, undecided: Undecided) -> None:
        """Begin with nothing known."""
        self.nonce = undecided.nonce.value
        self.expires_at = undecided.nonce.expires_at
        self.at = undecided.at
        self.is_first: bool | None = None
        """What the guard said, once it has."""
        self.error: Exception | None = None
        """Why it said nothing."""
        self.trace: TracebackType | None = None
        """Where that was."""

    def __await__(self) -> Generator[Use, None, bool]:
        """Leave the request here, until whoever runs it goes on with it.

        Raises:
            GuardUnavailableError: the guard could not tell.
        """
        yield self
        if self.is_first is None:
            try:
                # Several raise the same one, and each adds to its traceback: for each it begins where the guard failed.
                raise GuardUnavailableError if self.error is None else self.error.with_traceback(self.trace)
            finally:
                self.error = self.trace = None  # their frames know of this, and would be kept as garbage is
        return self.is_first


class Uses:
    """The uses of one process that are yet to be written; all of it belongs to the thread of the event loop."""

    def __init__(self, guard: EmbeddedGuard | None, metrics: Metrics) -> None:
        """Begin with none. Without a guard there never are any."""
        self._guard = guard
        self._metrics = metrics
        self._waiting: list[tuple[Use, Callable[[], None]]] = []

    def add(self, use: Use, go_on: Callable[[], None]) -> None:
        """Write ``use`` soon, with others if there are any, and then call ``go_on``."""
        self._waiting.append((use, go_on))
        if len(self._waiting) >= MAX_TOGETHER:
            self.settle()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self.settle)

    def ask(self, undecided: Undecided) -> bool:
        """Write one use now, by itself; tell whether it was the first.

        Raises:
            GuardUnavailableError: the guard cannot tell.
        """
        started = perf_counter()
        try:
            return undecided.use()
        finally:
            self._metrics.single_use.observe(perf_counter() - started)

    def settle(self) -> None:
        """Write what is waiting, now, and go on with each in the order in which they came."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._guard is None:
            return
        uses, started = [use for use, _ in waiting], perf_counter()
        try:
            first = self._guard.consume_all([(use.nonce, use.expires_at) for use in uses], at=uses[-1].at)
            for use, is_first in zip(uses, first, strict=True):
                use.is_first = is_first
        except Exception as error:  # noqa: BLE001 - for the edge, which each of them passes on its way
            for use in uses:
                use.error, use.trace = error, error.__traceback__
        finally:
            self._metrics.single_use.observe(perf_counter() - started)
            _go_on(go_on for _, go_on in waiting)


def _go_on(those: Iterable[Callable[[], None]]) -> None:
    """Call each; what fails in one of them concerns no other, nor whoever had the guard asked.

    All have gone on when this returns: one that had not would be answered behind what came after it.
    """
    for go_on in those:
        try:
            go_on()
        except Exception as error:  # noqa: BLE001 - as the event loop does with what it calls
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "a request could not go on", "exception": error})
