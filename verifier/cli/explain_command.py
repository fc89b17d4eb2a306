"""``nitro-verifier explain``: every check of one document, for whoever wonders what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier import Verifier
from verifier.cli.clock import now
from verifier.cli.display import output
from verifier.cli.escapes import ascii_json
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.explanation_view import show_explanation
from verifier.cli.inputs import (
    KeyFile,
    PinnedFile,
    load_anchors,
    load_nonce_service,
    load_policy,
    read_evidence,
    refuse_without,
    to_chosen_time,
    to_key_file,
    to_nonce,
    to_pinned_files,
)
from verifier.explanation import explain as explain_evidence
from verifier.history import time_of_verification
from verifier.service.explanations import explanation_body
from verifier.service.options import Options

if TYPE_CHECKING:
    from verifier.history import ChosenTime


@click.command(
    short_help="Show every check of a document, and what differs.",
    epilog=exit_codes("nothing is wrong", "a check failed"),
)
@click.argument("file")
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path), metavar="FILE", help="The policy to compare with."
)
@click.option(
    "--nonce", callback=to_nonce, metavar="NONCE", help="The nonce the enclave was challenged with, as for verify."
)
@click.option(
    "--at",
    callback=to_chosen_time,
    metavar="RFC3339|document",
    help="Look as of this time, or of the document's own, instead of now.",
)
@click.option(
    "--anchor",
    "anchor_files",
    callback=to_pinned_files,
    metavar="FILE[#sha256=HEX]",
    multiple=True,
    help="A root to trust beside AWS's (PEM or DER). Repeatable.",
)
@click.option(
    "--nonce-key-file",
    "nonce_key",
    callback=to_key_file,
    metavar="FILE[#id=N]",
    help="A service's nonce key, to look at nonces as that service does. N is the key's id there, 1 by default.",
)
@click.option(
    "--audience", default=Options().audience, show_default=True, help="That service's name. With --nonce-key-file."
)
@click.option("--json", "as_json", is_flag=True, help="Print the same JSON that POST /v1/explain answers.")
def explain(  # noqa: PLR0913 - one parameter for each option
    *,
    file: str,
    policy_file: Path | None,
    nonce: bytes | None,
    at: ChosenTime | None,
    anchor_files: tuple[PinnedFile, ...],
    nonce_key: KeyFile | None,
    audience: str,
    as_json: bool,
) -> ExitCode:
    """Explain what is wrong with the document in FILE, or on stdin for "-".

    Every check is shown with its outcome, also behind the first that failed. This is no verdict: whether a nonce was
    used before is not looked at, and what an unproven document says is marked as unproven.
    """
    if nonce_key is None:
        refuse_without("--nonce-key-file", "audience")
    policy = None if policy_file is None else load_policy(policy_file)
    nonces = None if nonce_key is None else load_nonce_service(nonce_key, audience)
    verifier = Verifier(anchors=load_anchors(anchor_files), nonces=nonces)
    evidence = read_evidence(file)
    clock = now()
    moment = clock if at is None else time_of_verification(evidence, at, otherwise=clock)
    explained = explain_evidence(verifier, evidence, policy=policy, nonce=nonce, at=moment, historical=at is not None)
    if as_json:
        click.echo(ascii_json(explanation_body(explained)))
    else:
        show_explanation(output(), explained)
    return ExitCode.NOT_GOOD if explained.failed else ExitCode.GOOD
