"""How long a call may take, how often it begins again, and the pauses between."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_DOUBLINGS: Final = 16  # past it every ceiling is the longest pause, and the power would only grow
_random = secrets.SystemRandom().random


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call may cost.

    Attributes:
        total_s: from the call to the verdict. An NSM at work and the operating system's resolver cannot be interrupted;
            it is found out afterwards that they took too long.
        connect_s: for connecting.
        exchange_s: for one question and its whole answer; one that takes longer counts as lost.
        tries: how often to begin, each time with a new nonce.
        pause_s: what the first pause is at most; it doubles from one to the next.
        longest_pause_s: what any pause is at most, less what the verifier asks for with Retry-After.
    """

    total_s: float = 30.0
    connect_s: float = 5.0
    exchange_s: float = 10.0
    tries: int = 4
    pause_s: float = 0.25
    longest_pause_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse limits under which no call could succeed."""
        if min(self.total_s, self.connect_s, self.exchange_s) <= 0 or self.tries < 1:
            raise ValueError("times are more than 0, and tries are at least 1")
        if min(self.pause_s, self.longest_pause_s) < 0:
            raise ValueError("pauses are not negative")


def pause_after(
    tries: int, limits: Limits, *, retry_after: float | None = None, random: Callable[[], float] = _random
) -> float:
    """Choose how long to wait after so many tries: anything up to the ceiling, and Retry-After before that.

    Enclaves that lost their verifier at the same moment must not come back at the same moment.
    """
    ceiling = min(limits.longest_pause_s, limits.pause_s * 2.0 ** min(tries - 1, MAX_DOUBLINGS))
    return (retry_after or 0.0) + random() * ceiling
