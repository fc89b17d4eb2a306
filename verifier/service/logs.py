"""Logs: JSON lines on standard error, one for each appraisal, without a word that a client chose.

What is logged of evidence: its digest, and the module id of an authentic document. Never document bytes, nonces,
user_data, paths, query strings or header values. The messages of exceptions are left out for the same reason; where
one was raised is not.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

    from structlog.typing import FilteringBoundLogger, WrappedLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_ENCODE = msgspec.json.Encoder().encode
_BRIDGED = ("aiohttp", "asyncio", "gunicorn", "uvloop")


def make_logger(level: str = "info", stream: BinaryIO | None = None) -> FilteringBoundLogger:
    """Make the service's logger; by default it writes to standard error."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.BytesLogger(sys.stderr.buffer if stream is None else stream),
        processors=[_stamp, _render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    return logger


def _stamp(_: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["level"] = method
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


def _render(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> bytes:
    return _ENCODE(event)


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
