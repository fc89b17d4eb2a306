"""``nitro-issuer forward``: one forwarder between two addresses, for either side of the vsock."""

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from issuer.commands.addresses import parent_cid, to_address
from issuer.commands.exits import ExitCode, InputError
from issuer.vsock import (
    Address,
    ConnectionLimits,
    Ending,
    Forwarder,
    ForwarderLimits,
    Outcome,
    TcpAddress,
    VsockError,
    bound_address,
    listen,
    pin_destination,
)
from issuer.vsock.destinations import PIN_S

if TYPE_CHECKING:
    from issuer.vsock.allowlist import AllowList

_ALLOW_LIST = "/etc/nitro_enclaves/vsock-proxy.yaml"
_LIMITS = ForwarderLimits()
_LONGEST_S = 7 * 86_400
_SECONDS = click.IntRange(1, _LONGEST_S)  # whole ones: `nan` is a float, and no time
_SECONDS_OR_NONE = click.IntRange(0, _LONGEST_S)
_EPILOG = (
    "Exit codes: 0 stopped by SIGTERM or SIGINT, 2 wrong usage, not allowed, or the address cannot be listened on, "
    "3 a bug in this program."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What one process forwards."""

    source: Address
    target: Address
    allow_list: "AllowList | None"
    pin: float | None
    drain: float
    limits: ForwarderLimits


@click.command(short_help="Forward between a vsock and TCP.", epilog=_EPILOG)
@click.argument("source", metavar="LISTEN")
@click.argument("target", metavar="TARGET")
@click.option(
    "--allow-list",
    type=click.Path(path_type=Path),
    default=_ALLOW_LIST,
    show_default=True,
    help="vsock-proxy's YAML; a TCP target must be in it.",
)
@parent_cid
@click.option("--connect-timeout", type=_SECONDS, default=int(_LIMITS.connect_s), show_default=True, help="Seconds.")
@click.option(
    "--idle-timeout",
    type=_SECONDS,
    default=int(_LIMITS.idle_s),
    show_default=True,
    help="Seconds without a byte in either direction.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(min=1),
    default=_LIMITS.connections.total,
    show_default=True,
    help="At once; each takes two file descriptors.",
)
@click.option(
    "--max-per-peer",
    type=click.IntRange(min=1),
    default=_LIMITS.connections.per_peer,
    show_default=True,
    help="At once, from one CID or IP address.",
)
@click.option(
    "--pin-seconds",
    type=_SECONDS_OR_NONE,
    default=int(PIN_S),
    show_default=True,
    help="How long a looked-up address is used before it is looked up and checked again; 0 for ever.",
)
@click.option(
    "--drain-seconds",
    type=_SECONDS_OR_NONE,
    default=5,
    show_default=True,
    help="What connections are given to end after SIGTERM.",
)
def forward(  # noqa: PLR0913 - one parameter for each option
    *,
    source: str,
    target: str,
    allow_list: Path,
    parent_cid: int,
    connect_timeout: int,
    idle_timeout: int,
    max_connections: int,
    max_per_peer: int,
    pin_seconds: int,
    drain_seconds: int,
) -> ExitCode:
    """Forward what connects to LISTEN to TARGET, until SIGTERM.

    Addresses are vsock:CID:PORT, tcp:HOST:PORT or unix:PATH. On the parent, to reach KMS from enclaves:

    \b
        nitro-issuer forward vsock:any:8000 tcp:kms.eu-central-1.amazonaws.com:443

    In the enclave, for clients that only know TCP:

    \b
        nitro-issuer forward tcp:127.0.0.1:443 vsock:parent:8000
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped is the character itself
    to = to_address(target, "TARGET", parent_cid)
    route = Route(
        source=to_address(source, "LISTEN", parent_cid),
        target=to,
        allow_list=_read_allow_list(allow_list) if isinstance(to, TcpAddress) else None,
        pin=pin_seconds or None,
        drain=drain_seconds,
        limits=ForwarderLimits(
            connect_s=connect_timeout,
            idle_s=idle_timeout,
            connections=ConnectionLimits(total=max_connections, per_peer=max_per_peer),
        ),
    )
    try:
        asyncio.run(_run(route))
    except VsockError as error:
        raise InputError(str(error)) from error
    return ExitCode.GOOD


async def _run(route: Route) -> None:
    destination = await pin_destination(route.target, route.allow_list, pin=route.pin)
    listener = listen(route.source)
    forwarder = Forwarder(listener, destination, limits=route.limits, report=_show)
    running = asyncio.create_task(forwarder.run(drain=route.drain))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    click.echo(f"forwarding {bound_address(listener)} to {destination}")
    with suppress(asyncio.CancelledError):
        await running


def _read_allow_list(path: Path) -> "AllowList":
    try:
        from issuer.vsock.allowlist import read_allow_list  # noqa: PLC0415 - PyYAML is the extra `enclave`
    except ModuleNotFoundError as error:
        raise InputError(f'{error.name} is not installed: pip install "nitro-verifier[enclave]"') from error
    try:
        return read_allow_list(path)
    except VsockError as error:
        raise InputError(str(error)) from error


def _show(ending: Ending) -> None:
    """Tell of what did not end well; the rest would only fill the log."""
    if ending.outcome is not Outcome.COMPLETE:
        why = "" if ending.error is None else f" ({ending.error})"
        moved = f"{ending.sent} bytes sent, {ending.received} received"
        click.echo(f"{ending.peer}: {ending.outcome.value}{why}, {moved}", err=True)
