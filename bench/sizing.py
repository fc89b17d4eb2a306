"""What it takes to verify so many documents a second: reckoned from what was measured, with the reckoning shown.

One function from ``bench/results.json`` to a table; ``bench/report.py`` puts it into docs/performance.md.

    python bench/sizing.py [--results bench/results.json]
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results.json"
RATES = (1_000, 10_000, 100_000, 1_000_000)
BUSY = 0.6
"""How busy a core may be at the peak, so that answers stay quick and a machine may fail."""
STORE_BUSY = 0.5
"""The same of the shared store, which has one core for each of its shards."""
CORES_EACH = 16
"""Of a replica's machine, for the column of machines."""
LEAF_LIFETIME_S = 3 * 3600
"""A leaf is valid for so long, so an enclave's first document after that is dearer."""
ENCLAVES = 100_000
"""How many enclaves are assumed to present themselves to every worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What one request takes."""

    processor_us: float
    """Of the service: a binary body, everything on, a nonce that is used up elsewhere, and asking for that."""
    store_us: float | None
    """Of the shared store's processor; None where it was not measured."""
    new_leaf_us: float
    """What a worker's first document of a leaf takes more."""
    worker_mb: float
    bytes_each: float
    """On the network, both ways."""


def costs(results: dict[str, Any]) -> Costs:
    """Read them from the results."""
    service, store, library = results["http"], results["store"], results["verify"]["aws-lc"]
    half = next(one for one in results["latency"]["series"] if one["share"] == 0.5)  # noqa: PLR2004 - half
    asking = store.get("redis asking us", {"middle": 0.0})["middle"]
    return Costs(
        processor_us=service["binary"]["microseconds"] + asking,
        store_us=store["redis server us"]["middle"] if "redis server us" in store else None,
        new_leaf_us=library["new leaf"]["microseconds"] - library["warm"]["microseconds"],
        worker_mb=results["workers"]["RSS MB"],
        bytes_each=half["request bytes"] + half["answer bytes"],
    )


def table(one: Costs) -> list[list[str]]:
    """Give the table's rows, the head first."""
    head = ["verifications a second", "cores busy", "workers", f"machines of {CORES_EACH} cores", "memory of workers"]
    return [[*head, "shards of the shared store", "network"], *(_row(rate, one) for rate in RATES)]


def workers_for(rate: int, one: Costs) -> int:
    """Give how many workers, each on a core of its own, stay at ``BUSY`` or below.

    Every worker remembers leaves by itself and meets each of them anew, so a part of its time does not shrink with
    the number of workers.
    """
    meeting = ENCLAVES / LEAF_LIFETIME_S * one.new_leaf_us / 1e6
    return max(2, math.ceil(rate * one.processor_us / 1e6 / (BUSY - meeting)))


def _row(rate: int, one: Costs) -> list[str]:
    workers = workers_for(rate, one)
    shards = "not measured" if one.store_us is None else str(math.ceil(rate * one.store_us / 1e6 / STORE_BUSY))
    return [
        f"{rate:,}",
        f"{rate * one.processor_us / 1e6:,.1f}",
        f"{workers:,}",
        f"{max(2, math.ceil(workers / CORES_EACH)):,}",
        f"{workers * one.worker_mb / 1000:,.1f} GB",
        shards,
        f"{rate * one.bytes_each * 8 / 1e9:,.2f} Gbit/s",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    for row in table(costs(json.loads(parser.parse_args().results.read_text()))):
        print("  ".join(f"{cell:>24}" for cell in row))


if __name__ == "__main__":
    main()
