"""``nitro-verifier inspect``: what a document says, believing none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from verifier.cli.clock import now
from verifier.cli.display import output
from verifier.cli.escapes import ascii_json
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.inputs import read_evidence, to_moment
from verifier.cli.inspection import inspect_evidence
from verifier.cli.inspection_view import show_inspection

if TYPE_CHECKING:
    from datetime import datetime


@click.command(
    short_help="Show what a document says, unverified.",
    epilog=exit_codes("a document was shown", "it cannot be read as one"),
)
@click.argument("file")
@click.option(
    "--at",
    callback=to_moment,
    metavar="RFC3339",
    help="Draw the certificates' validity as of this time instead of now.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; optional fields as base64url, measurements as hex.")
def inspect(*, file: str, at: datetime | None, as_json: bool) -> ExitCode:
    """Show what the document in FILE (or on stdin, for "-") says. Nothing is verified: anyone can write one."""
    inspection = inspect_evidence(read_evidence(file), at or now())
    if as_json:
        click.echo(ascii_json(inspection))
    else:
        show_inspection(output(), inspection)
    return ExitCode.GOOD if inspection.problem is None else ExitCode.NOT_GOOD
