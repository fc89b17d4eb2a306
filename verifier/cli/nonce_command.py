"""``nitro-verifier nonce``: something to challenge an enclave with."""

from __future__ import annotations

import secrets
import sys
from datetime import datetime, timedelta

import click
import msgspec

from verifier.cli.clock import now
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.inputs import KeyFile, load_nonce_service, refuse_without, to_key_file, to_milliseconds
from verifier.reasons import ConfigurationError
from verifier.service.notation import write_bytes, write_time
from verifier.service.options import Options

CALLER_NONCE_BYTES = 32
DEFAULT_TTL_MS = 2 * 60 * 1000
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
_MILLISECOND = timedelta(milliseconds=1)


@click.command(short_help="Make a nonce.", epilog=exit_codes("made"))
@click.option(
    "--key-file",
    callback=to_key_file,
    metavar="FILE[#id=N]",
    help="Issue a nonce that a service holding this key accepts as its own. N is the key's id there, 1 by default.",
)
@click.option("--policy", default="", help="Good for this policy only. With --key-file.")
@click.option("--audience", default=Options().audience, show_default=True, help="The service's name. With --key-file.")
@click.option(
    "--ttl",
    "ttl_ms",
    callback=to_milliseconds,
    default="2m",
    show_default=True,
    metavar="DURATION",
    help="How long it lives. With --key-file.",
)
@click.option("--hex", "form", flag_value="hex", help="Print hex instead of base64url.")
@click.option("--raw", "form", flag_value="raw", help="Write the bytes themselves.")
@click.option("--json", "form", flag_value="json", help="Print the JSON that POST /v1/nonces answers.")
def nonce(*, key_file: KeyFile | None, policy: str, audience: str, ttl_ms: int, form: str | None) -> ExitCode:
    """Print a nonce: 32 random bytes that you remember and pass to verify, or one that the service issues.

    A nonce of your own proves freshness to you alone: use it once.
    """
    if key_file is None:
        refuse_without("--key-file", "policy", "audience", "ttl_ms")
        _print({}, secrets.token_bytes(CALLER_NONCE_BYTES), form)
        return ExitCode.GOOD
    if ttl_ms % 1000:
        raise ConfigurationError("--ttl: nonces live whole seconds")
    service = load_nonce_service(key_file, audience)
    at = (now() - _EPOCH) // _MILLISECOND
    issued = service.issue(at=at, ttl=ttl_ms // 1000, policy=policy)
    life = {"issued_at": _moment(issued.issued_at), "expires_at": _moment(issued.expires_at)}
    _print(life, issued.value, form)
    return ExitCode.GOOD


def _moment(milliseconds: int) -> str:
    return write_time(_EPOCH + milliseconds * _MILLISECOND)


def _print(life: dict[str, str], value: bytes, form: str | None) -> None:
    match form:
        case "raw":
            if sys.stdout.isatty():
                raise click.UsageError("--raw writes bytes: send them to a file or a pipe")
            click.echo(value, nl=False)
        case "json":
            click.echo(msgspec.json.encode({"nonce": write_bytes(value), **life}).decode())
        case "hex":
            click.echo(value.hex())
        case _:
            click.echo(write_bytes(value))
