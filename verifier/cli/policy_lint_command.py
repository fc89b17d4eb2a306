"""``nitro-verifier policy lint``: what is wrong with policies, and what is right but may not be meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from verifier.cli.clock import now
from verifier.cli.display import BAD, DIM, GOOD, HEAD, WARN, output
from verifier.cli.escapes import ascii_json, plain
from verifier.cli.exits import ExitCode, InputError, exit_codes
from verifier.cli.inputs import read_policy_text, to_moment
from verifier.policy.lint_codes import Lint, LintCode, Severity
from verifier.policy.lint_text import lint_text
from verifier.policy.reader import holds_policy, read_policy
from verifier.policy.shadows import arrange_shadows
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.console import Console

    from verifier import Policy

_PATH = click.Path(path_type=Path)
_STYLES = {Severity.ERROR: BAD, Severity.WARNING: WARN, Severity.NOTE: DIM}
_WORDS = {Severity.ERROR: "error", Severity.WARNING: "lint", Severity.NOTE: "note"}


class _Lint(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    severity: Severity
    detail: str
    advice: str


class _File(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    lints: list[_Lint]


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    clean: bool
    files: list[_File]


@click.command(
    short_help="Look policies over.", epilog=exit_codes("clean", "lints found") + " A policy that is refused is 2."
)
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("--strict", is_flag=True, help="Count notes as lints too.")
@click.option("--at", callback=to_moment, metavar="RFC3339", help="Judge windows as of this time instead of now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: each file with its lints.")
def lint(*, files: tuple[Path, ...], strict: bool, at: datetime | None, as_json: bool) -> ExitCode:
    """Name everything in FILES that is wrong, or that is right but may not be meant.

    A folder stands for the policies in it, as the service would load them; names and shadows are then checked, too.
    Mistakes (exit 2) are all named at once. Notes are good to know and leave the exit code at 0 unless --strict.
    """
    found = {name: lints for file in files for name, lints in _lint_path(file, at or now())}
    code = max(_code(lint, strict=strict) for lint in (None, *(lint for lints in found.values() for lint in lints)))
    if as_json:
        listed = [_File(file=name, lints=[_body(each) for each in lints]) for name, lints in found.items()]
        click.echo(ascii_json(_Report(clean=code is ExitCode.GOOD, files=listed)))
    else:
        _show(output(), found, strict=strict)
    return code


def _lint_path(path: Path, at: datetime) -> Iterator[tuple[str, tuple[Lint, ...]]]:
    if not path.is_dir():
        yield str(path), _lint_file(path, at)
        return
    held = sorted(each for each in path.glob("*.toml") if holds_policy(each.name))
    for each in held:
        yield str(each), _lint_file(each, at)
    problems = _problems_among(held) if held else ["no policies (*.toml) in this folder"]
    if problems:
        yield str(path), tuple(Lint(code=LintCode.POLICY_INVALID, detail=problem) for problem in problems)


def _lint_file(path: Path, at: datetime) -> tuple[Lint, ...]:
    try:
        return lint_text(read_policy_text(path), name=path.stem, at=at)
    except ConfigurationError as error:  # not even text
        return tuple(Lint(code=LintCode.POLICY_INVALID, detail=problem) for problem in error.problems)
    except InputError as error:
        return (Lint(code=LintCode.POLICY_INVALID, detail=error.message),)


def _problems_among(files: list[Path]) -> list[str]:
    """Name what is wrong with policies together; those that are refused by themselves are left out."""
    policies: dict[str, Policy] = {}
    problems: list[str] = []
    for path in files:
        try:
            policy = read_policy(read_policy_text(path), name=path.stem)
        except (ConfigurationError, InputError):
            continue
        if policies.setdefault(policy.name, policy) is not policy:
            problems.append(f"{path.name}: another file holds a policy of the name {policy.name!r} already")
    try:
        arrange_shadows(policies)
    except ConfigurationError as error:
        problems.extend(error.problems)
    return problems


def _code(lint: Lint | None, *, strict: bool) -> ExitCode:
    if lint is None or (lint.code.severity is Severity.NOTE and not strict):
        return ExitCode.GOOD
    return ExitCode.USAGE if lint.code.severity is Severity.ERROR else ExitCode.NOT_GOOD


def _body(lint: Lint) -> _Lint:
    return _Lint(code=lint.code.value, severity=lint.code.severity, detail=lint.detail, advice=lint.code.advice)


def _show(console: Console, found: dict[str, tuple[Lint, ...]], *, strict: bool) -> None:
    for name, lints in found.items():
        for each in lints:
            console.print(_line(plain(name), each), soft_wrap=True)
        if all(_code(each, strict=strict) is ExitCode.GOOD for each in lints):
            console.print(Text.assemble((plain(name), HEAD), ": ", ("clean", GOOD)), soft_wrap=True)


def _line(name: str, lint: Lint) -> Text:
    level = (f"{_WORDS[lint.code.severity]} ", _STYLES[lint.code.severity])
    found = Text.assemble((name, HEAD), ": ", level, (lint.code.value, HEAD), f": {plain(lint.detail)}")
    return found.append(f"\n    -> {lint.code.advice}", style=DIM)
