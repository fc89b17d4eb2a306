"""``nitro-issuer attest``: one attestation document."""

from pathlib import Path

import click

from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.display import base64url, show_json, show_or_write
from issuer.commands.exits import ExitCode, exit_codes
from issuer.commands.inputs import one_of, read_file, to_hex_or_base64
from issuer.nsm import Nsm


@click.command(short_help="Get an attestation document.", epilog=exit_codes("signed"))
@click.option(
    "--nonce", callback=to_hex_or_base64, metavar="NONCE", help="The verifier's nonce: hex, base64 or base64url."
)
@click.option("--user-data", metavar="TEXT", help="Text to have signed.")
@click.option("--user-data-file", metavar="FILE", help='Bytes to have signed, "-" for stdin.')
@click.option("--public-key-file", metavar="FILE", help='A public key to have signed, such as DER, "-" for stdin.')
@click.option("--strict", is_flag=True, help="Hold user data and nonce to 512 bytes rather than 1024.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the document in base64url.")
@with_nsm
def attest(  # noqa: PLR0913 - one parameter for each option
    nsm: Nsm,
    *,
    nonce: bytes | None,
    user_data: str | None,
    user_data_file: str | None,
    public_key_file: str | None,
    strict: bool,
    output: Path | None,
    as_json: bool,
) -> ExitCode:
    """Write the document, as the NSM signed it, to stdout.

    An option that is not given leaves its field null; an empty value is signed as zero bytes, which is another thing.
    """
    if as_json and output is not None:
        raise click.UsageError("--json and --output exclude each other")
    if user_data_file == public_key_file == "-":
        raise click.UsageError("stdin can be read once")
    document = Nsm(nsm.backend, strict=strict).attestation(
        nonce=nonce,
        user_data=one_of(
            user_data=None if user_data is None else user_data.encode(),
            user_data_file=None if user_data_file is None else read_file(user_data_file),
        ),
        public_key=None if public_key_file is None else read_file(public_key_file),
    )
    if as_json:
        show_json({"backend": backend_name(nsm), "document": base64url(document)})
    else:
        show_or_write(document, output)
    return ExitCode.GOOD
