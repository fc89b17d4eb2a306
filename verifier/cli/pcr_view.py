"""PCRs for people: each with what it measures, the zero ones folded into one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from verifier.cli.display import DIM, KEY, ranges
from verifier.evidence.pcrs import ZERO, EvidenceKind, pcr_names

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHOLE_FROM_WIDTH = 120
_HALF = 48


def pcr_table(pcrs: Mapping[int, bytes], width: int, kind: EvidenceKind = EvidenceKind.ENCLAVE) -> Table:
    """Lay out PCRs in order; where ``width`` is narrow, values stand in two halves of one length."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=KEY, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style=DIM)
    for index in sorted(index for index, value in pcrs.items() if value != ZERO):
        digits = pcrs[index].hex()
        shown = digits if width >= _WHOLE_FROM_WIDTH else f"{digits[:_HALF]}\n{digits[_HALF:]}"
        table.add_row(f"PCR{index}", Text(shown), pcr_names(kind).get(index, ""))
    zero = [index for index, value in pcrs.items() if value == ZERO]
    if zero:
        table.add_row("others", Text(f"all zero: PCR {ranges(zero)}", style=DIM))
    return table
