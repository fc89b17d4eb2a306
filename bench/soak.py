"""Minutes at 80 % of what the service can do: does memory grow, does anything fail, do answers get slower?

A mix of requests, due at random moments: known enclaves in binary and JSON, two thousand others, forgeries, nonces,
documents that use nonces up, scrapes. Every answer's status is compared with what that request must get. Memory's slope
in the second half is told with its 95 % interval, from means over tenths of that time; the 99th percentile is compared
between the first and the last third. Exits 1 when an answer was wrong, when memory grew, or when answers got slower
while others left the machine alone.

    python bench/soak.py [--minutes 10] [--share 0.8] [--workers 1] [--json FILE] [--serve "OPTIONS"]
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import shlex
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.http_service import Corpus, serving, write_configuration
from bench.load import CLOSED_LOOP_CONNECTIONS, Client, Outcome, pin, poisson, saturation
from bench.machine import Watch
from issuer.nsm import SoftwareNsm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.http_service import Server

SEGMENT_S = 2.5
BLOCKS = 10
T_95 = 2.306
"""Student's t for 95 % and BLOCKS - 2 degrees of freedom."""
SETTLING = 0.5
"""The share of the time that memory's slope leaves out: allocators and SQLite's cache fill for a while."""
ALLOWED_GROWTH_MB = 1.0
SLOWER = 1.5
MAX_OTHERS = 0.05
SATURATION_S = 4.0
POOL = 2000
OTHER_ENCLAVES = 2000
MAX_GUARDED = 20_000
MIX = {"binary": 0.7, "JSON": 0.1, "other enclaves": 0.1, "nonces": 0.05, "forgeries": 0.04, "single use": 0.0095}
"""Shares of requests; what is left are scrapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Some seconds of the run."""

    begins_s: float
    answers: int
    p50_ms: float
    p99_ms: float
    memory_mb: float
    others: float


@dataclass(slots=True, kw_only=True)
class Mix:
    """Requests of all kinds in random order, and the count of statuses that they must get."""

    pools: dict[str, Iterator[bytes]]
    statuses: dict[str, int]
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    due: Counter[int] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[bytes]:
        """Give one after another; a pool that ends is replaced by plain ones."""
        kinds, weights = zip(*MIX.items(), strict=True)
        cumulative = list(itertools.accumulate(weights))
        while True:
            drawn = self.chance.random()
            kind = next((kind for kind, up_to in zip(kinds, cumulative, strict=True) if drawn < up_to), "scrapes")
            request = next(self.pools[kind], None)
            if request is None:
                kind = "binary"
                request = next(self.pools[kind])
            self.due[self.statuses[kind]] += 1
            yield request


def make_mix(corpus: Corpus, guarded: int) -> Mix:
    """Make all documents in advance."""
    others = (
        SoftwareNsm(pki=corpus.pki, clock=lambda: datetime.now(UTC), build="bench", enclave_id=number.to_bytes(8))
        for number in range(1000, 1000 + OTHER_ENCLAVES)
    )
    binary = corpus.binary("open", POOL)
    pools = {
        "binary": binary,
        "JSON": corpus.json("open", POOL // 4),
        "other enclaves": [corpus.request_for(enclave.attestation(), "open") for enclave in others],
        "forgeries": [request[:-1] + bytes([request[-1] ^ 1]) for request in binary[: POOL // 4]],
        "nonces": [b"POST /v1/nonces HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n"],
        "scrapes": [b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n"],
    }
    return Mix(
        pools={
            **{kind: itertools.cycle(requests) for kind, requests in pools.items()},
            "single use": iter(corpus.binary("guarded", guarded)),
        },
        statuses={"nonces": 201, "forgeries": 422, **dict.fromkeys(("scrapes", "single use"), 200)}
        | dict.fromkeys(("binary", "JSON", "other enclaves"), 200),
    )


def main() -> int:
    """Measure, print and judge."""
    arguments = _arguments()
    corpus = Corpus()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = [*shlex.split(arguments.serve), *(["--workers", str(arguments.workers)] * (arguments.workers > 1))]
        server = stack.enter_context(serving(folder, write_configuration(folder, corpus), options))
        core = None if arguments.workers > 1 else pin(server.process)
        pinned = "not pinned" if core is None else f"service on core {core}, client on another"
        mix = make_mix(corpus, int(min(MAX_GUARDED, MIX["single use"] * arguments.minutes * 60 * 6000)))
        requests = iter(mix)
        meet_everyone(server, mix)
        most = statistics.median(saturation(server.port, requests, seconds=SATURATION_S))
        rate = arguments.share * most
        print(f"{pinned}; saturation {most:.0f}/s of this mix; {rate:.0f}/s for {arguments.minutes:g} minutes")
        mix.due.clear()
        statuses, segments = soak(server, requests, rate, arguments.minutes * 60)
    report = judge(segments, statuses, mix.due)
    report["rate"] = rate
    for line in report["lines"]:  # type: ignore[attr-defined]  # a list of text
        print(line)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(bool(report["failed"]))


def meet_everyone(server: Server, mix: Mix) -> None:
    """Have the service see every enclave once, so that its cache is as large as it will be."""
    client = Client(server.port, CLOSED_LOOP_CONNECTIONS)
    try:
        outcome = client.run(mix.pools["other enclaves"], itertools.repeat(0.0, OTHER_ENCLAVES))
    finally:
        client.close()
    assert set(outcome.statuses) == {200}, outcome.statuses


def soak(server: Server, requests: Iterator[bytes], rate: float, seconds: float) -> tuple[Counter[int], list[Segment]]:
    """Send for so long; look at memory and latency after every segment."""
    statuses, segments = Counter[int](), list[Segment]()
    chance = random.Random(8)
    client = Client(server.port)
    try:
        for number in range(max(2 * BLOCKS, round(seconds / SEGMENT_S))):
            watch, before = Watch(), server.processor_s()
            outcome = client.run(requests, poisson(chance, rate, SEGMENT_S))
            statuses += outcome.statuses
            others = watch.others(further_own_s=server.processor_s() - before)
            segments.append(_segment(number * SEGMENT_S, outcome, server.memory_mb(), others))
    finally:
        client.close()
    return statuses, segments


def _segment(begins_s: float, outcome: Outcome, memory_mb: float, others: float) -> Segment:
    return Segment(
        begins_s=begins_s,
        answers=len(outcome.latencies_s),
        p50_ms=outcome.percentile_ms(0.5),
        p99_ms=outcome.percentile_ms(0.99),
        memory_mb=memory_mb,
        others=others,
    )


def slope(segments: Sequence[Segment]) -> tuple[float, float]:
    """Give memory's slope in MB an hour and the half width of its 95 % interval, from means over blocks of time.

    Neighbouring samples resemble each other; means over tenths of the time hardly do, so their scatter is believed.
    """
    size = len(segments) / BLOCKS
    blocks = [segments[round(number * size) : round((number + 1) * size)] for number in range(BLOCKS)]
    hours = [statistics.mean(one.begins_s for one in block) / 3600 for block in blocks]
    memory = [statistics.mean(one.memory_mb for one in block) for block in blocks]
    found = statistics.linear_regression(hours, memory)
    residuals = [value - found.intercept - found.slope * hour for hour, value in zip(hours, memory, strict=True)]
    centre = statistics.mean(hours)
    spread = sum((hour - centre) ** 2 for hour in hours)
    error = math.sqrt(sum(one * one for one in residuals) / (BLOCKS - 2) / spread)
    return found.slope, T_95 * error


def judge(segments: Sequence[Segment], statuses: Counter[int], due: Counter[int]) -> dict[str, object]:
    """Say what was found, and whether it is as it must be."""
    settled = segments[int(SETTLING * len(segments)) :]
    grown, uncertain = slope(settled)
    hours = (settled[-1].begins_s - settled[0].begins_s) / 3600
    grows = grown - uncertain > 0 and grown * hours > ALLOWED_GROWTH_MB
    third = len(segments) // 3
    first, last = (statistics.median(one.p99_ms for one in part) for part in (segments[:third], segments[-third:]))
    others = statistics.mean(one.others for one in segments)
    slower, judged = last > SLOWER * first, others <= MAX_OTHERS
    wrong = statuses != due
    memory = f"{settled[0].memory_mb:.1f} MB then, {settled[-1].memory_mb:.1f} MB in the end"
    return {
        "seconds": len(segments) * SEGMENT_S,
        "answers": statuses.total(),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "wrong": wrong,
        "slope": {"MB per hour": grown, "half width": uncertain},
        "p99": {"first third": first, "last third": last},
        "others": others,
        "segments": [[one.begins_s, one.p50_ms, one.p99_ms, one.memory_mb, one.others] for one in segments],
        "failed": wrong or grows or (slower and judged),
        "lines": [
            f"{statuses.total()} answers, {'NOT ' * wrong}all as they must be: {dict(statuses)}",
            f"memory {'GROWS' if grows else 'does not grow'}: {grown:+.1f} +-{uncertain:.1f} MB an hour; {memory}",
            f"p99 {first:.2f} ms in the first third, {last:.2f} ms in the last{'' if judged else ': not judged'}",
            f"others had {others:.0%} of the machine",
        ],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--serve", default="", help="further options, such as '--engine openssl'")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
