"""Tables and plots from ``bench/results.json``: the figures of docs/performance.md, none of which is typed by hand.

Between ``<!-- figures: NAME -->`` and ``<!-- end -->`` of the page stands what the function of that name made.

    python bench/report.py [--results bench/results.json] [--check]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import sizing
from bench.goals import Results, goals
from bench.peer_trials import NAMED_VECTORS
from bench.plots import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
PLOTS = PAGE.parent / "performance"
_BLOCK = re.compile(r"(<!-- figures: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write the page and its plots, or see whether the page is what the results say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=sizing.RESULTS)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 when the page says otherwise")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text())
    if arguments.check:
        return int(filled(PAGE.read_text(), results) != PAGE.read_text())
    write(results)
    return 0


def write(results: Results) -> None:
    """Fill the page's tables, and draw the plots."""
    PAGE.write_text(filled(PAGE.read_text(), results))
    draw(results, PLOTS)


def filled(page: str, results: Results) -> str:
    """Give the page with every block made anew; one without figures says which script is wanting."""

    def fill(match: re.Match[str]) -> str:
        make = BLOCKS[match["name"]]
        try:
            made = make(results)
        except KeyError as error:
            made = f"Not measured: {error} is not in bench/results.json."
        return f"{match[1]}\n{made}\n\n{match[3]}"

    return _BLOCK.sub(fill, page)


def _table(rows: Iterable[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(one: dict[str, float], digits: int = 2) -> str:
    return f"{one['middle']:.{digits}f} ({one['low']:.{digits}f}-{one['high']:.{digits}f})"


def reached(found: Results) -> str:
    """Hold what was measured against what was wanted."""
    return _table([["goal", "wanted", "measured", "reached"], *goals(found)])


def machine(found: Results) -> str:
    """Say where and when, and how much of the machine others had."""
    rows = [["what", "is"], *([name, str(value)] for name, value in found["machine"].items())]
    runs = {name: one["run"] for name, one in found.items() if isinstance(one, dict) and "run" in one}
    taken = [["figures of", "taken at", "took", "others had of the machine"]] + [
        [f"`{name}`", run["at"], f"{run['seconds']:.0f} s", f"{run['others']:.0%}"] for name, run in runs.items()
    ]
    return f"{_table(rows)}\n\n{_table(taken)}"


def library(found: Results) -> str:
    """What appraisals take beside their signatures."""
    rows = [["signatures / measured, quartiles", "known enclave (1 V)", "new leaf (2 V)", "cold (5 V)", "V"]]
    for engine, cases in found["verify"].items():
        if engine != "run":
            cells = [_spread({**cases[name], "middle": cases[name]["ratio"]}) for name in ("warm", "new leaf", "cold")]
            rows.append([engine, *cells, f"{cases['V']['microseconds']:.0f} us"])
    return _table(rows)


def peers(found: Results) -> str:
    """What others take for the same document, and what they let through."""
    stages = ("genuine", "envelope", "document", "path", "signature")
    rows = [
        ["verifier", "in V", "times ours, cold", "times ours, known", "lets through: of its own making", *stages[1:]]
    ]
    for name, row in found["peers"]["peers"].items():
        if name == "V":
            continue
        label = f"**ours, {'known enclave' if name == 'warm' else name}**" if name in {"warm", "cold"} else f"`{name}`"
        if row["failure"]:
            rows.append([label, row["failure"], *[""] * (len(rows[0]) - 2)])
            continue
        counts = [
            f"{row['let through'].get(one, 0)} of {row['asked'][one]}" if one in row["asked"] else "" for one in stages
        ]
        rows.append([label, *(_spread(row[f"times {unit}"], 1) for unit in ("V", "cold", "warm")), *counts])
    return _table(rows)


def trials(found: Results) -> str:
    """Who accepts what must not be accepted, or does not what may."""
    names = [name for name in found["peers"]["answers"] if name != "cold"]
    rows = [["asked", "right", *("ours" if name == "warm" else f"`{name}`" for name in names)]]
    for trial, right in found["peers"]["trials"].items():
        expected = "accepts" if right["accept"] else "refuses"
        answers = [found["peers"]["answers"][name].get(trial) for name in names]
        cells = ["" if one is None else "·" if one == expected else f"**{one}**" for one in answers]
        if len({*cells} - {""}) > 1 or trial == "the genuine document":
            rows.append([NAMED_VECTORS.get(trial, trial), expected, *cells])
    return _table(rows)


def service(found: Results) -> str:
    """What a request costs the service."""
    rows = [["processor time of a request", "us", "in V, quartiles"]]
    for name, one in found["http"].items():
        if isinstance(one, dict) and "in V" in one:
            rows.append([name, f"{one['microseconds']:.0f}", _spread({**one, "middle": one["in V"]})])
    return f"{_table(rows)}\n\nThe process had {found['http']['memory MB']:.0f} MB in memory in the end."


def workers(found: Results) -> str:
    """What a second worker adds, and what one takes."""
    both, one = found["throughput"], found["workers"]
    rows = [
        ["workers", "measured"],
        [
            "answers a second, one and two workers",
            " and ".join(f"{count:.0f}" for count in both["per second"].values()),
        ],
        ["answers, two / one", _spread(both["answers, two / one"])],
        ["processor time of an answer, two / one", _spread(both["processor time, two / one"])],
        ["start to ready, two workers", f"{one['start to ready s']:.2f} s ({one['of it processor s']:.2f} s busy)"],
        ["memory of a worker (resident)", f"{one['RSS MB']:.0f} MB"],
    ]
    return _table(rows)


def latency(found: Results) -> str:
    """How long requests wait."""
    most = found["latency"]["saturation"]
    rows = [["requests", "load", "a second", "p50", "p90", "p99", "p999", "others had"]]
    for one in found["latency"]["series"]:
        times = [f"{one[name]:.2f} ms" for name in ("p50", "p90", "p99", "p999")]
        rows.append([one["name"], f"{one['share']:.0%}", f"{one['rate']:.0f}", *times, f"{one['others']:.0%}"])
    windows = f"{most['per second']:.0f} answers a second (windows: {most['low']:.0f} to {most['high']:.0f})"
    return f"Saturation: {windows}.\n\n{_table(rows)}"


def soak(found: Results) -> str:
    """What minutes near saturation did."""
    one = found["soak"]
    grown = one["slope"]
    rows = [
        ["over time", "measured"],
        ["seconds", f"{one['seconds']:.0f}"],
        ["answers a second", f"{one['rate']:.0f}"],
        ["answers", str(one["answers"])],
        ["answers that were not as they must be", "some" if one["wrong"] else "none"],
        ["memory's slope, 95 % interval", f"{grown['MB per hour']:+.1f} +-{grown['half width']:.1f} MB an hour"],
        ["memory, first and last", f"{one['segments'][0][3]:.1f} MB, {one['segments'][-1][3]:.1f} MB"],
        ["p99, first and last third", f"{one['p99']['first third']:.2f} ms, {one['p99']['last third']:.2f} ms"],
        ["p99's trend, in the end over at first, 95 % interval", _between(one["p99"])],
        ["an answer, first and last third", f"{one['cost']['first third']:.2f} V, {one['cost']['last third']:.2f} V"],
        ["V, first and last third", f"{one['V']['first third']:.0f} us, {one['V']['last third']:.0f} us"],
        ["others had of the machine", f"{one['others']:.0%}"],
    ]
    return _table(rows)


def _between(growth: dict[str, float]) -> str:
    return f"{growth['surely grown']:.2f} to {growth['perhaps grown']:.2f}"


def scaling(found: Results) -> str:
    """Whether a request costs more when there is more of something."""
    rows = [["cost of a request, ratio in one run", "median (quartiles)"]]
    rows += [[name, _spread(one, 3)] for name, one in found["scaling"]["ratios"].items()]
    return _table(rows)


def store(found: Results) -> str:
    """What single use costs."""
    names = {
        "embedded us": "embedded guard: processor time of a use, us",
        "embedded in V": "the same in V",
        "redis round trip us": "Redis on loopback: until its answer is there, us",
        "redis asking us": "Redis: processor time of asking, us",
        "redis server us": "Redis: processor time of the server, us",
    }
    rows = [["that a nonce counts once", "median (quartiles)"]]
    rows += [[label, _spread(found["store"][name])] for name, label in names.items() if name in found["store"]]
    missing = found["store"].get("redis failure")
    return _table(rows) + (f"\n\nRedis was not measured: {missing}" if missing else "")


def sizes(found: Results) -> str:
    """What so many verifications a second take."""
    return _table(sizing.table(sizing.costs(found)))


def hostile(found: Results) -> str:
    """The dearest inputs, to the library and over HTTP."""
    rows = [["input", "in honest cold documents"]]
    for where, name in (("", "hostile"), ("over HTTP: ", "hostile-http")):
        worst = sorted(found[name]["worst"].items(), key=lambda item: item[1], reverse=True)
        rows += [[f"{where}{one}", f"{ratio:.2f}"] for one, ratio in worst[:4]]
    return _table(rows)


BLOCKS: dict[str, Callable[[Results], str]] = {
    made.__name__: made
    for made in (
        reached,
        machine,
        library,
        peers,
        trials,
        service,
        workers,
        latency,
        soak,
        scaling,
        store,
        sizes,
        hostile,
    )
}


if __name__ == "__main__":
    sys.exit(main())
