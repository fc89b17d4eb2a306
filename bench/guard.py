"""A guard against losing speed, for CI: wide ratios, in processor time, interleaved, taken twice if need be.

V to the appraisal of a known enclave's document must stay at ``LEAST_OF_V`` or above, and the naive verifier of
``bench/peer/naive`` must take ``LEAST_TIMES`` as long. A quiet machine shows 0.85 and more, and about 28.

    python bench/guard.py
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench.peer_process import OURS, PEERS, Question, running
from bench.unit import Summary, summarise
from issuer.nsm import SoftwareNsm, ThrowawayPki

LEAST_OF_V = 0.75
LEAST_TIMES = 20.0
ROUNDS = 25
CALLS = {"V": 100, "warm": 100, "naive": 4}
TRIES = 2
_SEED = b"nitro-verifier benchmarks, throwaway"


def main() -> int:
    """Measure until it is good, at most twice; 1 when it never was."""
    for left in reversed(range(TRIES)):
        of_v, times = measure()
        good = of_v.middle >= LEAST_OF_V and times.middle >= LEAST_TIMES
        print(f"V / known enclave     {_describe(of_v)}, at least {LEAST_OF_V}")
        print(f"naive / known enclave {_describe(times)}, at least {LEAST_TIMES:.0f}")
        if good:
            return 0
        print("once more" if left else "slower than it may be")
    return 1


def measure() -> tuple[Summary, Summary]:
    """Give V to a known enclave's document, and the naive verifier to the same."""
    pki = ThrowawayPki(seed=_SEED)
    nsm = SoftwareNsm(pki=pki, clock=lambda: datetime.now(UTC), build="bench")
    pcrs = {index: nsm.describe_pcr(index).data for index in (0, 1, 2)}
    question = Question(document=nsm.attestation(), pcrs=pcrs)
    entrants = {"V": OURS[0], "warm": OURS[1], "naive": PEERS[0]}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = folder / "root.pem"
        root.write_text(pki.root_pem)
        log = stack.enter_context((folder / "log").open("wb"))
        processes = {name: stack.enter_context(running(peer, root=root, log=log)) for name, peer in entrants.items()}
        rounds = [
            {name: process.cost_us(question, CALLS[name]) for name, process in processes.items()}
            for _ in range(ROUNDS + 1)
        ][1:]  # the first warms up
    return (
        summarise([one["V"] / one["warm"] for one in rounds]),
        summarise([one["naive"] / one["warm"] for one in rounds]),
    )


def _describe(found: Summary) -> str:
    return f"{found.middle:.2f} (quartiles {found.low:.2f}-{found.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
