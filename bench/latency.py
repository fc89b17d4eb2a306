"""How long a request waits, at 25, 50 and 90 % of what the service can do.

An open loop: requests are due at random moments (Poisson), whatever became of those before, and each is timed from when
it was due, so that waiting for a free connection counts. The service has everything on: metrics, request ids, a log, a
policy, and in the last series nonces of its own that count once. It has one core, the client another.

    python bench/latency.py [--seconds 10] [--workers 1] [--json FILE] [--serve "OPTIONS"]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shlex
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.http_service import Corpus, serving, write_configuration
from bench.load import Client, Outcome, pin, poisson, saturation
from bench.machine import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.http_service import Server

SHARES = (0.25, 0.5, 0.9)
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
DOCUMENTS = 4000
SATURATION_S = 5.0
GUARDED_SHARE = 0.5
MAX_GUARDED = 12_000
"""Documents with nonces of their own, made in advance: each takes 5 kB, and as long to make as to verify."""
CURVE = tuple(1 - 10 ** (-step / 10) for step in range(36))
"""Percentiles for a plot, ever closer to 1."""
GOAL_MS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What was sent, how often, and what became of it."""

    name: str
    share: float
    rate: float
    outcome: Outcome
    others: float


def main() -> int:
    """Measure and print; 1 when an answer was another than 200."""
    arguments = _arguments()
    corpus = Corpus()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = [*shlex.split(arguments.serve), *(["--workers", str(arguments.workers)] * (arguments.workers > 1))]
        server = stack.enter_context(serving(folder, write_configuration(folder, corpus), options))
        core = None if arguments.workers > 1 else pin(server.process)
        pinned = "not pinned" if core is None else f"service on core {core}, client on another"
        requests = itertools.cycle(corpus.binary("open", DOCUMENTS))
        windows = saturation(server.port, requests, seconds=SATURATION_S)
        most = statistics.median(windows)
        print(f"{pinned}; saturation {most:.0f}/s (windows {min(windows):.0f} to {max(windows):.0f})")
        series = [take(server, "binary", requests, share, most, arguments.seconds) for share in SHARES]
        series.append(guarded(server, corpus, most, arguments.seconds))
    _print(series)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(_report(series, windows), indent=1) + "\n")
    return int(any(set(one.outcome.statuses) != {200} for one in series))


def take(server: Server, name: str, requests: Iterator[bytes], share: float, most: float, seconds: float) -> Series:
    """Send at a share of the most for some seconds."""
    client = Client(server.port)
    watch, before = Watch(), server.processor_s()
    try:
        outcome = client.run(requests, poisson(random.Random(share), share * most, seconds))
    finally:
        client.close()
    others = watch.others(further_own_s=server.processor_s() - before)
    return Series(name=name, share=share, rate=share * most, outcome=outcome, others=others)


def guarded(server: Server, corpus: Corpus, most: float, seconds: float) -> Series:
    """Send documents whose nonces count once, at half of what is possible without."""
    rate = GUARDED_SHARE * most
    requests = corpus.binary("guarded", min(MAX_GUARDED, int(1.2 * rate * seconds)))
    seconds = min(seconds, len(requests) / 1.2 / rate)
    return take(server, "binary, single use", iter(requests), GUARDED_SHARE, most, seconds)


def _print(series: Sequence[Series]) -> None:
    print(f"\n{'':20} {'load':>5} {'per s':>7} {'answers':>8} {'p50':>7} {'p90':>7} {'p99':>7} {'p999':>7} ms   others")
    for one in series:
        found = " ".join(f"{one.outcome.percentile_ms(share):7.2f}" for share in PERCENTILES.values())
        answers = len(one.outcome.latencies_s)
        print(f"{one.name:20} {one.share:5.0%} {one.rate:7.0f} {answers:8} {found}      {one.others:.0%}")
    half = next(one for one in series if one.share == GUARDED_SHARE)
    print(f"p50 at half of saturation: {half.outcome.percentile_ms(0.5):.2f} ms, goal {GOAL_MS:.0f} ms")


def _report(series: Sequence[Series], windows: Sequence[float]) -> dict[str, object]:
    return {
        "saturation": {"per second": statistics.median(windows), "low": min(windows), "high": max(windows)},
        "series": [
            {
                "name": one.name,
                "share": one.share,
                "rate": one.rate,
                "answers": len(one.outcome.latencies_s),
                "statuses": {str(status): count for status, count in one.outcome.statuses.items()},
                "others": one.others,
                "request bytes": one.outcome.sent_bytes / len(one.outcome.latencies_s),
                "answer bytes": one.outcome.received_bytes / len(one.outcome.latencies_s),
                **{name: one.outcome.percentile_ms(share) for name, share in PERCENTILES.items()},
                "curve": [[share, one.outcome.percentile_ms(share)] for share in CURVE],
            }
            for one in series
        ],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="for each share")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--serve", default="", help="further options, such as '--engine openssl'")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
