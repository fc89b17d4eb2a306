"""Minutes at 80 % of what the service can do: does memory grow, does anything fail, do answers get slower?

A mix of requests, due at random moments: known enclaves in binary and JSON, two thousand others, forgeries, nonces,
documents that use nonces up, scrapes. Every answer's status is compared with what that request must get. Memory's slope
in the second half is told with its 95 % interval, from means over tenths of that time, and so is the trend of the 99th
percentile over all of it; what an answer costs, in V of the same seconds, is compared between the first and the last
third. Exits 1 when an answer was wrong, when memory surely grew, or when answers surely got slower or dearer while V
stayed what it was.

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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.http_service import Corpus, serving, write_configuration
from bench.load import CLOSED_LOOP_CONNECTIONS, Client, on_core, pin, poisson, saturation
from bench.machine import Watch
from bench.unit import processor_us, verification
from issuer.nsm import SoftwareNsm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
UNIT_CALLS = 20
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
    unit_us: float
    """V before it, on the service's core."""
    cost_us: float
    """Processor time of an answer."""

    @property
    def cost(self) -> float:
        """Processor time of an answer in V."""
        return self.cost_us / self.unit_us


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
        unit = partial(unit_on, core, verification(corpus.document()))
        statuses, segments = soak(server, requests, rate, arguments.minutes * 60, unit)
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


def unit_on(core: int | None, verify: Callable[[], None]) -> float:
    """Measure V on a core, so briefly that nobody waits for it, in microseconds."""
    with on_core(core):
        return processor_us(verify, UNIT_CALLS)


def soak(
    server: Server, requests: Iterator[bytes], rate: float, seconds: float, unit: Callable[[], float]
) -> tuple[Counter[int], list[Segment]]:
    """Send for so long; look at memory, latency and cost after every segment, and at V before it."""
    statuses, segments = Counter[int](), list[Segment]()
    chance = random.Random(8)
    client = Client(server.port)
    try:
        for number in range(max(2 * BLOCKS, round(seconds / SEGMENT_S))):
            unit_us, watch, before = unit(), Watch(), server.processor_s()
            outcome = client.run(requests, poisson(chance, rate, SEGMENT_S))
            statuses += outcome.statuses
            used = server.processor_s() - before
            memory_mb, others = server.memory_mb(), watch.others(further_own_s=used)
            segments.append(
                Segment(
                    begins_s=number * SEGMENT_S,
                    answers=len(outcome.latencies_s),
                    p50_ms=outcome.percentile_ms(0.5),
                    p99_ms=outcome.percentile_ms(0.99),
                    memory_mb=memory_mb,
                    others=others,
                    unit_us=unit_us,
                    cost_us=used * 1e6 / len(outcome.latencies_s),
                )
            )
    finally:
        client.close()
    return statuses, segments


def slope(segments: Sequence[Segment], value: Callable[[Segment], float]) -> tuple[float, float]:
    """Give a value's slope, an hour, and the half width of its 95 % interval, from means over blocks of time.

    Neighbouring samples resemble each other; means over tenths of the time hardly do, so their scatter is believed.
    """
    size = len(segments) / BLOCKS
    blocks = [segments[round(number * size) : round((number + 1) * size)] for number in range(BLOCKS)]
    hours = [statistics.mean(one.begins_s for one in block) / 3600 for block in blocks]
    means = [statistics.mean(map(value, block)) for block in blocks]
    found = statistics.linear_regression(hours, means)
    residuals = [mean - found.intercept - found.slope * hour for hour, mean in zip(hours, means, strict=True)]
    centre = statistics.mean(hours)
    spread = sum((hour - centre) ** 2 for hour in hours)
    error = math.sqrt(sum(one * one for one in residuals) / (BLOCKS - 2) / spread)
    return found.slope, T_95 * error


def judge(segments: Sequence[Segment], statuses: Counter[int], due: Counter[int]) -> dict[str, object]:
    """Say what was found, and whether it is as it must be."""
    settled = segments[int(SETTLING * len(segments)) :]
    grown, uncertain = slope(settled, lambda one: one.memory_mb)
    hours = (settled[-1].begins_s - settled[0].begins_s) / 3600
    grows = grown - uncertain > 0 and grown * hours > ALLOWED_GROWTH_MB
    third = len(segments) // 3
    parts = (segments[:third], segments[-third:])
    first, last = (statistics.median(one.p99_ms for one in part) for part in parts)
    cheap, dear = (statistics.median(one.cost for one in part) for part in parts)
    fast, slow = (statistics.median(one.unit_us for one in part) for part in parts)
    others = statistics.mean(one.others for one in segments)
    # Where V itself takes longer in the end, others have the machine though it does not tell, and the load is no longer
    # the share of what the service can do that it was. What they do for a minute here and there makes no trend.
    judged = others <= MAX_OTHERS and slow <= (1 + MAX_OTHERS) * fast
    rising, uncertain_rise = slope(segments, lambda one: math.log(one.p99_ms))
    span = (segments[-1].begins_s - segments[0].begins_s) / 3600
    surely, perhaps = (math.exp((rising + sign * uncertain_rise) * span) for sign in (-1, 1))
    slower, dearer = surely > SLOWER, dear > (1 + MAX_OTHERS) * cheap
    wrong = statuses != due
    memory = f"{settled[0].memory_mb:.1f} MB then, {settled[-1].memory_mb:.1f} MB in the end"
    return {
        "seconds": len(segments) * SEGMENT_S,
        "answers": statuses.total(),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "wrong": wrong,
        "slope": {"MB per hour": grown, "half width": uncertain},
        "p99": {"first third": first, "last third": last, "surely grown": surely, "perhaps grown": perhaps},
        "cost": {"first third": cheap, "last third": dear},
        "V": {"first third": fast, "last third": slow},
        "judged": judged,
        "others": others,
        "segments": [
            [one.begins_s, one.p50_ms, one.p99_ms, one.memory_mb, one.others, one.unit_us, one.cost_us]
            for one in segments
        ],
        "failed": wrong or grows or (judged and (slower or dearer)),
        "lines": [
            "a busy machine: p99 and cost are not judged" if not judged else "a calm machine, as far as can be seen",
            f"{statuses.total()} answers, {'NOT ' * wrong}all as they must be: {dict(statuses)}",
            f"memory {'GROWS' if grows else 'does not grow'}: {grown:+.1f} +-{uncertain:.1f} MB an hour; {memory}",
            f"p99 {first:.2f} ms in the first third, {last:.2f} ms in the last; surely {surely:.2f} times in the end",
            f"an answer took {cheap:.2f} V in the first third, {dear:.2f} V in the last; V {fast:.0f}, {slow:.0f} us",
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
