"""Standard streams that are closed, full or gone: none of that may look like a verdict.

Python leaves ``None`` in place of a closed stream, and exits 120 when it cannot write what is left in a buffer.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_OUTPUT, _ERROR = 1, 2


def fill_closed_streams() -> None:
    """Put /dev/null where stdout or stderr was closed, as some wrappers do: whoever closed it wants nothing from it.

    The descriptors are taken at once, or the next file to be opened, such as that of used nonces, would be our stderr.
    Stdin stays ``None``, because an empty document is not what was meant.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _ERROR:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - it takes no names
    os.close(descriptor)
    sys.stdout = sys.stdout or _reopen(_OUTPUT)
    sys.stderr = sys.stderr or _reopen(_ERROR)


def _reopen(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", closefd=False)


def take_any_text() -> None:
    """Show what a terminal cannot show as escapes: one without Unicode is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(message: Callable[[], None]) -> None:
    """Show a message to people, or do without: the exit code tells it too, and an exception would make that 1."""
    with suppress(OSError):
        message()


def write_out(stream: TextIO) -> OSError | None:
    """Write what is left in a buffer; give what went wrong, after which nothing is left in it."""
    try:
        stream.flush()
    except OSError as error:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is wanted
            os.dup2(nowhere.fileno(), stream.fileno())
        return error
    return None
