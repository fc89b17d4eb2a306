"""The selection of benchmarks behind docs/performance.md: five minutes of a machine with two idle cores.

Runs the scripts one after another, gathers their figures and the machine's in ``bench/results.json``, draws the plots
and fills the tables of docs/performance.md. Exits 1 when a script failed or judged something not good; what it found is
written all the same.

    python bench/run.py [--quick | --full] [--only NAME ...] [--results FILE] [--no-report]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report
from bench.machine import Watch, describe
from bench.sizing import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
PATIENCE_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One script, and how much it is to do in each selection."""

    name: str
    script: str
    quick: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    full: tuple[str, ...] = ()


STEPS = (
    Step(name="verify", script="verify.py", quick=("--rounds", "10"), full=("--rounds", "100")),
    Step(name="peers", script="peers.py", quick=("--rounds", "8", "--trials", "named"), full=("--rounds", "100")),
    Step(name="http", script="http_service.py", quick=("--rounds", "4"), full=("--rounds", "40")),
    Step(name="workers", script="workers.py", quick=("--starts", "2"), full=("--starts", "20")),
    Step(name="throughput", script="throughput.py", quick=("--rounds", "4", "--seconds", "2"), full=("--rounds", "20")),
    Step(name="latency", script="latency.py", quick=("--seconds", "3"), full=("--seconds", "30")),
    Step(name="scaling", script="scaling.py", quick=("--rounds", "5"), full=("--rounds", "40")),
    Step(name="store", script="store.py", quick=("--rounds", "5"), full=("--rounds", "40")),
    Step(name="hostile", script="hostile.py", quick=("--rounds", "3"), usual=("--rounds", "7")),
    Step(name="hostile-http", script="hostile_http.py", quick=("--rounds", "3"), full=("--rounds", "30")),
    Step(name="soak", script="soak.py", quick=("--minutes", "0.5"), usual=("--minutes", "1"), full=("--minutes", "20")),
)


def main() -> int:
    """Run, write and report."""
    arguments = _arguments()
    size = "quick" if arguments.quick else "full" if arguments.full else "usual"
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    results["machine"] = describe()
    failed = []
    for step in STEPS:
        if not arguments.only or step.name in arguments.only:
            good, found = run(step, getattr(step, size))
            results |= {step.name: found} if found else {}
            failed += [] if good else [step.name]
    arguments.results.write_text(json.dumps(results, indent=1) + "\n")
    if not arguments.no_report:
        report.write(results)
    print(f"not good: {', '.join(failed)}" if failed else "all good")
    return int(bool(failed))


def run(step: Step, options: Sequence[str]) -> tuple[bool, dict[str, Any]]:
    """Run one script; give whether it was content, and its figures."""
    command = (sys.executable, str(HERE / step.script), *options)
    print(f"\n=== {step.script} {' '.join(options)}", flush=True)
    watch, began, taken_at = Watch(), time.monotonic(), datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        done = subprocess.run((*command, "--json", str(file)), timeout=PATIENCE_S, check=False)
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    elapsed, others = time.monotonic() - began, watch.others()
    print(f"--- {elapsed:.0f} s, others had {others:.0%} of the machine", flush=True)
    if found:
        found["run"] = {"at": taken_at.isoformat(timespec="seconds"), "seconds": elapsed, "others": others}
    return done.returncode == 0, found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute or two, to see that all of it works")
    size.add_argument("--full", action="store_true", help="forty minutes: more rounds, and twenty near saturation")
    parser.add_argument("--only", nargs="+", choices=[step.name for step in STEPS], metavar="NAME", default=[])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--no-report", action="store_true", help="write the results alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
