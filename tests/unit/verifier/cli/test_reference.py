"""docs/cli.md and the command: the same commands, the same options, the same lints."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click

from verifier import Reason
from verifier.cli.entry import commands
from verifier.cli.lazy_group import LazyCommand
from verifier.policy.lint_codes import LintCode, Severity


def leaves(group: click.Group) -> Iterator[click.Command]:
    for _, command in listed_and_loaded(group):
        if not isinstance(command, click.Group):
            yield command


def listed_and_loaded(group: click.Group) -> Iterator[tuple[LazyCommand, click.Command]]:
    for listed in group.commands.values():
        assert isinstance(listed, LazyCommand)
        command = listed.load()
        yield listed, command
        if isinstance(command, click.Group):
            yield from listed_and_loaded(command)


def test_every_option_is_on_the_page_and_none_that_is_not(checkout: Path) -> None:
    """The page would promise what is not there, or hide what is."""
    page = (checkout / "docs" / "cli.md").read_text()
    flags = {
        flag
        for command in leaves(commands)
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--")
    }
    on_page = set(re.findall(r"--[a-z][a-z0-9-]*", page)) - {"--help", "--version"}
    assert on_page == flags - {"--no-reuse-port"}


def test_every_lint_has_a_paragraph_and_no_other_has_one(checkout: Path) -> None:
    """A lint's reader would find nothing about it."""
    page = (checkout / "docs" / "lints.md").read_text()
    sections = dict(re.findall(r"^### `([a-z0-9-]+)`\n\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) == {code.value for code in LintCode}
    for code in LintCode:
        assert len(sections[code].split()) > 10, code
        assert (code.severity is Severity.NOTE) is ("Note." in sections[code]), code
    errors = page[page.index("## Errors") : page.index("## Debug mode")]
    assert set(re.findall(r"^### `([a-z0-9-]+)`", errors, re.MULTILINE)) == {
        code.value for code in LintCode if code.severity is Severity.ERROR
    }


def test_each_of_the_six_mistakes_has_its_lint_reason_vector_and_page(checkout: Path) -> None:
    """A reader would be sent to a protection that is not there."""
    page = (checkout / "docs" / "common-mistakes.md").read_text()
    rows = re.findall(r"^\| \[([^]]+)\]\(#([a-z0-9-]+)\) \|(.*)\|$", page, re.MULTILINE)
    assert len(rows) == 6
    for mistake, anchor, row in rows:
        _, lint, reason, vector, _ = (cell.strip() for cell in row.split(" | "))
        assert anchor == mistake.lower().replace(" ", "-")
        assert f"## {mistake}\n" in page
        (code,) = re.findall(r"`([a-z0-9-]+)`", lint)
        (why,) = re.findall(r"`([a-z.-]+)`", reason)
        (case,) = re.findall(r"\(\.\./(vectors/cases/[^)]+)\)", vector)
        expected = json.loads((checkout / case).read_text())["expected"]
        assert code in set(LintCode)
        assert why in set(Reason)
        assert (expected["verdict"], why in expected["reasons"]) == ("rejected", True)


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    """A command would be found by those who know it already, or under a promise that it does not keep."""
    for listed, command in listed_and_loaded(commands):
        assert command.short_help
        assert (listed.name, listed.short_help) == (command.name, command.short_help)
