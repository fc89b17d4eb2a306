"""Logs: JSON lines on standard error, one for each appraisal, without a word that a client chose.

What is logged of evidence: its digest, and the module id of an authentic document. Never document bytes, nonces,
user_data, paths, query strings or header values. The messages of exceptions are left out for the same reason; where
one was raised is not.

A line that cannot be written is lost, and counted. A reader that stalls is waited for: lines are written when and where
they are made.
"""

from __future__ import annotations

import logging
import os
import traceback
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from verifier.service.notation import write_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_STANDARD_ERROR = 2
_ENCODE = msgspec.json.Encoder().encode
_BRIDGED = ("aiohttp", "asyncio", "gunicorn", "uvloop")


def _lose() -> None:
    """Lose a line that nobody counts."""


class Log:
    """Writes events, each with the facts that belong to it, as JSON lines."""

    __slots__ = ("_facts", "_least", "_lines")

    def __init__(self, lines: _Lines, least: int, facts: Mapping[str, object]) -> None:
        """Write to ``lines`` what is at least so severe, with ``facts`` in every line."""
        self._lines = lines
        self._least = least
        self._facts = facts

    def bind(self, **facts: object) -> Log:
        """Give a log that writes these facts, too."""
        return Log(self._lines, self._least, {**self._facts, **facts})

    def info(self, event: str, **facts: object) -> None:
        """Write what is as it should be."""
        self.put("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Write what somebody should look at."""
        self.put("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        """Write what failed."""
        self.put("error", event, facts)

    def put(self, level: str, event: str, facts: Mapping[str, object]) -> None:
        """Write a line, made in one step and of facts that are not handed on by name: each request pays for it."""
        if LEVELS[level] < self._least:
            return
        time = f"{write_time(datetime.now(UTC))[:-1]}+00:00"
        self._lines.put(_ENCODE({**self._facts, **facts, "event": event, "level": level, "time": time}))


class _Lines:
    """Writes lines; one that cannot be written is lost and counted: no verdict hangs on who reads the log."""

    def __init__(self, write: Callable[[bytes], int], on_loss: Callable[[], object]) -> None:
        self._write = write
        self._on_loss = on_loss

    def put(self, line: bytes) -> None:
        """Write one line, in as many pieces as it is taken."""
        line += b"\n"
        try:
            written = self._write(line)
            while written < len(line):
                line = line[written:]
                written = self._write(line)
        except OSError:  # the reader went away, the disk is full
            self._on_loss()


def make_logger(level: str = "info", stream: BinaryIO | None = None, *, on_loss: Callable[[], object] = _lose) -> Log:
    """Make the service's log.

    Args:
        level: what is less severe is left out.
        stream: where lines go; standard error by default, without a buffer that could fill or fail later.
        on_loss: called for each line that could not be written.
    """
    write = partial(os.write, _STANDARD_ERROR) if stream is None else stream.write
    return Log(_Lines(write, on_loss), LEVELS[level], {})


def describe_exception(error: BaseException) -> dict[str, object]:
    """Say what was raised and where, without its message."""
    chain: list[str] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 5:  # noqa: PLR2004 - enough to see the cause
        chain.append(type(current).__qualname__)
        current = current.__cause__ or current.__context__
    return {"error": " < ".join(chain), "where": _frames(error.__traceback__)}


def log_failure(log: Log, event: str, error: BaseException | None, **facts: object) -> None:
    """Log that something of ours failed, and where."""
    log.error(event, **facts, **({} if error is None else describe_exception(error)))


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)][-12:]


class _Bridge(logging.Handler):
    """Carries what libraries log into our lines: the message's template, never what was put into it."""

    def __init__(self, logger: Log) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts = {} if error is None else describe_exception(error)
        # asyncio puts the client's address and the exception's text into the template itself.
        template = record.msg if record.args and isinstance(record.msg, str) else ""
        self._logger.warning("library", logger=record.name, template=template, **facts)


def bridge_library_logs(logger: Log) -> None:
    """Send the libraries' own warnings through ``logger``, and nowhere else."""
    bridge = _Bridge(logger)
    for name in _BRIDGED:
        library = logging.getLogger(name)
        library.handlers[:] = [bridge]
        library.propagate = False
