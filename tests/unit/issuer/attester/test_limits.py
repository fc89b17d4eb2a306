import pytest

from issuer.attester import Limits
from issuer.attester.answers import Answer
from issuer.attester.limits import pause_after

LIMITS = Limits(pause_s=0.25, longest_pause_s=5)


@pytest.mark.parametrize(
    ("tries", "retry_after", "ceiling"),
    [(1, None, 0.25), (2, None, 0.5), (3, None, 1), (6, None, 5), (10**9, None, 5), (1, 7.0, 7.25)],
)
def test_pauses_grow_to_a_ceiling_after_what_the_verifier_asked_for(
    tries: int, retry_after: float | None, ceiling: float
) -> None:
    """A crowd would come back too early, or nobody for an hour."""
    assert pause_after(tries, LIMITS, retry_after=retry_after, random=lambda: 1.0) == ceiling
    assert pause_after(tries, LIMITS, retry_after=retry_after, random=lambda: 0.0) == (retry_after or 0)


def test_pauses_differ() -> None:
    """Enclaves that lost their verifier together would come back together."""
    assert len({pause_after(1, LIMITS) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    "limits",
    [
        {"total_s": 0},
        {"connect_s": 0},
        {"exchange_s": -1},
        {"tries": 0},
        {"pause_s": -1},
        {"longest_pause_s": -1},
    ],
)
def test_limits_under_which_nothing_could_succeed_are_refused(limits: dict[str, int]) -> None:
    """A mistake in configuration would look like a verifier that is down."""
    with pytest.raises(ValueError, match="are"):
        Limits(**limits)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1),
        ("0", 0),
        ("999999", 999999),
        ("1000000", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("\u0661", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_counts_in_whole_seconds(text: str, seconds: float | None) -> None:
    """A date, compared with an enclave's clock, could mean a year; a number without end, too."""
    assert Answer(status=503, headers={"retry-after": text}, body=b"").retry_after == seconds
