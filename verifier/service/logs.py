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
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec
import structlog

from verifier.service.wire import write_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from structlog.typing import FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_STANDARD_ERROR = 2
_ENCODE = msgspec.json.Encoder().encode
_BRIDGED = ("aiohttp", "asyncio", "gunicorn", "uvloop")


def _lose() -> None:
    """Lose a line that nobody counts."""


def make_logger(
    level: str = "info", stream: BinaryIO | None = None, *, on_loss: Callable[[], object] = _lose
) -> FilteringBoundLogger:
    """Make the service's logger.

    Args:
        level: what is less severe is left out.
        stream: where lines go; standard error by default, without a buffer that could fill or fail later.
        on_loss: called for each line that could not be written.
    """
    lines = _Lines(partial(os.write, _STANDARD_ERROR) if stream is None else stream.write, on_loss)
    filtering: type = structlog.make_filtering_bound_logger(LEVELS[level])
    kind = type("ServiceLogger", (_OneStep, filtering), {})
    # Bound at once, or each use would look up the logger again.
    return cast("FilteringBoundLogger", structlog.wrap_logger(lines, processors=[], wrapper_class=kind).bind())


class _OneStep(structlog.BoundLoggerBase):
    """Makes a line in one step, because each request pays for it; structlog would pass a dict through a chain."""

    def _proxy_to_logger(self, method_name: str, event: str | None = None, **facts: object) -> None:
        self.put(method_name, event, facts)

    def put(self, level: str, event: str | None, facts: dict[str, object]) -> None:
        line = {
            **self._context,
            **facts,
            "event": event,
            "level": level,
            "time": write_time(datetime.now(UTC)).replace("Z", "+00:00"),
        }
        self._logger.put(_ENCODE(line))


def log_appraisal(log: FilteringBoundLogger, facts: dict[str, object]) -> None:
    """Log what came of an appraisal, as ``log.info`` would, without handing on each fact by its name."""
    if log.is_enabled_for(logging.INFO):
        cast("_OneStep", log).put("info", "appraisal", facts)


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


def describe_exception(error: BaseException) -> dict[str, object]:
    """Say what was raised and where, without its message."""
    chain: list[str] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 5:  # noqa: PLR2004 - enough to see the cause
        chain.append(type(current).__qualname__)
        current = current.__cause__ or current.__context__
    return {"error": " < ".join(chain), "where": _frames(error.__traceback__)}


def log_failure(log: FilteringBoundLogger, event: str, error: BaseException | None, **facts: object) -> None:
    """Log that something of ours failed, and where."""
    log.error(event, **facts, **({} if error is None else describe_exception(error)))


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)][-12:]


class _Bridge(logging.Handler):
    """Carries what libraries log into our lines: the message's template, never what was put into it."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts = {} if error is None else describe_exception(error)
        # asyncio puts the client's address and the exception's text into the template itself.
        template = record.msg if record.args and isinstance(record.msg, str) else ""
        self._logger.warning("library", logger=record.name, template=template, **facts)


def bridge_library_logs(logger: FilteringBoundLogger) -> None:
    """Send the libraries' own warnings through ``logger``, and nowhere else."""
    bridge = _Bridge(logger)
    for name in _BRIDGED:
        library = logging.getLogger(name)
        library.handlers[:] = [bridge]
        library.propagate = False
