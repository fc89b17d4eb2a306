"""The metrics of several processes as one: whichever of them is asked answers for all.

prometheus-client's multiprocess mode does the counting: each process counts in files of its own, which outlive it, in a
folder that nobody else can read. What it does not do is done here. What a collector reads from the system or from a
verifier is written into those files, so that it is added up like the rest. What is the same in every process is
told by the one that is asked. And the files of processes that ended are folded into one, so that restarts without end
do not make scrapes slower and slower.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

    from verifier.service.metrics import Metrics

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_NOBODY = 0
"""Stands for the process id of all processes that ended."""
_LASTING = ("counter", "histogram")
_NOT_ADDED_UP = frozenset({"process_start_time_seconds", "process_max_fds"})


@contextmanager
def pool() -> Iterator[Pool]:
    """Have this process, and those that it will fork, count together until the block ends."""
    owner, folder = os.getpid(), Path(tempfile.mkdtemp(prefix="nitro-verifier-metrics-"))
    os.environ[_VARIABLE] = str(folder)
    # The client chooses when it is imported, and it may have been imported already.
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # it has no types
    try:
        yield Pool(folder)
    finally:
        if os.getpid() == owner:  # a forked process leaves this block, too
            shutil.rmtree(folder, ignore_errors=True)


class Pool:
    """The files that several processes count in."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which exists."""
        self._folder = folder
        self._ended: list[int] = []

    def end(self, process: int) -> None:
        """Note that a process ended: what it counted stays, what it held does not."""
        self._ended.append(process)
        self.fold()

    def fold(self) -> None:
        """Fold the files of processes that ended into one, unless somebody is reading just now."""
        # A reader that was stopped must not stop us, and without the folder there is nothing to fold.
        with suppress(BlockingIOError, FileNotFoundError):
            self._fold_all()

    def _fold_all(self) -> None:
        if self._ended:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                while self._ended:
                    self._fold(self._ended.pop())

    @contextmanager
    def _locked(self, operation: int) -> Iterator[None]:
        """Hold a lock on the folder: a file for it would one day be cleaned away as one that nobody uses."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, operation)
            yield
        finally:
            os.close(descriptor)

    def _fold(self, process: int) -> None:
        mark_process_dead(process, str(self._folder))  # type: ignore[no-untyped-call]  # it has no types
        for kind in _LASTING:
            path = self._folder / f"{kind}_{process}.db"
            if path.exists():
                _add(self._folder / f"{kind}_{_NOBODY}.db", path)
                path.unlink()

    def read(self) -> list[Metric]:
        """Read what all processes have counted."""
        with self._locked(fcntl.LOCK_SH):
            return list(MultiProcessCollector(None, str(self._folder)).collect())  # type: ignore[no-untyped-call]  # it has no types

    def expose(self, metrics: Metrics) -> Member:
        """Have the metrics of this process answer for all processes from now on."""
        member = Member(self, metrics)
        metrics.exposed = CollectorRegistry()
        metrics.exposed.register(member)
        return member


def _add(total: Path, part: Path) -> None:
    sums = MmapedDict(str(total))  # type: ignore[no-untyped-call]  # it has no types
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(part)):  # type: ignore[no-untyped-call]  # nor has this
        before, _ = sums.read_value(key)  # type: ignore[no-untyped-call]  # nor this
        sums.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]  # nor this
    sums.close()  # type: ignore[no-untyped-call]  # nor this


class Member(Collector):
    """One process of a pool: shows what it holds, and collects what all of them do."""

    def __init__(self, members: Pool, metrics: Metrics) -> None:
        """Show what ``metrics`` describes."""
        self._pool = members
        self._metrics = metrics
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._counted: dict[tuple[str, tuple[str, ...]], float] = {}

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: there is no other collector beside this one."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give every metric of all processes."""
        self.show()
        yield from self._pool.read()
        for collector in self._metrics.common:
            yield from collector.collect()

    def show(self) -> None:
        """Write what this process holds now to where the others can read it."""
        self._metrics.tallies.settle()
        for gauge in (self._metrics.in_flight, self._metrics.connections):
            for family in gauge.collect():
                gauge.set(family.samples[0].value)
        for collector in self._metrics.own:
            for family in collector.collect():
                for sample in family.samples:
                    self._show(family, sample)

    def _show(self, family: Metric, sample: Sample) -> None:
        labels, texts = tuple(sample.labels), tuple(sample.labels.values())
        if family.type == "counter":
            counter = self._counters.get(family.name) or self._counters.setdefault(
                family.name, Counter(family.name, family.documentation, labels, registry=None)
            )
            key = (family.name, texts)
            (counter.labels(*texts) if labels else counter).inc(sample.value - self._counted.get(key, 0.0))
            self._counted[key] = sample.value
        else:
            gauge = self._gauges.get(family.name) or self._gauges.setdefault(
                family.name, _gauge(family.name, family.documentation, labels)
            )
            (gauge.labels(*texts) if labels else gauge).set(sample.value)


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> Gauge:
    if name in _NOT_ADDED_UP:
        return Gauge(name, text, labels, registry=None, multiprocess_mode="livemax")
    return Gauge(name, text, labels, registry=None, multiprocess_mode="livesum")
