"""``nitro-issuer ask``: challenge an enclave, from whichever side can reach it."""

from pathlib import Path

import click

from issuer.challenges import (
    MAX_ANSWER_BYTES,
    Challenge,
    ChallengeError,
    ErrorCode,
    decode_answer,
    encode_challenge,
)
from issuer.commands.addresses import parent_cid, to_address
from issuer.commands.display import base64url, show_json, show_or_write
from issuer.commands.exits import ExitCode, InputError
from issuer.commands.inputs import one_of, read_file, to_hex_or_base64
from issuer.vsock import Address, TransportUnavailableError, VsockError, exchange

_EPILOG = (
    "Exit codes: 0 given, 1 there is no document: nobody answered, or it was refused, 2 wrong usage, 3 a bug in this "
    "program."
)


@click.command(short_help="Challenge an enclave for its document.", epilog=_EPILOG)
@click.argument("target", metavar="ADDRESS")
@click.option(
    "--nonce",
    required=True,
    callback=to_hex_or_base64,
    metavar="NONCE",
    help="The verifier's nonce: hex, base64 or base64url.",
)
@click.option("--user-data", metavar="TEXT", help="Text to have signed, where the enclave takes it.")
@click.option("--user-data-file", metavar="FILE", help='Bytes to have signed, "-" for stdin.')
@click.option("--timeout", type=click.IntRange(1, 300), default=10, show_default=True, help="Seconds, for all of it.")
@parent_cid
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the document in base64url.")
def ask(  # noqa: PLR0913 - one parameter for each option
    *,
    target: str,
    nonce: bytes,
    user_data: str | None,
    user_data_file: str | None,
    timeout: int,
    parent_cid: int,
    output: Path | None,
    as_json: bool,
) -> ExitCode:
    """Write the document that the enclave at ADDRESS answers a challenge with to stdout.

    ADDRESS is vsock:CID:PORT, unix:PATH or tcp:HOST:PORT; `serve-demo`, or an application with
    `issuer.challenges.ChallengeResponder`, listens there. Nothing is verified here: hand the document to a verifier.
    """
    if as_json and output is not None:
        raise click.UsageError("--json and --output exclude each other")
    given = one_of(
        user_data=None if user_data is None else user_data.encode(),
        user_data_file=None if user_data_file is None else read_file(user_data_file),
    )
    address = to_address(target, "ADDRESS", parent_cid)
    try:
        challenge = Challenge(nonce=nonce, user_data=given)
    except ChallengeError as error:
        raise click.UsageError(str(error)) from error
    answer = _exchange(address, challenge, timeout)
    if not isinstance(answer, bytes):
        click.echo(f"no document: {answer}", err=True)
        return ExitCode.NOT_GOOD
    if as_json:
        show_json({"address": str(address), "document": base64url(answer)})
    else:
        show_or_write(answer, output)
    return ExitCode.GOOD


def _exchange(address: Address, challenge: Challenge, timeout: int) -> bytes | str:
    """Give the document, or say why there is none."""
    try:
        message = exchange(address, encode_challenge(challenge), timeout=timeout, limit=MAX_ANSWER_BYTES)
        answer = decode_answer(message)
    except TransportUnavailableError as error:
        raise InputError(str(error)) from error
    except (VsockError, ChallengeError) as error:
        return f"{address}: {type(error).__name__}: {error}"
    return f"the enclave says {answer.value}" if isinstance(answer, ErrorCode) else answer
