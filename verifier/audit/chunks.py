"""Check a chunk of entries: the one function that runs in other processes, and on other machines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from verifier.audit.entries import decode_item
from verifier.audit.job import checker_of
from verifier.audit.rows import encode_row, judged_row, unjudged_row
from verifier.history import OwnTime, document_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.audit.entries import AuditItem
    from verifier.audit.job import AuditJob, Checker
    from verifier.audit.rows import AuditRow

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""For what has no time of its own. It is refused before any time is looked at, and its row names none."""


def audit_chunk(job: AuditJob, items: Sequence[AuditItem]) -> list[bytes]:
    """Give a row for each item, in order; the same job and items always give the same rows."""
    checker = checker_of(job)
    return [encode_row(_check(checker, item)) for item in items]


def _check(checker: Checker, item: AuditItem) -> AuditRow:
    entry_id = item.name
    try:
        entry = decode_item(item)
        entry_id = entry.id
        policy = checker.find_policy(entry.policy)
    except ValueError as error:
        return unjudged_row(item.number, entry_id, str(error))
    chosen = checker.at if entry.at is None else entry.at
    at = document_time(entry.document) if isinstance(chosen, OwnTime) else chosen
    result = checker.verifier.appraise(
        entry.document, policy=policy, nonce=entry.nonce, at=at or _NO_TIME, historical=True
    )
    return judged_row(item.number, entry.id, result, timed=at is not None)
