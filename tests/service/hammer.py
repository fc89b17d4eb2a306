"""One process that uses nonces as fast as it can: ``python -m tests.service.hammer FILE COUNT``.

Prints the indices of those that it was the first to use. It uses one, two, three ... at once, and then begins again.
"""

import sys
import time
from itertools import cycle
from pathlib import Path

from verifier.service.guard import EmbeddedGuard

EXPIRES_AT = 10**13
MOST_AT_ONCE = 5


def nonce(index: int) -> bytes:
    """The nonce that all processes try at this step, issued after the guard was made."""
    return b"\x01\x00" + (10**12 + 1).to_bytes(6) + index.to_bytes(50)


def main(path: str, count: int) -> None:
    """Use them all."""
    guard = EmbeddedGuard(Path(path), at=10**12)
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    begin = float(sys.stdin.readline())
    while time.time() < begin:  # all at once
        pass
    won, index, sizes = [], 0, cycle(range(1, MOST_AT_ONCE + 1))
    while index < count:
        together = range(index, min(index + next(sizes), count))
        first = guard.consume_all([(nonce(each), EXPIRES_AT) for each in together], at=10**12)
        won += [each for each, is_first in zip(together, first, strict=True) if is_first]
        index = together.stop
    print(" ".join(map(str, won)))  # noqa: T201 - the answer
    guard.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
