"""The process: from settings to a listening port, and from SIGTERM to an orderly end."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import uvloop
from aiohttp import web
from prometheus_client import disable_created_metrics

from verifier.nonces import SingleUse
from verifier.service.app import make_app
from verifier.service.config import SPARE_FILES
from verifier.service.connections import Server
from verifier.service.listeners import BACKLOG, Listener, open_listeners
from verifier.service.logs import Log, bridge_library_logs
from verifier.service.reloadables import watches
from verifier.service.state import make_service, utc_now
from verifier.service.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from verifier.pipeline import Verifier
    from verifier.service.settings import Settings
    from verifier.service.state import Service

DRAIN_POLL_S = 0.02
NEWCOMERS_S = 1.0
"""How long an ending service waits for the first request of connections that it has just accepted."""


def run(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> int:
    """Serve until SIGTERM or SIGINT; give the exit status.

    Args:
        settings: what ``load_settings`` gave.
        now: the clock.

    Returns:
        0 after an orderly end.

    Raises:
        ConfigurationError: the guard's file or an address cannot be used, or the self-test fails; nothing was served.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # else a gauge beside every counter, unasked
    service = make_service(settings, now=now)
    bridge_library_logs(service.log)
    announce(settings, service.verifier, service.log)
    try:
        with (
            open_listeners(settings.addresses) as listeners,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            ready = partial(say_where, listeners, service.log)
            runner.run(serve(service, listeners, stop=asyncio.Event(), on_ready=ready))
    finally:
        service.close()
    return 0


async def serve(
    service: Service, listeners: Sequence[Listener], *, stop: asyncio.Event, on_ready: Callable[[], None]
) -> None:
    """Serve at ``listeners`` until ``stop`` is set, by SIGTERM or SIGINT or by others; then finish what was begun.

    Args:
        service: what serves.
        listeners: the sockets, which listen already.
        stop: sets off the end.
        on_ready: called once connections are being accepted.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _raise_file_limit(service.settings.limits.max_connections + SPARE_FILES)
    async with listening(service, listeners) as front:
        loop.add_signal_handler(signal.SIGHUP, front.watcher.ask)
        settle_memory()
        on_ready()
        await stop.wait()
        await _drain(service, front)
    service.log.info("stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A service that accepts connections, and watches what it may have to reload."""

    runner: web.ServerRunner
    watcher: Watcher

    async def close(self) -> None:
        """Accept no more connections."""
        for site in self.runner.sites:
            await site.stop()


class _Site(web.BaseSite):
    """Accepts connections at a socket of any family; aiohttp's own wants to print an address of the internet."""

    __slots__ = ("_listener",)

    def __init__(self, runner: web.ServerRunner, listener: Listener) -> None:
        super().__init__(runner)
        self._listener = listener

    @property
    def name(self) -> str:
        return self._listener.address

    async def start(self) -> None:
        await super().start()
        make_connection = cast("Server", self._runner.server)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(make_connection, sock=self._listener.socket, backlog=BACKLOG)


@asynccontextmanager
async def listening(service: Service, listeners: Sequence[Listener]) -> AsyncIterator[Front]:
    """Serve at the given sockets until the block ends; then close what is idle and finish what is in flight."""
    async with _runner(service) as runner:
        for listener in listeners:
            await _Site(runner, listener).start()
        watcher = Watcher(service, watches(service))
        watching = asyncio.create_task(watcher.watch_forever())
        try:
            yield Front(runner=runner, watcher=watcher)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


@asynccontextmanager
async def _runner(service: Service) -> AsyncIterator[web.ServerRunner]:
    """Give a runner whose connections are ours, and end both it and the application in the right order."""
    application = web.AppRunner(make_app(service))
    await application.setup()
    inner = cast("web.Server", application.server)  # set up just now
    runner = web.ServerRunner(Server(inner, service), shutdown_timeout=service.settings.limits.shutdown_timeout)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()
        await application.cleanup()


async def _drain(service: Service, front: Front) -> None:
    """Say that we are not ready, let balancers notice, take no more connections, and let what is in flight finish."""
    limits = service.settings.limits
    service.draining = True
    service.log.info("draining", in_flight=service.in_flight)
    await asyncio.sleep(limits.shutdown_delay)
    await front.close()
    # aiohttp's own shutdown stops reading at once, and would never finish a request whose body is still arriving.
    now = asyncio.get_running_loop().time
    closed = now()

    def is_awaited() -> bool:
        # A connection that was accepted just now has a request on its way, which its client will not send again.
        patience = limits.shutdown_timeout if service.in_flight else min(NEWCOMERS_S, limits.shutdown_timeout)
        return (service.in_flight or service.newcomers) > 0 and now() < closed + patience

    # Polled, because an Event would cost something at every request and serve only here.
    while is_awaited():  # noqa: ASYNC110 - as said above
        await asyncio.sleep(DRAIN_POLL_S)


def announce(settings: Settings, verifier: Verifier, log: Log, event: str = "starting", **facts: str) -> None:
    """Write what an operator should know about the configuration, once."""
    for warning in settings.warnings:
        log.warning("configuration", detail=warning)
    if settings.keyring.ephemeral:
        log.warning(
            "nonce-key-ephemeral",
            detail="single replica only: no nonce_keys, so the key was made by this service, which alone knows it",
        )
    if settings.signer is not None and settings.signer.keys.ephemeral:
        log.warning(
            "signing-key-ephemeral",
            detail="for trying it out only: the key that signs results was made by this service, and dies with it",
        )
    log.info(
        event,
        **facts,
        version=version("nitro-verifier"),
        engine=verifier.engine.value,
        policies={name: policy.sha256 for name, policy in settings.policies.items()},
        anchors={anchor.name: anchor.sha256 for anchor in settings.anchors},
        single_use=(SingleUse.OFF if settings.state is None else SingleUse.HOST).value,
        signing_key=None if settings.signer is None else settings.signer.keys.current.kid,
        workers=settings.workers,
    )


def say_where(listeners: Sequence[Listener], log: Log) -> None:
    """Write at which addresses the service listens."""
    log.info("listening", addresses=list(dict.fromkeys(listener.address for listener in listeners)))


def settle_memory() -> None:
    """Take what exists now out of garbage collection: it stays for good, and walking it costs 28 ms each time."""
    gc.collect()
    gc.freeze()


def _raise_file_limit(needed: int) -> None:
    """Ask for as many open files as connections need; the soft limit is often 1024. Settings checked the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
