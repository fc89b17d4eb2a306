"""What every entry of a policy that names PCRs must be: a build, a shadow build or a denied one."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import PCR_BYTES, PCR_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_BUILD_NAME_LENGTH = 128


def problems_of_pcrs(where: str, name: str, pcrs: Mapping[int, bytes]) -> Iterator[str]:
    """Name what keeps an entry's name from being shown, or its PCRs from being compared."""
    if not 0 < len(name) <= _BUILD_NAME_LENGTH or not name.isprintable():
        yield f"{where}: the name must be 1 to {_BUILD_NAME_LENGTH} printable characters"
    if not pcrs:
        yield f"{where}: no PCRs, so it would match everything"
    for index, value in pcrs.items():
        if not 0 <= index < PCR_COUNT or len(value) != PCR_BYTES:
            yield f"{where}: PCR{index} must be one of 0 to 31 with a value of 96 hex digits"


def problems_of_window(where: str, not_before: datetime | None, not_after: datetime | None) -> Iterator[str]:
    """Name what keeps a window from being one."""
    window = [moment for moment in (not_before, not_after) if moment is not None]
    if not all(_has_utc_form(moment) for moment in window):
        yield f"{where}: not_before and not_after need a time zone, such as 2027-01-31T00:00:00Z"
    elif len(window) == 2 and window[0] >= window[1]:  # noqa: PLR2004 - both ends
        yield f"{where}: not_before is not earlier than not_after"


def _has_utc_form(moment: datetime) -> bool:
    try:
        return moment.utcoffset() is not None and moment.astimezone(UTC) is not None
    except OverflowError:  # the first and last hours of the calendar, in another zone
        return False
