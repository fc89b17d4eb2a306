"""An audit for people: progress while it runs, counts when it has ended."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from verifier.cli.display import BAD, DIM, GOOD, HEAD, WARN
from verifier.cli.escapes import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verifier.audit import AuditSummary
    from verifier.cli.audit_archive import Archive


class SummaryBody(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit comes to; all of it historical."""

    historical: bool = True
    output: str
    rows: int
    affirmed: int
    rejected: int
    not_judged: int
    reasons: dict[str, int]
    first_problem: str | None


def summary_body(summary: AuditSummary, output: str) -> SummaryBody:
    """Write a summary as its JSON body."""
    return SummaryBody(
        output=output,
        rows=summary.rows,
        affirmed=summary.affirmed,
        rejected=summary.rejected,
        not_judged=summary.not_judged,
        reasons=dict(sorted(summary.reasons.items())),
        first_problem=summary.first_problem,
    )


def show_summary(console: Console, summary: AuditSummary, output: str) -> None:
    """Print a summary."""
    counts = Text.assemble(
        f"{summary.rows} {'entry' if summary.rows == 1 else 'entries'}: ",
        (f"{summary.affirmed} affirmed", GOOD if summary.affirmed else DIM),
        ", ",
        (f"{summary.rejected} rejected", BAD if summary.rejected else DIM),
        ", ",
        (f"{summary.not_judged} not judged", WARN if summary.not_judged else DIM),
        f"\nfirst not judged: {plain(summary.first_problem)}" if summary.first_problem else "",
        (f"\nrows in {plain(output)}", DIM),
    )
    title = Text("audit: historical, not about now", style=f"bold {WARN}")
    console.print(Panel(counts, title=title, title_align="left", border_style=WARN))
    if summary.reasons:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style=HEAD)
        table.add_column()
        for reason, count in summary.reasons.most_common():
            table.add_row(str(count), plain(reason))  # of rows that are there already, whoever wrote them
        console.print(table)


@contextmanager
def progress_of(archive: Archive, done: int) -> Iterator[Callable[[int], None]]:
    """Show how far it is on stderr, where that is a terminal; give what to call with each number of new rows."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("auditing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=archive.count(), completed=done)
        yield lambda rows: progress.advance(task, rows)
