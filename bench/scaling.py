"""Does a request cost more when there is more of something: policies, builds in a policy, enclaves that are remembered?

Services with 1, 100 and 1000 policies, and with 1 and 1000 builds in one (the last of which matches), are sent the same
documents in interleaved rounds, and the processor time of each request is compared within rounds. What the path cache
holds, 10 leaves or 100,000, is compared in this process, in appraisals. Exits 1 when a median ratio is above ``LIMIT``.

    python bench/scaling.py [--rounds 20] [--requests 200] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import random
import sys
import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.http_service import Corpus, serving, write_configuration
from bench.load import CLOSED_LOOP_CONNECTIONS, Client
from bench.machine import Watch
from bench.pki import AT, make_corpus
from bench.unit import processor_us, summarise
from verifier import PathCache, Verdict, Verifier
from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.pki import Corpus as Documents

LIMIT = 1.15
"""Memory that is farther away costs something: that is not growth."""
POLICIES = (1, 100, 1000)
BUILDS = 1000
POOL = 1000
FEW_LEAVES, MANY_LEAVES = 10, 100_000
REAL_LEAVES = 200
"""Enclaves whose documents are appraised among the many; the others are remembered, and nothing is sent of them."""
LEAF_BYTES = 600
APPRAISALS = 200


def main() -> int:
    """Measure and print; 1 when something grows."""
    arguments = _arguments()
    watch = Watch()
    ratios = {**services(arguments.rounds, arguments.requests), **leaves(arguments.rounds)}
    others = watch.others()
    print(f"processor time of a request, against the least of its kind; others had {others:.0%} of the machine")
    for name, values in ratios.items():
        found = summarise(values)
        print(f"{name:24} {found.middle:6.3f}  quartiles {found.low:.3f}-{found.high:.3f}")
    medians = {name: summarise(values) for name, values in ratios.items()}
    if arguments.json is not None:
        plain = {name: {"low": one.low, "middle": one.middle, "high": one.high} for name, one in medians.items()}
        arguments.json.write_text(json.dumps({"limit": LIMIT, "ratios": plain, "others": others}, indent=1) + "\n")
    return int(any(one.middle > LIMIT for one in medians.values()))


def services(rounds: int, count: int) -> dict[str, list[float]]:
    """Compare services that hold more with the one that holds least."""
    corpus = Corpus()
    documents = [corpus.document() for _ in range(POOL)]
    holdings = {f"{number} policies": (number, 1) for number in POLICIES}
    holdings[f"{BUILDS} builds"] = (1, BUILDS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        costs = {
            name: stack.enter_context(request_cost(folder / name, corpus, documents, policies, builds, count))
            for name, (policies, builds) in holdings.items()
        }
        return _ratios(costs, rounds)


@contextmanager
def request_cost(
    folder: Path, corpus: Corpus, documents: Sequence[bytes], policies: int, builds: int, count: int
) -> Iterator[Callable[[], float]]:
    """Run a service that holds so much; give what measures a request to it, over all of its policies in turn."""
    folder.mkdir()
    configuration = write_configuration(folder, corpus)
    names = [f"p{number}" for number in range(policies)]
    for name in names:
        (folder / "policies" / f"{name}.toml").write_text(policy_text(corpus.pcrs, builds))
    requests = itertools.cycle(
        [corpus.request_for(document, name) for document, name in zip(documents, itertools.cycle(names), strict=False)]
    )
    with serving(folder, configuration) as server:

        def cost() -> float:
            before = server.processor_s()
            with closing(Client(server.port, CLOSED_LOOP_CONNECTIONS)) as client:
                outcome = client.run(requests, itertools.repeat(0.0, count))
            assert set(outcome.statuses) == {200}, outcome.statuses
            return (server.processor_s() - before) / count

        yield cost


def policy_text(pcrs: Mapping[int, bytes], builds: int) -> str:
    """Write a policy of so many builds, of which the last is the one that documents have."""
    chance = random.Random(3)
    tables = []
    for number in range(builds):
        values = pcrs if number == builds - 1 else {index: chance.randbytes(48) for index in pcrs}
        written = ", ".join(f'{index} = "{value.hex()}"' for index, value in values.items())
        tables.append(f'[[build]]\nname = "v{number}"\npcrs = {{ {written} }}\n')
    return 'nonce = "none"\nmax_age = "1h"\n' + "".join(tables)


def leaves(rounds: int) -> dict[str, list[float]]:
    """Compare appraisals among many remembered leaves with the same among few."""
    documents = make_corpus(leaves=REAL_LEAVES, documents_per_leaf=1)
    few, least, most = FEW_LEAVES, PathCache(leaves=2 * MANY_LEAVES), crowded_cache(documents)
    cases = {
        f"{FEW_LEAVES} leaves": (least, few),
        f"{MANY_LEAVES} leaves": (most, few),
        f"{MANY_LEAVES} leaves, {REAL_LEAVES} in use": (most, REAL_LEAVES),
    }
    costs = {name: appraisal_cost(documents, cache, used) for name, (cache, used) in cases.items()}
    gc.collect()
    gc.freeze()
    return _ratios(costs, rounds)


def crowded_cache(documents: Documents) -> PathCache:
    """Fill a cache with as many leaves as it is to hold, by its own means; of most there will be no document."""
    cache = PathCache(leaves=2 * MANY_LEAVES)
    evidence = documents.documents[0][0]
    Verifier(anchors=[documents.anchor], cache=cache).appraise(evidence, policy=documents.policy, at=AT)
    document = decode_document(decode_envelope(evidence).payload)
    path = cache.find_path(document.cabundle, document.certificate)
    assert path
    chance = random.Random(4)
    for _ in range(MANY_LEAVES):
        cache.keep_path(document.cabundle, chance.randbytes(LEAF_BYTES), path)
    return cache


def appraisal_cost(documents: Documents, cache: PathCache, used: int) -> Callable[[], float]:
    """Give what measures an appraisal of documents of so many enclaves in turn, all of them known."""
    verifier = Verifier(anchors=[documents.anchor], cache=cache)
    turns = itertools.cycle(documents.documents[:used])

    def appraise() -> None:
        result = verifier.appraise(next(turns)[0], policy=documents.policy, at=AT)
        assert result.verdict is Verdict.AFFIRMED

    processor_us(appraise, used)  # meets them all
    return lambda: processor_us(appraise, APPRAISALS)


def _ratios(costs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take all rounds; give, for all but the first, the ratios to the first of the same round."""
    taken: dict[str, list[float]] = {name: [] for name in costs}
    for turn in range(rounds + 1):  # the first warms up
        for name in costs if turn % 2 else reversed(list(costs)):
            taken[name].append(costs[name]())
    base, *more = costs
    return {
        f"{name} / {base}": [one / other for one, other in zip(taken[name][1:], taken[base][1:], strict=True)]
        for name in more
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=200, help="in each round of each service")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
