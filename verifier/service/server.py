"""The process: from settings to a listening port, and from SIGTERM to an orderly end."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import uvloop
from aiohttp import web
from prometheus_client import disable_created_metrics

from verifier.reasons import ConfigurationError
from verifier.service.app import make_app
from verifier.service.config import SPARE_FILES, Settings
from verifier.service.connections import Server
from verifier.service.logs import bridge_library_logs
from verifier.service.state import make_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from verifier.service.state import Service

BACKLOG = 1024
DRAIN_POLL_S = 0.02


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; give the exit status.

    Returns:
        0 after an orderly end.

    Raises:
        ConfigurationError: the guard's file or the port cannot be used, or the self-test fails; nothing was served.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # else a gauge beside every counter, unasked
    service = make_service(settings)
    bridge_library_logs(service.log)
    _announce(service)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(service))
    finally:
        service.close()


async def _serve(service: Service) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _raise_file_limit(service.settings.limits.max_connections + SPARE_FILES)
    async with listening(service) as site:
        _settle_memory()
        await stop.wait()
        await _drain(service, site)
    service.log.info("stopped")
    return 0


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[web.TCPSite]:
    """Serve on the configured address until the block ends; then close what is idle and finish what is in flight.

    Raises:
        ConfigurationError: nothing can listen there.
    """
    settings = service.settings
    async with _runner(service) as runner:
        site = web.TCPSite(
            runner, settings.host, settings.port, backlog=BACKLOG, reuse_port=settings.reuse_port or None
        )
        try:
            await site.start()
        except OSError as error:
            msg = f"host, port: cannot listen on {settings.host}:{settings.port}: {error.strerror or error}"
            raise ConfigurationError(msg) from error
        service.log.info("listening", addresses=[f"{address[0]}:{address[1]}" for address in runner.addresses])
        yield site


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


async def _drain(service: Service, site: web.TCPSite) -> None:
    """Say that we are not ready, let balancers notice, take no more connections, and let what is in flight finish."""
    limits = service.settings.limits
    service.draining = True
    service.log.info("draining", in_flight=service.in_flight)
    await asyncio.sleep(limits.shutdown_delay)
    await site.stop()
    # aiohttp's own shutdown stops reading at once, and would never finish a request whose body is still arriving.
    deadline = asyncio.get_running_loop().time() + limits.shutdown_timeout
    # Polled, because an Event would cost something at every request and serve only here.
    while service.in_flight and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - as said above
        await asyncio.sleep(DRAIN_POLL_S)


def _announce(service: Service) -> None:
    """Write what an operator should know about the configuration, once."""
    settings, log = service.settings, service.log
    for warning in settings.warnings:
        log.warning("configuration", detail=warning)
    if settings.keyring.ephemeral:
        log.warning(
            "nonce-key-ephemeral",
            detail="single replica only: no nonce_keys, so the key was made now, and only this process knows it",
        )
    if service.signer is not None and service.signer.keys.ephemeral:
        log.warning(
            "signing-key-ephemeral",
            detail="for trying it out only: the key that signs results was made now, and dies with this process",
        )
    log.info(
        "starting",
        version=service.version,
        engine=service.verifier.engine.value,
        policies={name: policy.sha256 for name, policy in settings.policies.items()},
        anchors={anchor.name: anchor.sha256 for anchor in settings.anchors},
        single_use=service.nonces.reach.value,
        signing_key=None if service.signer is None else service.signer.keys.current.kid,
    )


def _settle_memory() -> None:
    """Take what exists now out of garbage collection: it stays for good, and walking it costs 28 ms each time."""
    gc.collect()
    gc.freeze()


def _raise_file_limit(needed: int) -> None:
    """Ask for as many open files as connections need; the soft limit is often 1024. Settings checked the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
