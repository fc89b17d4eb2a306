"""Several processes that serve together: one reads the configuration and looks after the others, which do the work.

gunicorn's arbiter forks the workers, replaces those that die and ends them in an orderly way; each runs the same
service that a single process would, at the sockets that were opened before the fork. Nonce keys made at the start are
made before it, too, so every worker understands every other's nonces.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from prometheus_client import Counter, disable_created_metrics

from verifier.reasons import ConfigurationError
from verifier.service.arbiter_log import ArbiterLog
from verifier.service.config import load_settings
from verifier.service.listeners import Listener, open_listeners
from verifier.service.logs import Log, bridge_library_logs, make_logger
from verifier.service.pooled_metrics import Pool, pool
from verifier.service.reloadables import NONCE_KEYS_GONE
from verifier.service.server import announce, say_where, settle_memory
from verifier.service.state import rehearse, utc_now
from verifier.service.worker import HELD_SIGNALS, ServiceWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from verifier.service.settings import Settings

HEARTBEAT_TIMEOUT_S = 30
"""A worker whose event loop has not run for so long is replaced."""
FAILED = 3
"""The exit status when no worker can be started: as the command's for a defect of ours."""
BOOT_TIMEOUT_S = 10.0
BOOT_POLL_S = 0.02
SPARE_S = 5.0
"""How much longer than their requests may take workers get to end."""


def run(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> int:
    """Serve with several processes until SIGTERM or SIGINT; give the exit status.

    Args:
        settings: what ``load_settings`` gave.
        now: the clock of every worker.

    Returns:
        0 after an orderly end; another when no worker could be started.

    Raises:
        ConfigurationError: the guard's file or an address cannot be used, or the self-test fails; nothing was served.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # else a gauge beside every counter, unasked
    log = make_logger(settings.log_level).bind(pid=os.getpid())
    bridge_library_logs(log)
    announce(settings, rehearse(settings, now=now), log)
    owner = os.getpid()
    with open_listeners(settings.addresses, queues=settings.workers) as listeners, pool() as metrics:
        say_where(listeners, log)
        failed: object = True
        try:
            _Supervisor(_Application(settings, listeners, log, metrics, now)).run()  # until it exits
        except SystemExit as end:
            if os.getpid() != owner:  # a worker ends here, too
                raise  # pragma: no cover - nobody traces frames from before a fork in the process after it
            failed = end.code
        return FAILED if failed else 0


class _Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """What gunicorn is told, and what the workers are given."""

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[Listener],
        log: Log,
        metrics: Pool,
        now: Callable[[], datetime],
    ) -> None:
        self.settings = settings
        self.listeners = listeners
        self.log = log
        self.metrics = metrics
        self.now = now
        self.place = 0
        """The place of the next worker that is made."""
        super().__init__()

    def load_config(self) -> None:
        limits = self.settings.limits
        patience = limits.shutdown_delay + limits.shutdown_timeout + SPARE_S
        options = {
            "workers": self.settings.workers,
            "worker_class": ServiceWorker,
            "logger_class": ArbiterLog,
            "timeout": HEARTBEAT_TIMEOUT_S,
            "graceful_timeout": int(patience),
            "control_socket_disable": True,  # a way in that nobody asked for
            "child_exit": lambda _, worker: self.metrics.end(worker.pid),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> None:
        """Load nothing: what workers need was loaded before gunicorn was started."""

    def refresh(self) -> Settings:
        """Read the configuration again.

        Raises:
            ConfigurationError: it is not good any more.
        """
        old, source = self.settings, self.settings.source
        fresh = load_settings(file=source.file, environ=source.environ, overrides=source.overrides)
        rehearse(fresh, now=self.now)
        if fresh.addresses != old.addresses:
            warning = "host, port, tcp, unix_socket, vsock_port: changed in the configuration; restart to apply"
            fresh = replace(fresh, addresses=old.addresses, warnings=(*fresh.warnings, warning))
        return _keep_ephemeral_keys(fresh, old)


def _keep_ephemeral_keys(fresh: Settings, old: Settings) -> Settings:
    """Go on with the keys that were made at the start: what they signed is out there."""
    if fresh.keyring.ephemeral and old.keyring.ephemeral:
        fresh = replace(fresh, keyring=old.keyring)
    new, before = fresh.signer, old.signer
    if new is not None and before is not None and new.keys.ephemeral and before.keys.ephemeral:
        fresh = replace(fresh, signer=replace(new, keys=before.keys))
    return fresh


class _Supervisor(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's arbiter, which opens no sockets of its own, and keeps what works when what is new does not."""

    SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

    def __init__(self, application: _Application) -> None:
        super().__init__(application)
        self.LISTENERS = [listener.socket for listener in application.listeners]
        self.WORKERS: dict[int, ServiceWorker] = {}
        reloads = Counter("nitro_verifier_reloads", "Reloads by outcome.", ["item", "outcome"], registry=None)
        self._loaded, self._failed = (reloads.labels("configuration", outcome) for outcome in ("loaded", "failed"))

    def manage_workers(self) -> None:
        """Fill every place that nobody has, and keep what workers that ended have counted."""
        taken = {worker.place for worker in self.WORKERS.values() if not worker.is_leaving}
        for place in range(self.num_workers):
            if place not in taken:
                self._spawn(place)
        self.app.metrics.fold()

    def _spawn(self, place: int) -> int:
        """Fork a worker, and hold back the signals that it could lose."""
        settle_memory()
        self.app.place = place
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        try:
            return int(self.spawn_worker())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def handle_int(self) -> None:
        """End in an orderly way, as one process would."""
        self.handle_term()

    def handle_hup(self) -> None:
        """Read everything again, and exchange the workers for new ones once those serve; or keep them."""
        old = self.app.settings
        try:
            fresh = self.app.refresh()
        except ConfigurationError as error:
            self._refuse(f"mistakes: {len(error.problems)}; nitro-verifier serve --check names them")
            return
        if fresh.keyring.ephemeral and not old.keyring.ephemeral:
            self._refuse(NONCE_KEYS_GONE)
            return
        self._take(fresh)
        if not self._exchange_workers():
            self._take(old)
            self._refuse("the new workers did not start")
            return
        self._loaded.inc()
        announce(fresh, rehearse(fresh, now=self.app.now), self.app.log, "reloaded", item="configuration")

    def _take(self, settings: Settings) -> None:
        self.app.settings = settings
        self.app.reload()
        self.setup(self.app)

    def _refuse(self, detail: str) -> None:
        self._failed.inc()
        self.app.log.error("reload-failed", item="configuration", detail=detail)

    def _exchange_workers(self) -> bool:
        """Start new workers; end the old ones when all of them serve, or else the new ones."""
        old = list(self.WORKERS)
        new = [self._spawn(place) for place in range(self.num_workers)]
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while self._are_alive(new) and not self._serve(new) and time.monotonic() < deadline:
            time.sleep(BOOT_POLL_S)
            self.reap_workers()
        good = self._are_alive(new) and self._serve(new)
        for process in old if good else new:
            self._dismiss(process)
        return good

    def _dismiss(self, process: int) -> None:
        if process in self.WORKERS:
            self.WORKERS[process].is_leaving = True
        self.kill_worker(process, signal.SIGTERM)

    def _are_alive(self, processes: list[int]) -> bool:
        return all(process in self.WORKERS for process in processes)

    def _serve(self, processes: list[int]) -> bool:
        return all(self.WORKERS[process].is_ready for process in processes)

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's signature
        """Take no more connections, and end the workers; sockets of the Unix family are removed by who made them."""
        for listener in self.LISTENERS:
            listener.close()
        self.LISTENERS = []
        with suppress(HaltServer):  # raised for each worker that could not be started, also while ending for the first
            super().stop(graceful)
