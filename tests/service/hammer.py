"""One process that uses nonces as fast as it can: ``python -m tests.service.hammer FILE COUNT``.

Prints the indices of those that it was the first to use.
"""

import sys
import time
from pathlib import Path

from verifier.service.guard import EmbeddedGuard

EXPIRES_AT = 10**13


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
    won = [index for index in range(count) if guard.consume(nonce(index), expires_at=EXPIRES_AT, at=10**12)]
    print(" ".join(map(str, won)))  # noqa: T201 - the answer
    guard.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
