"""Text from outside, made fit to be shown: printable ASCII, and no longer than anyone reads."""

from __future__ import annotations

from datetime import timedelta

MAX_TEXT = 128
_DAYS = timedelta(days=2)


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Write everything but printable ASCII as escapes, and cut off what is too long."""
    shown = "".join(char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii") for char in text)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def span(length: timedelta) -> str:
    """Write a length of time to the millisecond, or in days where there are many."""
    exact = f"{length.total_seconds():.3f}".rstrip("0").rstrip(".")
    return f"{length.days} days" if length >= _DAYS else f"{exact} s"


def listed(indices: tuple[int, ...]) -> str:
    """Write PCRs by their indices."""
    return ", ".join(f"PCR{index}" for index in indices)
