"""``nitro-verifier policy kms``: the same measurements in a KMS key policy, and key policies looked over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from verifier.cli.display import DIM, GOOD, HEAD, WARN, output
from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.inputs import load_policy_in_force, refuse_without
from verifier.cli.notes import warn
from verifier.cli.reference_inputs import read_text
from verifier.evidence.pcrs import EvidenceKind
from verifier.reference_values.key_policy import MAX_KEY_POLICY_BYTES, read_key_policy
from verifier.reference_values.kms import PLACEHOLDER_PRINCIPAL, key_policy
from verifier.reference_values.kms_lint import KmsLint, lint_key_policy

if TYPE_CHECKING:
    from rich.console import Console

    from verifier import Policy

_FILE = click.Path(path_type=Path, dir_okay=False)
_VERSION = "2012-10-17"
"""Of the policy language; the only current one."""


@click.command(
    "kms", short_help="Say the same in a KMS key policy.", epilog=exit_codes("printed, or clean", "lints found")
)
@click.argument("file", type=_FILE)
@click.option("--principal", "principals", multiple=True, metavar="ARN", help="Who may use the key; may be repeated.")
@click.option(
    "--lint", "key_policies", multiple=True, type=_FILE, metavar="JSON", help="Look this key policy over instead."
)
@click.option("--strict", is_flag=True, help="Count notes as lints too.")
def kms(*, file: Path, principals: tuple[str, ...], key_policies: tuple[Path, ...], strict: bool) -> ExitCode:
    """Print statements for a KMS key policy that allow the key to the builds of FILE and to nothing else.

    With --lint, compare key policies (or what "aws kms get-key-policy" printed) with FILE instead.
    """
    if not key_policies:
        refuse_without("--lint", "strict")
    elif principals:
        raise click.UsageError("--principal is for printing: --lint does not look at who may use the key")
    policy = load_policy_in_force(file)
    if key_policies:
        if policy.evidence is not EvidenceKind.ENCLAVE:
            raise click.UsageError("--lint knows the rules for enclaves; this policy is for another kind of evidence")
        console = output()
        return max(_lint(console, path, policy, strict=strict) for path in key_policies)
    written = key_policy(policy, principals)
    for line in written.unsaid:
        warn(f"not in a key policy: {line}")
    text = json.dumps({"Version": _VERSION, "Statement": written.statements}, indent=2)
    if PLACEHOLDER_PRINCIPAL in text:
        warn(f"no --principal was given: KMS refuses the policy until {PLACEHOLDER_PRINCIPAL} is replaced")
    click.echo(text)
    return ExitCode.GOOD


def _lint(console: Console, path: Path, policy: Policy, *, strict: bool) -> ExitCode:
    name = plain(str(path))
    found = lint_key_policy(read_key_policy(read_text(path, MAX_KEY_POLICY_BYTES)), policy)
    for lint in found:
        console.print(_line(name, lint), soft_wrap=True)
    if any(strict or not lint.code.is_note for lint in found):
        return ExitCode.NOT_GOOD
    console.print(Text.assemble((name, HEAD), ": ", ("clean", GOOD)), soft_wrap=True)
    return ExitCode.GOOD


def _line(name: str, lint: KmsLint) -> Text:
    level = ("note ", DIM) if lint.code.is_note else ("lint ", WARN)
    what = f": {plain(lint.where)}: {plain(lint.detail)}"
    return Text.assemble((name, HEAD), ": ", level, (lint.code.value, HEAD), what).append(
        f"\n    -> {lint.code.advice}", style=DIM
    )
