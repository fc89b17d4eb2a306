"""Counting by plain numbers, which become counts of prometheus-client when somebody looks.

Each request counts in about five places, and prometheus-client takes a lock, looks at labels and walks over buckets for
each. Here that happens once for all that was counted since. All of it belongs to the thread of the event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Counter, Histogram
    from prometheus_client.metrics_core import Metric

    from verifier.pipeline import Stage


class Tally:
    """Counts for a counter."""

    __slots__ = ("_counter", "count")

    def __init__(self, counter: Counter) -> None:
        """Begin with nothing; whoever counts adds to ``count``."""
        self._counter = counter
        self.count = 0

    def settle(self) -> None:
        """Count what was not counted yet."""
        if self.count:
            count, self.count = self.count, 0
            self._counter.inc(count)


class Spread:
    """Observes for a histogram."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_sum")

    def __init__(self, histogram: Histogram) -> None:
        """Begin with nothing, and with the histogram's own buckets."""
        self._histogram = histogram
        self._bounds = histogram._upper_bounds  # noqa: SLF001 - there is no other way to add more than one at once
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Note a value; one that is on a bound is below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def settle(self) -> None:
        """Add what was not added yet."""
        if not any(self._counts):
            return
        for bucket, count in zip(self._histogram._buckets, self._counts, strict=True):  # noqa: SLF001 - as above
            if count:
                bucket.inc(count)
        self._histogram._sum.inc(self._sum)  # noqa: SLF001 - as above
        self._counts, self._sum = [0] * len(self._bounds), 0.0


class StageTimer:
    """Told of each stage's end, it counts the time since the one before."""

    __slots__ = ("_since", "_spreads")

    def __init__(self, spreads: Mapping[Stage, Spread]) -> None:
        """Begin now."""
        self._spreads = spreads
        self._since = perf_counter()

    def __call__(self, stage: Stage) -> None:
        """Note the end of ``stage``."""
        now = perf_counter()
        self._spreads[stage].observe(now - self._since)
        self._since = now


class Tallies(Collector):
    """All of one application; the first of a registry, so that the others have counted when they are read."""

    def __init__(self) -> None:
        """Begin with none."""
        self._all: list[Tally | Spread] = []

    def count(self, counter: Counter) -> Tally:
        """Give what counts for ``counter``."""
        tally = Tally(counter)
        self._all.append(tally)
        return tally

    def spread(self, histogram: Histogram) -> Spread:
        """Give what observes for ``histogram``."""
        spread = Spread(histogram)
        self._all.append(spread)
        return spread

    def settle(self) -> None:
        """Count all that was not counted yet."""
        for each in self._all:
            each.settle()

    def describe(self) -> Iterable[Metric]:
        """Name nothing: these are no metrics of their own."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Settle, and give nothing."""
        self.settle()
        return ()
