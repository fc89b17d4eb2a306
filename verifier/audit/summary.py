"""What an audit comes to, counted row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.audit.rows import AuditRow


@dataclass(slots=True, kw_only=True)
class AuditSummary:
    """Counts of verdicts, and of rows by reason; its size does not grow with the archive."""

    affirmed: int = 0
    rejected: int = 0
    not_judged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first_problem: str | None = None
    """The first entry that was not judged, and why; one is enough to see that an archive is no archive."""

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self.affirmed + self.rejected + self.not_judged

    def add(self, row: AuditRow) -> None:
        """Count a row."""
        if row.verdict is None:
            self.not_judged += 1
            self.first_problem = self.first_problem or f"{row.id}: {row.problem}"
        elif row.verdict == "affirmed":
            self.affirmed += 1
        else:
            self.rejected += 1
        self.reasons.update(set(row.reasons))
