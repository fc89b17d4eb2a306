"""How every command ends: one meaning for each exit code, said in every help text."""

from __future__ import annotations

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """What a script may rely on."""

    GOOD = 0
    """Affirmed, clean, or done."""
    NOT_GOOD = 1
    """The input was judged and is not good: rejected, or a policy with lints."""
    USAGE = 2
    """Wrong usage or configuration; nothing was judged."""
    BUG = 3
    """This program failed; nothing was judged."""
    INTERRUPTED = 130
    """Stopped from the keyboard; the shell's 128 + SIGINT."""
    OUTPUT_CLOSED = 141
    """Whoever read the output went away before all of it was written; the shell's 128 + SIGPIPE."""


class InputError(click.ClickException):
    """What the command was pointed at cannot be read. Exits 2, as every usage error does."""

    exit_code = ExitCode.USAGE


def exit_codes(good: str, not_good: str | None = None) -> str:
    """Write the last paragraph of a help text."""
    judged = "" if not_good is None else f" 1 {not_good},"
    return f"Exit codes: 0 {good},{judged} 2 wrong usage or configuration, 3 a bug in this program."
