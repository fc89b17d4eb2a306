"""What an appraisal costs beside the signatures in it.

Prints, for each engine, the median of: V (one P-384 verification), a warm document (its leaf is known: 1 V), a new leaf
under known issuers (2 V) and a cold document (5 V), with the ratio of what the signatures alone would cost to what was
measured; 1.00 is the limit. Rounds are interleaved and in CPU time, so a busy machine disturbs all of them alike.

    python bench/verify.py [--rounds 40] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pki import AT, Corpus, make_corpus
from bench.unit import processor_us, summarise, verification
from verifier import EngineName, PathCache, Verdict, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

LEAVES = 8
DOCUMENTS_PER_LEAF = 4
CALLS = 32
"""Appraisals in one sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to time, and how many signatures it cannot do without."""

    name: str
    signatures: int
    run: Callable[[], None]
    """Makes ``CALLS`` appraisals."""


def main() -> None:
    """Measure both engines and print the ratios."""
    arguments = _arguments()
    corpus = make_corpus(leaves=LEAVES, documents_per_leaf=DOCUMENTS_PER_LEAF)
    report = {engine.value: measure(engine, corpus, arguments.rounds) for engine in EngineName}
    print(f"{platform.machine()}, Python {platform.python_version()}, {arguments.rounds} rounds of {CALLS} calls")
    for engine, rows in report.items():
        _print_rows(engine, rows)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure(engine: EngineName, corpus: Corpus, rounds: int) -> dict[str, dict[str, float]]:
    """Give, for each case, microseconds per call and the ratio to its signatures, with quartiles."""
    cases = make_cases(engine, corpus)
    samples: dict[str, list[float]] = {case.name: [] for case in cases}
    # As the service does once it is up: what exists by now is not walked by every full collection.
    gc.collect()
    gc.freeze()
    for _ in range(rounds + 1):
        for case in cases:
            samples[case.name].append(processor_us(case.run, 1) / CALLS)
    kept = {name: values[1:] for name, values in samples.items()}  # the first round warms up
    return {case.name: _summary(case, kept) for case in cases}


def make_cases(engine: EngineName, corpus: Corpus) -> tuple[Case, ...]:
    """Set up V, warm, new leaf and cold for one engine."""
    anchors = [corpus.anchor]
    flat = [document for documents in corpus.documents for document in documents]
    many = (flat * (CALLS // len(flat) + 1))[:CALLS]
    # Neighbours have different leaves, and the cache holds one: every document meets a leaf it does not know.
    alternating = [corpus.documents[number % LEAVES][0] for number in range(CALLS)]
    warm = Verifier(anchors=anchors, engine=engine)
    new_leaf = Verifier(anchors=anchors, engine=engine, cache=PathCache(leaves=1))
    cold = Verifier(anchors=anchors, engine=engine, cache=PathCache(leaves=0))
    return (
        Case(name="V", signatures=1, run=_one_verification(engine, flat[0])),
        Case(name="warm", signatures=1, run=_appraisals(warm, many, corpus)),
        Case(name="new leaf", signatures=2, run=_appraisals(new_leaf, alternating, corpus)),
        Case(name="cold", signatures=5, run=_appraisals(cold, many, corpus)),
    )


def _one_verification(engine: EngineName, document: bytes) -> Callable[[], None]:
    verify = verification(document, engine)

    def run() -> None:
        for _ in range(CALLS):
            verify()

    return run


def _appraisals(verifier: Verifier, documents: list[bytes], corpus: Corpus) -> Callable[[], None]:
    def run() -> None:
        for document in documents:
            if verifier.appraise(document, policy=corpus.policy, at=AT).verdict is not Verdict.AFFIRMED:
                raise AssertionError

    return run


def _summary(case: Case, samples: dict[str, list[float]]) -> dict[str, float]:
    # Each ratio is within one round: the machine may be slower in the next.
    ratios = [
        case.signatures * verification / taken
        for verification, taken in zip(samples["V"], samples[case.name], strict=True)
    ]
    ratio, taken = summarise(ratios), summarise(samples[case.name])
    return {"microseconds": taken.middle, "ratio": ratio.middle, "low": ratio.low, "high": ratio.high}


def _print_rows(engine: str, rows: dict[str, dict[str, float]]) -> None:
    print(f"\n{engine:10} {'us/document':>12} {'signatures/measured':>20} {'quartiles':>16}")
    for name, row in rows.items():
        print(f"{name:10} {row['microseconds']:12.1f} {row['ratio']:20.3f} {row['low']:8.3f}-{row['high']:.3f}")


if __name__ == "__main__":
    main()
