"""Other verifiers of Nitro documents beside this one: what each takes for a genuine document, and what it lets through.

Each runs in a process of its own, in an environment of its own, at the document's own time (libfaketime), and must
accept the document before it is timed. Rounds are interleaved, V is measured in each, and processor time is compared.
A peer is timed on the same document again and again, so what it might remember would show; its one time stands against
our cold and warm. Then all are asked the trials of ``bench/peer_trials.py``: what one accepts that must not be is shown
beside its time. A peer that cannot be installed loses its row, and says why.

    python bench/peers.py [--rounds 40] [--trials all|named|none] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench.debian import UnavailableError
from bench.machine import Watch
from bench.peer_process import (
    OURS,
    PEERS,
    CrashesError,
    HangsError,
    NotInstalledError,
    Peer,
    Process,
    Question,
    running,
)
from bench.peer_trials import (
    AWS_ROOT,
    NAMED_VECTORS,
    THROWAWAY_ROOT,
    Trial,
    genuine_document,
    genuine_question,
    genuine_trials,
    vector_trials,
)
from bench.unit import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SAMPLE_US = 25_000.0
"""Each sample makes about so much processor time of calls."""
MIN_CALLS = 2
WARM_UP_CALLS = 20
ACCEPTS, REFUSES, NO_ANSWER = "accepts", "refuses", "never answers"


@dataclass(slots=True, kw_only=True)
class Row:
    """What is known of one peer."""

    peer: Peer
    failure: str = ""
    """Why there is nothing else."""
    samples: list[float] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """For each trial ``ACCEPTS``, ``REFUSES`` or ``NO_ANSWER``."""


def main() -> int:
    """Measure and print; 1 when nothing could be timed, or a peer refuses the genuine document."""
    arguments = _arguments()
    try:
        genuine = genuine_document()
    except FileNotFoundError as error:
        print(error)
        return 1
    watch = Watch()
    rows = [Row(peer=peer) for peer in (*OURS, *PEERS)]
    with tempfile.TemporaryFile() as log:
        measure(rows, genuine_question(genuine), arguments.rounds, log)
        others = watch.others()
        if arguments.trials != "none":
            for row in rows[1:]:  # V is no verifier
                try_all(row, every=arguments.trials == "all", log=log)
    report = summary(rows)
    report["others"] = others
    _print(report)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(row.failure.startswith("refuses") or (row.failure and row.peer in OURS) for row in rows))


def measure(rows: Sequence[Row], question: Question, rounds: int, log: IO[bytes]) -> None:
    """Take all rounds of all peers that can be had; the reason is noted in the row of each that cannot."""
    at = genuine_document().signed_at
    with ExitStack() as stack:
        entrants: list[tuple[Row, Process, int]] = []
        for row in rows:
            try:
                process = stack.enter_context(running(row.peer, root=AWS_ROOT, at=at, log=log))
                entrants.append((row, process, _calls(process, question)))
            except (NotInstalledError, UnavailableError, CrashesError, HangsError) as error:
                row.failure = str(error) or "does not answer"
            except AssertionError as error:
                row.failure = f"refuses the genuine document: {error}"
        for _ in range(rounds):
            for row, process, calls in entrants:
                row.samples.append(process.cost_us(question, calls))


def _calls(process: Process, question: Question) -> int:
    """Warm up, which is long for what compiles itself, and choose how many calls make a sample."""
    process.cost_us(question, WARM_UP_CALLS)
    return max(MIN_CALLS, round(SAMPLE_US / process.cost_us(question, WARM_UP_CALLS)))


def try_all(row: Row, *, every: bool, log: IO[bytes]) -> None:
    """Ask all trials of one peer, each as at its own time."""
    if row.failure:
        return
    _try(row, sorted(genuine_trials(), key=lambda trial: trial.at), AWS_ROOT, log)
    if not row.peer.root_is_fixed:
        chosen = (trial for trial in vector_trials() if every or trial.accept or trial.name in NAMED_VECTORS)
        _try(row, chosen, THROWAWAY_ROOT, log)


def _try(row: Row, trials: Iterable[Trial], root: Path, log: IO[bytes]) -> None:
    for at, together in groupby(trials, key=lambda trial: trial.at):
        left = list(together)
        while left:  # a process that hangs or ends is followed by another
            with running(row.peer, root=root, at=at, log=log) as process, suppress(HangsError, CrashesError):
                while left:
                    trial = left.pop(0)
                    row.answers[trial.name] = NO_ANSWER
                    row.answers[trial.name] = ACCEPTS if process.ask(trial.question).accepted else REFUSES


def summary(rows: Sequence[Row]) -> dict[str, object]:
    """Give times, ratios and answers as plain values."""
    ours = {row.peer.name: row.samples for row in rows if row.peer in OURS}
    known = {trial.name: trial for trial in (*genuine_trials(), *vector_trials())}
    return {
        "document": genuine_document().name,
        "peers": {
            row.peer.name: {"failure": row.failure, **_times(row, ours), **_let_through(row, known)} for row in rows
        },
        "trials": {name: {"accept": known[name].accept} for name in _shown(known)},
        "answers": {row.peer.name: {name: row.answers.get(name) for name in _shown(known)} for row in rows[1:]},
    }


def _times(row: Row, ours: Mapping[str, Sequence[float]]) -> dict[str, object]:
    if not row.samples:
        return {}
    times: dict[str, object] = {"microseconds": _quartiles(row.samples)}
    for name, samples in ours.items():
        times[f"times {name}"] = _quartiles([one / other for one, other in zip(row.samples, samples, strict=True)])
    return times


def _quartiles(values: Sequence[float]) -> dict[str, float]:
    found = summarise(values)
    return {"low": found.low, "middle": found.middle, "high": found.high}


def _let_through(row: Row, known: Mapping[str, Trial]) -> dict[str, object]:
    """Count, by the stage that ought to have refused, what was accepted of what was asked."""
    vectors = {trial.name for trial in vector_trials()}
    asked, wrong = Counter[str](), Counter[str]()
    for name, answer in row.answers.items():
        if not known[name].accept:
            stage = name.partition(".")[0] if name in vectors else "genuine"
            asked[stage] += 1
            wrong[stage] += answer == ACCEPTS
    return {
        "asked": asked,
        "let through": wrong,
        "never answers": [name for name, answer in row.answers.items() if answer == NO_ANSWER],
        "wrongly refused": [name for name, answer in row.answers.items() if known[name].accept and answer == REFUSES],
    }


def _shown(known: Mapping[str, Trial]) -> list[str]:
    vectors = {trial.name for trial in vector_trials()}
    return [name for name in known if name not in vectors or name in NAMED_VECTORS or name == "affirmed.good"]


def _print(report: dict[str, Any]) -> None:
    print(f"{report['document']}; others had {report['others']:.0%} of the machine\n")
    print(f"{'':36} {'us':>8} {'V':>6} {'ours cold':>10} {'ours warm':>10}   let through of what must be refused")
    for name, row in report["peers"].items():
        if row["failure"]:
            print(f"{name:36} {row['failure']}")
            continue
        ratios = [row[f"times {unit}"]["middle"] for unit in ("V", "cold", "warm")]
        counts = ", ".join(f"{stage} {row['let through'][stage]}/{count}" for stage, count in row["asked"].items())
        times = f"{row['microseconds']['middle']:8.0f} {ratios[0]:6.2f} {ratios[1]:9.2f}x {ratios[2]:9.2f}x"
        print(f"{name:36} {times}   {counts}")
    for trial, right in report["trials"].items():
        expected = {None, ACCEPTS if right["accept"] else REFUSES}
        wrong = [
            f"{peer} {answers[trial]}" for peer, answers in report["answers"].items() if answers[trial] not in expected
        ]
        if wrong:
            print(f"{NAMED_VECTORS.get(trial, trial)}: {', '.join(wrong)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--trials", choices=("all", "named", "none"), default="all")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
