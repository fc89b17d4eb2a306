"""How long, how often, and how far apart."""

from math import nan
from typing import Any

import pytest

from verifier.client.limits import Limits, pause_after


@pytest.mark.parametrize(
    "wrong", [{"total_s": 0}, {"connect_s": -1}, {"exchange_s": nan}, {"tries": 0}, {"pause_s": -1}, {"pause_s": nan}]
)
def test_limits_under_which_nothing_succeeds_are_refused(wrong: dict[str, Any]) -> None:
    """Every call would fail, or wait for ever."""
    with pytest.raises(ValueError, match=r"more than 0|not negative"):
        Limits(**wrong)


def test_pauses_double_are_random_and_end_growing() -> None:
    """All callers would come back at the same moment, or later and later."""
    limits = Limits(pause_s=1, longest_pause_s=5)
    assert [pause_after(tries, limits, random=lambda: 1.0) for tries in (1, 2, 3, 4, 10_000)] == [1, 2, 4, 5, 5]
    assert pause_after(3, limits, random=lambda: 0.25) == 1
    assert pause_after(1, limits, retry_after=7, random=lambda: 0.5) == 7.5
    assert 0 <= pause_after(1, limits) <= 1
