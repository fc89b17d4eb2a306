"""Certificates for people: who issued whom, and where now lies in each one's validity."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from rich.table import Table
from rich.text import Text

from verifier.cli.display import BAD, DIM, KEY, WARN
from verifier.cli.escapes import plain
from verifier.cli.inspection import CertificateDetails, CertificateShape
from verifier.explanation.certificates import CertificateState
from verifier.service.wire import ReasonBody

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAR = 16
_MINUTES = "%Y-%m-%d %H:%MZ"
_UNITS = (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 60))
_STYLES = {
    CertificateState.VALID: KEY,
    CertificateState.EXPIRED: BAD,
    CertificateState.NOT_YET_VALID: WARN,
}


def chain_table(certificates: Sequence[CertificateShape], at: datetime) -> Table:
    """Lay out a path from the root down, each certificate with its name and a bar of its validity."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=KEY, no_wrap=True)
    table.add_column(overflow="fold")
    for certificate in certificates:
        table.add_row(certificate.role, _describe(certificate, at))
    return table


def span(seconds: float) -> str:
    """Write a length of time in the largest unit of which there are at least two."""
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _describe(certificate: CertificateShape, at: datetime) -> Text:
    match certificate.contents:
        case CertificateDetails() as details:
            text = Text.assemble(plain(details.common_name or details.subject or "its name cannot be shown"), "\n")
            text.append(_validity(details, at))
        case ReasonBody() as problem:
            text = Text.assemble((problem.code, BAD), f"  {certificate.bytes} bytes, sha256 {certificate.sha256}")
            text.append(f"\n{problem.detail}", style=DIM)
        case _:
            assert_never(certificate.contents)
    if certificate.known_as is not None:
        text.append(f"\nbyte for byte the bundled {certificate.known_as}", style=DIM)
    return text


def _validity(details: CertificateDetails, at: datetime) -> Text:
    begin, end = datetime.fromisoformat(details.not_before), datetime.fromisoformat(details.not_after)
    bar, words = (_bar(begin, end, at), _words(begin, end, at))
    style = _STYLES[details.state]
    return Text.assemble(f"{begin:{_MINUTES}} ", (bar, style), f" {end:{_MINUTES}} ", (words, style))


def _bar(begin: datetime, end: datetime, at: datetime) -> str:
    """Draw a window with a mark where ``at`` lies in it; outside of it there is no mark."""
    if not begin <= at <= end:
        return "░" * _BAR
    passed = int((_BAR - 1) * (at - begin) / (end - begin)) if end > begin else 0
    return "━" * passed + "●" + "─" * (_BAR - 1 - passed)


def _words(begin: datetime, end: datetime, at: datetime) -> str:
    if at > end:
        return f"expired {span((at - end).total_seconds())} ago"
    if at < begin:
        return f"valid in {span((begin - at).total_seconds())}"
    return f"{span((end - at).total_seconds())} left"
