"""How every command ends: one meaning for each exit code, the same as ``nitro-verifier``'s."""

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """What a script may rely on."""

    GOOD = 0
    """Done."""
    NOT_GOOD = 1
    """It was asked for and not given: the NSM refused, failed or did not reply."""
    USAGE = 2
    """Wrong usage or configuration, or there is no NSM here; nothing was asked of one."""
    BUG = 3
    """This program failed."""
    INTERRUPTED = 130
    """Stopped from the keyboard; the shell's 128 + SIGINT."""
    OUTPUT_CLOSED = 141
    """Whoever read the output went away before all of it was written; the shell's 128 + SIGPIPE."""


class InputError(click.ClickException):
    """What the command was pointed at can not be used. Exits 2, as every usage error does."""

    exit_code = ExitCode.USAGE


def exit_codes(good: str, not_good: str = "the NSM refused or failed") -> str:
    """Write the last paragraph of a help text."""
    return f"Exit codes: 0 {good}, 1 {not_good}, 2 wrong usage or no NSM here, 3 a bug in this program."
