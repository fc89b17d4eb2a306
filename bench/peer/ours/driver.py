"""nitro-verifier itself, and V, in the same kind of process as the peers.

The mode is the first argument: ``cold`` (nothing is remembered), ``warm`` (the leaf is) or ``V`` (the document's
signature alone).
"""

from __future__ import annotations

import gc
import os
import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peer.loop import Order, RefusedError, serve
from bench.unit import verification
from verifier import PathCache, Policy, Verdict, Verifier, load_anchor, read_policy

if TYPE_CHECKING:
    from collections.abc import Callable


def appraisals(cache: PathCache) -> Callable[[Order], None]:
    """Give the verifier, with a policy for each set of expected PCRs."""
    root = Path(os.environ["PEER_ROOT"]).read_bytes()
    verifier = Verifier(anchors=[load_anchor(root, name="root", sha256=os.environ["PEER_ROOT_SHA256"])], cache=cache)

    def verify(order: Order) -> None:
        policy = write_policy(tuple(order.pcrs.items())) if order.pcrs else None
        result = verifier.appraise(order.document, policy=policy, at=datetime.now(UTC))
        if result.verdict is not Verdict.AFFIRMED:
            raise RefusedError(result)

    return verify


@lru_cache
def write_policy(pcrs: tuple[tuple[int, str], ...]) -> Policy:
    """Write the policy that expects these values."""
    values = ", ".join(f'{index} = "{value}"' for index, value in pcrs)
    return read_policy(f'name = "bench"\nnonce = "none"\n[[build]]\nname = "bench"\npcrs = {{ {values} }}\n')


def signatures() -> Callable[[Order], None]:
    """Give V."""
    prepare = lru_cache(verification)
    return lambda order: prepare(order.document)()


if __name__ == "__main__":
    modes = {
        "cold": lambda: appraisals(PathCache(leaves=0)),
        "warm": lambda: appraisals(PathCache()),
        "V": signatures,
    }
    chosen = modes[sys.argv[1]]()
    gc.collect()
    gc.freeze()  # as the service does
    serve(chosen)
