"""``nitro-issuer serve-demo``: an enclave that does nothing but answer challenges, to try the way to it."""

import asyncio
import logging
import signal
import sys
from contextlib import suppress

import click

from issuer.challenges import MAX_ANSWER_BYTES, ChallengeResponder
from issuer.commands.addresses import to_address
from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.exits import ExitCode, InputError
from issuer.nsm import AsyncNsm, Nsm
from issuer.vsock import Address, ConnectionLimits, MessageLimits, MessageServer, VsockError, bound_address, listen
from issuer.vsock.server import CONNECTIONS

_DRAIN_S = 5.0
_EPILOG = (
    "Exit codes: 0 stopped by SIGTERM or SIGINT, 2 wrong usage, no NSM here, or the address cannot be listened on, "
    "3 a bug in this program."
)


@click.command(short_help="Answer challenges, as an enclave would.", epilog=_EPILOG)
@click.argument("source", metavar="LISTEN")
@click.option(
    "--max-connections",
    type=click.IntRange(min=1),
    default=CONNECTIONS.total,
    show_default=True,
    help="At once; more are closed unread.",
)
@with_nsm
def serve_demo(nsm: Nsm, *, source: str, max_connections: int) -> ExitCode:
    """Answer challenges on LISTEN with documents, until SIGTERM; `nitro-issuer ask` sends them.

    LISTEN is vsock:any:PORT, unix:PATH or tcp:HOST:PORT. Whoever connects has a nonce and user data of its own signed,
    so a document says where it was made and nothing about what its user data says. For demonstrations.
    """
    address = to_address(source, "LISTEN")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        asyncio.run(_serve(nsm, address, ConnectionLimits(total=max_connections, per_peer=max_connections)))
    except VsockError as error:
        raise InputError(str(error)) from error
    return ExitCode.GOOD


async def _serve(nsm: Nsm, address: Address, connections: ConnectionLimits) -> None:
    listener = listen(address)
    async with AsyncNsm(nsm) as asked:
        server = MessageServer(
            listener,
            ChallengeResponder(asked, takes_user_data=True),
            limits=MessageLimits(message_bytes=MAX_ANSWER_BYTES),
            connections=connections,
        )
        running = asyncio.create_task(server.run(drain=_DRAIN_S))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        click.echo(f"answering challenges on {bound_address(listener)} with the {backend_name(nsm)} NSM")
        with suppress(asyncio.CancelledError):
            await running
