"""``nitro-verifier policy``: read policies as the verifier will, before it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from verifier.cli.clock import now
from verifier.cli.display import BAD, DIM, GOOD, HEAD, WARN, output, plain
from verifier.cli.exits import ExitCode, InputError, exit_codes
from verifier.cli.inputs import load_policy
from verifier.policy.canonical import write_policy
from verifier.policy.lint import lint_policy
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from verifier.policy.lint import Lint

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(short_help="Check policies, and show what they mean.", epilog=exit_codes("clean or shown", "lints found"))
def policy() -> None:
    """Check Appraisal Policies, and show what they mean."""


@policy.command(short_help="Look policies over.", epilog=exit_codes("clean", "lints found"))
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--strict", is_flag=True, help="Count notes as lints too.")
def lint(*, files: tuple[Path, ...], strict: bool) -> ExitCode:
    """Name everything in FILES that is wrong, or that is right but may not be meant.

    Mistakes (exit 2) are all named at once. Notes are good to know and leave the exit code at 0 unless --strict.
    """
    console, at = output(), now()
    return max(_lint_file(console, file, at, strict=strict) for file in files)


@policy.command(short_help="Print a policy's canonical text.", epilog=exit_codes("shown"))
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print name, sha256 and text (toml) as JSON.")
def show(*, file: Path, as_json: bool) -> ExitCode:
    """Print FILE with every value spelt out, and the sha256 that results will carry.

    Two policies mean the same exactly when this text is the same.
    """
    loaded = load_policy(file)
    text = write_policy(loaded)
    if as_json:
        click.echo(msgspec.json.encode({"name": loaded.name, "sha256": loaded.sha256, "toml": text}).decode())
    else:
        click.echo(f"# sha256 {loaded.sha256}\n{text}", nl=False)
    return ExitCode.GOOD


def _lint_file(console: Console, file: Path, at: datetime, *, strict: bool) -> ExitCode:
    name = plain(str(file))
    try:
        lints = lint_policy(load_policy(file), at)
    except (ConfigurationError, InputError) as error:
        problems = error.problems if isinstance(error, ConfigurationError) else (error.message,)
        for problem in problems:
            console.print(Text.assemble((name, HEAD), ": ", ("error ", BAD), plain(problem)), soft_wrap=True)
        return ExitCode.USAGE
    for found in lints:
        console.print(_line(name, found), soft_wrap=True)
    if any(strict or not found.code.is_note for found in lints):
        return ExitCode.NOT_GOOD
    console.print(Text.assemble((name, HEAD), ": ", ("clean", GOOD)), soft_wrap=True)
    return ExitCode.GOOD


def _line(name: str, lint: Lint) -> Text:
    level = ("note ", DIM) if lint.code.is_note else ("lint ", WARN)
    found = Text.assemble((name, HEAD), ": ", level, (lint.code.value, HEAD), f": {plain(lint.detail)}")
    return found.append(f"\n    -> {lint.code.advice}", style=DIM)
