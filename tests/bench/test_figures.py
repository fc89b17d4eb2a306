"""What benchmarks make of their measurements: slopes, tables, sizes, and latencies that count waiting."""

import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise, repeat

import pytest

from bench import report, sizing
from bench.load import Client, poisson
from bench.soak import Segment, judge, slope

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def segments(*, mb_per_hour: float) -> list[Segment]:
    """Ten minutes of memory that grows so fast, with noise of 100 kB."""
    chance = random.Random(1)
    moments = [5.0 * number for number in range(120)]
    return [
        Segment(
            begins_s=moment,
            answers=1,
            p50_ms=1,
            p99_ms=1,
            memory_mb=70 + mb_per_hour * moment / 3600 + chance.gauss(0, 0.1),
            others=0,
            unit_us=150,
            cost_us=200,
        )
        for moment in moments
    ]


@pytest.mark.parametrize(
    ("later", "failed"),
    [
        ({}, False),
        ({"p99_ms": 6}, True),
        ({"cost_us": 220}, True),
        ({"p99_ms": 6, "cost_us": 260, "unit_us": 180}, False),  # it was the machine that became slower
        ({"p99_ms": 6, "others": 0.2}, False),
    ],
)
def test_a_service_that_becomes_slower_is_told_from_a_machine_that_does(later: dict[str, float], failed: bool) -> None:  # noqa: FBT001 - a table's column
    """A service that wears out would pass, or a neighbour's work would be called that."""
    first = segments(mb_per_hour=0.0)
    both = [*first[:60], *[replace(one, **later) for one in first[60:]]]  # type: ignore[arg-type]  # all are numbers
    assert judge(both, Counter({200: 1}), Counter({200: 1}))["failed"] is failed


@pytest.mark.parametrize("true", [0.0, 6.0, -6.0])
def test_the_interval_of_memory_s_slope_holds_the_true_one(true: float) -> None:
    """A leak would be called noise, or noise a leak."""
    found, half_width = slope(segments(mb_per_hour=true), lambda one: one.memory_mb)

    assert abs(found - true) <= half_width < 2


@contextmanager
def one_slow_answer(pause_s: float) -> Iterator[int]:
    """A server of one connection, whose first answer takes so long; gives its port."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            time.sleep(pause_s)
            connection.sendall(ANSWER)
            while connection.recv(1 << 16):
                connection.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_requests_that_wait_behind_a_stall_are_timed_from_when_they_were_due() -> None:
    """A stall would be one slow answer instead of many: the usual mistake of load generators."""
    with one_slow_answer(0.2) as port, closing(Client(port, connections=1)) as client:
        outcome = client.run(repeat(REQUEST), [0.0, 0.05, 0.1])

    assert dict(outcome.statuses) == {200: 3}
    assert [latency >= 0.2 - due for latency, due in zip(outcome.latencies_s, outcome.due_s, strict=True)] == [True] * 3
    assert outcome.percentile_ms(0.5) >= 150


def test_arrivals_are_as_many_as_asked_and_know_nothing_of_each_other() -> None:
    """The load would be another than the table says."""
    moments = list(poisson(random.Random(2), rate=1000, seconds=20))
    gaps = [later - earlier for earlier, later in pairwise(moments)]

    assert 19_500 < len(moments) < 20_500
    assert sum(gap > 0.001 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)  # 1/e, of an exponential


def costs(**changes: float | None) -> sizing.Costs:
    """Round figures."""
    fields: dict[str, float | None] = {
        "processor_us": 500,
        "store_us": 10,
        "new_leaf_us": 250,
        "worker_mb": 75,
        "bytes_each": 8000,
    }
    return sizing.Costs(**fields | changes)  # type: ignore[arg-type]  # None is for store_us alone


def test_a_fleet_s_size_follows_from_processor_time_and_how_busy_a_core_may_be() -> None:
    """The table would promise what machines cannot keep."""
    assert sizing.workers_for(10, costs()) == 2  # never one alone
    assert sizing.workers_for(6_000, costs(new_leaf_us=0)) == 5  # 3 cores, 60 % busy
    assert sizing.workers_for(6_000, costs(new_leaf_us=30_000)) > 8  # a part of each goes into meeting leaves
    _, thousand, *_, million = sizing.table(costs())
    assert thousand[1:] == ["0.5", "2", "2", "0.1 GB", "1", "0.06 Gbit/s"]
    assert million[5:] == ["20", "64.00 Gbit/s"]
    assert sizing.table(costs(store_us=None))[1][5] == "not measured"


def test_a_page_is_filled_again_and_again_with_the_same() -> None:
    """`make docs-check` would never be content."""
    page = "before\n<!-- figures: scaling -->\nold\n<!-- end -->\nafter\n"
    results = {"scaling": {"ratios": {"1000 builds": {"low": 0.9, "middle": 1.0, "high": 1.1}}}}

    once = report.filled(page, results)

    assert "| 1000 builds | 1.000 (0.900-1.100) |" in once
    assert "old" not in once
    assert report.filled(once, results) == once


def test_a_figure_that_was_not_measured_is_named() -> None:
    """A table would be missing, or be of another time."""
    page = "<!-- figures: scaling -->\n<!-- end -->"

    assert "'scaling' is not in bench/results.json" in report.filled(page, {})


def test_the_page_asks_for_tables_that_there_are() -> None:
    """A block with a wrong name would stay empty for ever."""
    asked = re.findall(r"<!-- figures: (\S+) -->", report.PAGE.read_text())

    assert sorted(asked) == sorted(report.BLOCKS)
