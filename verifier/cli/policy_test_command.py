"""``nitro-verifier policy test``: does a policy say of these documents what its author expects?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from verifier.cli.display import BAD, DIM, GOOD, HEAD, WARN, output
from verifier.cli.escapes import ascii_json, plain
from verifier.cli.exits import ExitCode, InputError, exit_codes
from verifier.cli.policy_tests import Checked, PolicyTests, read_tests, run_test
from verifier.policy.reader import TESTS_SUFFIX, holds_policy
from verifier.result import Affirmed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

_PATH = click.Path(path_type=Path)


class _Test(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    passed: bool
    differences: tuple[str, ...]


class _Tests(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    policy: str
    sha256: str
    tests: list[_Test]
    untested: list[str]


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    passed: bool
    files: list[_Tests]


@click.command("test", short_help="Test policies on documents.", epilog=exit_codes("all passed", "a test failed"))
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("--strict", is_flag=True, help="Fail where a build is affirmed by no test.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: each file with its tests.")
def test(*, files: tuple[Path, ...], strict: bool, as_json: bool) -> ExitCode:
    """Appraise the documents that FILES name, each as of its own stated time, and compare the verdicts.

    Each of FILES is a policy with a file NAME.tests.toml beside its NAME.toml, such a file itself, or a folder of them.
    """
    reports = [_run(read_tests(path)) for path in _test_files(files)]
    failed = any(not test.passed for report in reports for test in report.tests)
    passed = not failed and not (strict and any(report.untested for report in reports))
    if as_json:
        click.echo(ascii_json(_Report(passed=passed, files=reports)))
    else:
        _show(output(), reports)
    return ExitCode.GOOD if passed else ExitCode.NOT_GOOD


def _test_files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            held = sorted(path.glob(f"*{TESTS_SUFFIX}"))
            if not held:
                raise InputError(f"{plain(str(path))}: no tests (*{TESTS_SUFFIX}) in this folder")
            found.extend(held)
        else:
            found.append(_beside(path) if holds_policy(path.name) else path)
    return found


def _beside(policy: Path) -> Path:
    path = policy.with_name(policy.stem + TESTS_SUFFIX)
    if policy.exists() and not path.exists():
        raise InputError(f"{plain(str(policy))}: no tests for it: write {plain(path.name)} (docs/rollouts.md)")
    return path


def _run(tests: PolicyTests) -> _Tests:
    outcomes = [run_test(tests, each) for each in tests.tests]
    affirmed = {outcome.result.build for outcome in outcomes if isinstance(outcome.result, Affirmed)}
    return _Tests(
        file=str(tests.path),
        policy=tests.policy.name,
        sha256=tests.policy.sha256,
        tests=[_body(outcome) for outcome in outcomes],
        untested=[build.name for build in tests.policy.builds if build.name not in affirmed],
    )


def _body(outcome: Checked) -> _Test:
    return _Test(name=outcome.test.name, passed=not outcome.differences, differences=outcome.differences)


def _show(console: Console, reports: list[_Tests]) -> None:
    for report in reports:
        console.print(Text.assemble((plain(report.file), HEAD), f": policy {report.policy}"), soft_wrap=True)
        for each in report.tests:
            mark = ("  pass  ", GOOD) if each.passed else ("  FAIL  ", BAD)
            console.print(Text.assemble(mark, plain(each.name)), soft_wrap=True)
            for difference in each.differences:
                console.print(Text(f"        {difference}", style=DIM), soft_wrap=True)
        for build in report.untested:
            console.print(Text.assemble(("  note  ", WARN), f"no test affirms build {plain(build)}"), soft_wrap=True)
    total = [each.passed for report in reports for each in report.tests]
    console.print(f"{len(total)} tests, {total.count(False)} failed")
