"""Run one command by itself and see what it leaves behind, with mistakes told as the whole program tells them."""

import os
import sys
from pathlib import Path

import click
from click.testing import CliRunner

from tests.unit.verifier.cli.world import Outcome
from verifier import ConfigurationError


def call(command: click.Command, *args: str | Path, stdin: bytes = b"", columns: int = 100) -> Outcome:
    """Run a command."""
    surroundings = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    with CliRunner().isolation(input=stdin, env=surroundings) as (out, err, _):
        code = _run(command, [os.fspath(arg) for arg in args])
        sys.stdout.flush()
        sys.stderr.flush()
        return Outcome(code=code, stdout=out.getvalue(), stderr=err.getvalue().decode())


def _run(command: click.Command, args: list[str]) -> int:
    try:
        return int(command.main(args, prog_name="nitro-verifier", standalone_mode=False))
    except click.ClickException as error:
        error.show()
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
    return 2
