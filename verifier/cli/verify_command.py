"""``nitro-verifier verify``: one document, one verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier import Verifier
from verifier.cli.clock import now
from verifier.cli.escapes import ascii_json
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.inputs import (
    PinnedFile,
    load_anchors,
    load_policy_in_force,
    read_evidence,
    to_chosen_time,
    to_nonce,
    to_pinned_files,
)
from verifier.cli.notes import warn
from verifier.history import time_of_verification
from verifier.result import Affirmed
from verifier.service.notation import write_time
from verifier.service.wire import result_body

if TYPE_CHECKING:
    from verifier.history import ChosenTime


@click.command(short_help="Appraise one document.", epilog=exit_codes("affirmed", "rejected"))
@click.argument("file")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What to accept. Without one nothing is, but an authentic document's claims are shown.",
)
@click.option(
    "--nonce",
    callback=to_nonce,
    metavar="NONCE",
    help="The nonce the enclave was challenged with: hex, base64 or base64url.",
)
@click.option(
    "--at",
    callback=to_chosen_time,
    metavar="RFC3339|document",
    help="Appraise as of this time, or of the document's own, instead of now. The verdict is then historical: about "
    "that time only, no nonce is used up, and exit code 0 says nothing about now.",
)
@click.option(
    "--anchor",
    "anchor_files",
    callback=to_pinned_files,
    metavar="FILE[#sha256=HEX]",
    multiple=True,
    help="A root to trust beside AWS's (PEM or DER), such as another partition's. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same JSON that the HTTP service answers.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing; the exit code is the verdict.")
def verify(  # noqa: PLR0913 - one parameter for each option
    *,
    file: str,
    policy_file: Path | None,
    nonce: bytes | None,
    at: ChosenTime | None,
    anchor_files: tuple[PinnedFile, ...],
    as_json: bool,
    quiet: bool,
) -> ExitCode:
    """Appraise the document in FILE, or on stdin for "-".

    FILE holds the bytes that the Nitro Secure Module returned. Text that is strictly base64 is decoded first.
    """
    if as_json and quiet:
        raise click.UsageError("--json and --quiet exclude each other")
    policy = None if policy_file is None else load_policy_in_force(policy_file)
    verifier = Verifier(anchors=load_anchors(anchor_files, quiet=quiet))
    evidence = read_evidence(file, quiet=quiet)
    clock = now()
    moment = clock if at is None else time_of_verification(evidence, at, otherwise=clock)
    result = verifier.appraise(evidence, policy=policy, nonce=nonce, at=moment, historical=at is not None)
    if as_json:
        if result.historical:
            warn(f"historical: evaluated at {write_time(result.evaluated_at)}, not now")
        click.echo(ascii_json(result_body(result)))
    elif not quiet:
        from verifier.cli.display import output  # here, because scripts want no terminal
        from verifier.cli.verdict_view import show_verdict

        show_verdict(output(), result)
    return ExitCode.GOOD if isinstance(result, Affirmed) else ExitCode.NOT_GOOD
