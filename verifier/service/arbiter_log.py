"""What gunicorn's arbiter has to say, as lines of our log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from verifier.service.logs import log_failure, make_logger

if TYPE_CHECKING:
    from gunicorn.config import Config


class ArbiterLog:
    """Takes the place of gunicorn's logger. Its news of every signal and start is left out: we tell our own."""

    def __init__(self, cfg: Config) -> None:
        """Write to standard error."""
        self.cfg = cfg
        self._log = make_logger("warning")

    def setup(self, cfg: Config) -> None:
        """Take another configuration, of which nothing here depends."""
        self.cfg = cfg

    def _pass_over(self, message: str, *facts: Any, **options: Any) -> None:  # noqa: ANN401 - gunicorn's signature
        """Write nothing."""

    debug = info = access = _pass_over

    def warning(self, message: str, *facts: Any, **_: Any) -> None:  # noqa: ANN401 - gunicorn's signature
        """Write what the arbiter noticed: process ids and signals, nothing that a client sent."""
        self._log.warning("workers", detail=_fill(message, facts))

    def error(self, message: str, *facts: Any, **_: Any) -> None:  # noqa: ANN401 - gunicorn's signature
        """Write what went wrong with a worker."""
        log_failure(self._log, "workers", sys.exception(), detail=_fill(message, facts))

    critical = exception = error

    def reopen_files(self) -> None:
        """Standard error is not reopened."""

    def close_on_exec(self) -> None:
        """Nor closed."""


def _fill(message: str, facts: tuple[Any, ...]) -> str:
    return message % facts if facts else message
