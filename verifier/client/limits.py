"""How long a call may take, how often a question is asked, and the pauses between."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DOUBLINGS: Final = 16  # past it every ceiling is the longest pause, and the power would only grow
_random = secrets.SystemRandom().random


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call may cost.

    Attributes:
        total_s: from the call to its result, everything included.
        connect_s: for connecting, TLS included.
        exchange_s: for one question and its whole answer; one that takes longer counts as lost.
        tries: how often a question is asked that was certainly not acted upon, or that may be asked twice.
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
        if not all(time > 0 for time in (self.total_s, self.connect_s, self.exchange_s)) or self.tries < 1:
            raise ValueError("times are more than 0, and tries are at least 1")
        if not all(pause >= 0 for pause in (self.pause_s, self.longest_pause_s)):
            raise ValueError("pauses are not negative")


def pause_after(
    tries: int, limits: Limits, *, retry_after: float | None = None, random: Callable[[], float] = _random
) -> float:
    """Choose how long to wait after so many tries: anything up to the ceiling, and Retry-After before that.

    Callers that lost their verifier at the same moment must not come back at the same moment.
    """
    ceiling = min(limits.longest_pause_s, limits.pause_s * 2.0 ** min(tries - 1, MAX_DOUBLINGS))
    return (retry_after or 0.0) + random() * ceiling
