"""The command ``nitro-issuer``: finds the subcommand, and turns every way of failing into an exit code.

A module of `issuer.commands` that holds a click command by its own name is a subcommand; there is no other list.
Bad input never shows a traceback. An exception that nobody expected is a bug of ours: it says so in one line and
exits 3, so that no script takes it for a refusal.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pkgutil import iter_modules
from typing import NoReturn, TextIO

import click

from issuer import commands as package
from issuer.commands.display import plain
from issuer.commands.exits import ExitCode, exit_codes
from issuer.nsm import NotRecordedError, NsmError, NsmUnavailableError

PROGRAM = "nitro-issuer"
DISTRIBUTION = "nitro-verifier"
DEBUG_VARIABLE = "NITRO_ISSUER_DEBUG"


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {_version()}")
        ctx.exit(ExitCode.GOOD)


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "(not installed)"


@click.group(
    name=PROGRAM,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=exit_codes("done"),
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
def commands() -> None:
    """Ask the Nitro Secure Module of the enclave that this runs in."""


def _found() -> Iterator[click.Command]:
    for module in iter_modules(package.__path__):
        command = getattr(import_module(f"{package.__name__}.{module.name}"), module.name, None)
        if isinstance(command, click.Command):
            yield command


for found in _found():
    commands.add_command(found)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    code = run(args)
    # Both, before any exit: Python answers what it cannot write at its own end with exit code 120.
    arrived = [_write_out(stream) for stream in (sys.stdout, sys.stderr)]
    sys.exit(code if arrived[0] else ExitCode.OUTPUT_CLOSED)


def run(args: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode is no reason to fail
    try:
        return _run(args)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE  # click gives some of them 1, which means "refused" here
    except (NsmError, NotRecordedError) as error:
        return _failed(error)
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.OUTPUT_CLOSED
    except Exception as error:  # noqa: BLE001 - the command's edge, as the conventions allow the HTTP edge
        if os.environ.get(DEBUG_VARIABLE) == "1":
            sys.excepthook(type(error), error, error.__traceback__)
        click.echo(f"{PROGRAM}: this is a bug ({type(error).__name__}); {DEBUG_VARIABLE}=1 shows where", err=True)
        return ExitCode.BUG


def _failed(error: NsmError | NotRecordedError) -> ExitCode:
    click.echo(f"{PROGRAM}: {type(error).__name__}: {plain(str(error))}", err=True)
    if isinstance(error, NotRecordedError):
        return ExitCode.USAGE  # no NSM was asked
    if not isinstance(error, NsmUnavailableError):
        return ExitCode.NOT_GOOD
    click.echo("There is no NSM here. Outside an enclave, --backend software boots a make-believe one.", err=True)
    return ExitCode.USAGE


def _run(args: Sequence[str] | None) -> int:
    # Not click's own `main`: it answers a closed pipe with exit code 1, which means "refused" here.
    try:
        with commands.make_context(PROGRAM, list(sys.argv[1:] if args is None else args)) as context:
            code = commands.invoke(context)
    except click.exceptions.Exit as asked:  # --help and --version
        return asked.exit_code
    if not isinstance(code, int):
        raise TypeError("a command ended without an exit code")  # and silence must not pass for exit code 0
    return code


def _write_out(stream: TextIO) -> bool:
    """Write what is left; tell whether anybody still reads it, and leave nothing over if not."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


if __name__ == "__main__":
    main()
