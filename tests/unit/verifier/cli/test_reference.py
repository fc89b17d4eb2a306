"""docs/cli.md and the command: the same commands, the same options, the same lints."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from verifier.cli.entry import commands
from verifier.policy.lint import LintCode


def leaves(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from leaves(command)
        else:
            yield command


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


def test_every_lint_is_on_the_page(checkout: Path) -> None:
    """A lint's reader would find nothing about it."""
    page = (checkout / "docs" / "cli.md").read_text()
    assert [code.value for code in LintCode if f"`{code.value}`" not in page] == []


def test_every_command_says_what_it_does_in_the_list() -> None:
    """A command would be found by those who know it already."""
    assert all(command.get_short_help_str() for command in leaves(commands))
