"""Where the command line reads the clock; everything below is told the time."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)
