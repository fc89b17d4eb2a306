"""``nitro-issuer random``: random bytes of the NSM's."""

import click

from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.display import show_bytes, show_json
from issuer.commands.exits import ExitCode, exit_codes
from issuer.nsm import Nsm

MAX_BYTES = 1024 * 1024
"""At 256 bytes a call this takes thousands of them, which other processes wait for; seed a generator with less."""


@click.command(short_help="Get random bytes.", epilog=exit_codes("given"))
@click.argument("size", type=click.IntRange(1, MAX_BYTES), default=32)
@click.option("--raw", "form", flag_value="raw", help="Write the bytes themselves rather than hex.")
@click.option("--json", "form", flag_value="json", help="Print JSON with the bytes in hex.")
@with_nsm
def random(nsm: Nsm, *, size: int, form: str | None) -> ExitCode:
    """Print SIZE random bytes, 32 unless said otherwise, in hex."""
    octets = nsm.random_bytes(size)
    match form:
        case "raw":
            show_bytes(octets)
        case "json":
            show_json({"backend": backend_name(nsm), "random": octets.hex()})
        case _:
            click.echo(octets.hex())
    return ExitCode.GOOD
