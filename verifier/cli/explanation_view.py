"""An explanation for people: what failed and why first, then everything that was looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from verifier.cli.display import BAD, DIM, GOOD, HEAD, KEY, WARN, facts
from verifier.cli.escapes import plain
from verifier.explanation import CheckOutcome, Origin
from verifier.explanation.certificates import CertificateState
from verifier.explanation.ties import Outcome
from verifier.explanation.words import span
from verifier.service.explanations import summarise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from verifier.explanation import Check, Explanation
    from verifier.explanation.builds import BuildComparison, BuildsComparison

_MARKS = {
    CheckOutcome.PASSED: ("ok", GOOD),
    CheckOutcome.FAILED: ("FAILED", BAD),
    CheckOutcome.NOT_CHECKED: ("-", DIM),
}
_ORIGINS = {
    Origin.PROVEN: "Its origin is proven: a Nitro module under a trusted root signed it.",
    Origin.PROVEN_AT_ANOTHER_TIME: "Its origin is proven: a Nitro module under a trusted root signed it, but its "
    "certificates are not valid at this time.",
    Origin.UNPROVEN: "Who made this is NOT proven: everything below is only what the bytes say, and anybody may have "
    "written them.",
}
_TIES = {Outcome.AGREES: KEY, Outcome.DIFFERS: WARN, Outcome.NOT_APPLICABLE: DIM}
_STATES = {CertificateState.VALID: KEY, CertificateState.EXPIRED: BAD, CertificateState.NOT_YET_VALID: WARN}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = 3
"""Builds beside one another; more do not fit 80 columns."""
_DIGITS = 12
_SECONDS = "%Y-%m-%d %H:%M:%SZ"


def show_explanation(console: Console, explained: Explanation) -> None:
    """Print an explanation."""
    proven = explained.origin is Origin.PROVEN
    origin = Text(_ORIGINS[explained.origin], style="" if proven else WARN)
    body = Text("\n").join([Text(summarise(explained), style=HEAD), origin])
    title = Text("explanation, not a verdict", style=f"bold {WARN}")
    console.print(Panel(body, title=title, title_align="left", border_style=WARN))
    _section(console, "checks")
    console.print(_checks(explained.checks))
    if explained.builds is not None:
        _section(console, "measurements (first digits) beside the policy's builds", explained)
        _show_builds(console, explained.builds)
    _section(console, "clock")
    console.print(facts(_clock(explained)))
    if explained.certificates:
        _section(console, "certificates", explained)
        console.print(_certificates(explained))
    if explained.ties:
        _section(console, "identity", explained)
        console.print(facts(_ties(explained)))


def _section(console: Console, title: str, about: Explanation | None = None) -> None:
    mark = ("  unproven", WARN) if about is not None and about.origin is Origin.UNPROVEN else ""
    console.print()
    console.print(Rule(Text.assemble((title, HEAD), mark), align="left", style=DIM))


def _checks(checks: tuple[Check, ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style=KEY, no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        mark, style = _MARKS[check.outcome]
        table.add_row(Text(mark, style=style), check.name.value, _describe(check))
    return table


def _describe(check: Check) -> Text:
    """One check; those that failed with their code, what was found, what differs, and what to do."""
    text = Text(check.name.question, style=DIM if check.outcome is CheckOutcome.NOT_CHECKED else "")
    if check.unproven and check.outcome is not CheckOutcome.NOT_CHECKED:
        text.append("  (of an unproven document)", style=WARN)
    if check.note:
        text.append("\n" if check.findings else ": ")
        text.append(plain(check.note), style=WARN if check.findings else DIM)
    for finding in check.findings:
        text.append("\n").append(finding.reason.value, style=BAD)
        text.append(f": {plain(finding.detail)}" if finding.detail else "")
        text.append(f"\n-> {finding.reason.hint}", style=DIM)
    return text


def _show_builds(console: Console, builds: BuildsComparison) -> None:
    shown = builds.shown[:_COLUMNS]
    table = Table.grid(padding=(0, 2))
    table.add_column(style=KEY, no_wrap=True)
    table.add_column(no_wrap=True)
    for _ in shown:
        table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_row("", Text("document", style=HEAD), *(Text(plain(build.name), style=HEAD) for build in shown))
    for index in sorted({pcr.index for build in shown for pcr in build.pcrs}):
        table.add_row(f"PCR{index}", _actual(index, shown), *(_expected(index, build) for build in shown))
    if not all(build.in_window for build in shown):
        table.add_row("window", "", *(_window(build) for build in shown))
    console.print(table)
    if builds.total > len(shown):
        console.print(Text(f"the nearest {len(shown)} of {builds.total} builds", style=DIM))
    if builds.total > builds.compared:
        console.print(Text(f"only the first {builds.compared} were compared", style=WARN))


def _actual(index: int, builds: tuple[BuildComparison, ...]) -> Text:
    value = next(pcr.actual for build in builds for pcr in build.pcrs if pcr.index == index)
    return Text("absent", style=BAD) if value is None else Text(_short(value))


def _expected(index: int, build: BuildComparison) -> Text:
    for pcr in build.pcrs:
        if pcr.index == index:
            same = pcr.actual == pcr.expected
            return Text("same", style=KEY) if same else Text(_short(pcr.expected), style=BAD)
    return Text("-", style=DIM)


def _short(value: bytes) -> str:
    return "zero" if not any(value) else value.hex()[:_DIGITS]


def _window(build: BuildComparison) -> Text:
    return Text("open", style=KEY) if build.in_window else Text("closed", style=BAD)


def _clock(explained: Explanation) -> Iterator[tuple[str, Text | str]]:
    chosen = Text("  not now: the time was given", style=WARN) if explained.historical else Text("")
    yield "looked at", Text.assemble(f"{explained.at:{_SECONDS}}", chosen)
    if explained.document is not None:
        made = _moment(explained, explained.document.timestamp_ms)
        yield "made", f"{made}  (by the NSM's clock)"
    if explained.issued is not None:
        yield "nonce issued", _moment(explained, explained.issued.issued_at)
        yield "nonce good until", _moment(explained, explained.issued.expires_at)


def _moment(explained: Explanation, milliseconds: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    apart = explained.at - moment
    where = f"{span(apart)} before" if apart >= timedelta(0) else f"{span(-apart)} after"
    return f"{moment:{_SECONDS}}  {where}"


def _certificates(explained: Explanation) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=KEY, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for window in explained.certificates:
        times = f"{window.not_before:{_SECONDS}} to {window.not_after:{_SECONDS}}"
        table.add_row(window.role, times, Text(window.state.value, style=_STATES[window.state]))
    return table


def _ties(explained: Explanation) -> Iterator[tuple[str, Text | str]]:
    for tie in explained.ties:
        yield tie.outcome.value, Text.assemble((tie.name, _TIES[tie.outcome]), f"\n{plain(tie.detail)}")
