"""What people see: colours and boxes where there is a terminal, plain text where there is none.

Text from outside never reaches the terminal as it is: ``plain`` of ``verifier.cli.escapes`` is the only way from such
text into a ``Text``; consoles interpret no markup.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from verifier.cli.escapes import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

HEXDUMP_WIDTH = 16
HEXDUMP_ROWS = 4

GOOD, BAD, DIM, WARN, KEY, HEAD = "bold green", "bold red", "dim", "yellow", "cyan", "bold"


class _Console(Console):
    """A console that reports a reader's going away instead of exiting 1, which here means "rejected"."""

    def on_broken_pipe(self) -> None:
        """Let the command's edge choose the exit code."""
        raise BrokenPipeError


def output() -> Console:
    """Give the console for results. Made anew each time, because tests and pipes exchange ``sys.stdout``."""
    return _Console(file=sys.stdout, markup=False, emoji=False, highlight=False)


def show_note(message: str) -> None:
    """Show a note on stderr."""
    console = _Console(file=sys.stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)
    with suppress(OSError):  # a note that nobody can read costs no verdict
        console.print(Text.assemble(("note: ", WARN), plain(message)))


def facts(rows: Iterable[tuple[str, Text | str]]) -> Table:
    """Lay out names and values in two columns; values break anywhere rather than being cut off."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=KEY, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def hexdump(data: bytes, rows: int = HEXDUMP_ROWS) -> Text:
    """Show the first bytes as hex and as ASCII, sixteen to a line."""
    lines = []
    for at in range(0, min(len(data), rows * HEXDUMP_WIDTH), HEXDUMP_WIDTH):
        chunk = data[at : at + HEXDUMP_WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in chunk)  # noqa: PLR2004 - printable ASCII
        lines.append(f"{chunk.hex(' '):<{3 * HEXDUMP_WIDTH - 1}}  {shown}")
    left = len(data) - rows * HEXDUMP_WIDTH
    return Text("\n".join([*lines, *([f"... and {left} bytes more"] if left > 0 else [])]))


def describe_bytes(data: bytes | None) -> Text:
    """Show an optional field: absent, empty, or its size and first bytes."""
    if data is None:
        return Text("null", style=DIM)
    if not data:
        return Text("0 bytes (empty, which is not null)", style=DIM)
    return Text(f"{len(data)} byte{'' if len(data) == 1 else 's'}\n") + hexdump(data)


def ranges(indices: Iterable[int]) -> str:
    """Write indices as ranges: ``5-7, 9-15``."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
