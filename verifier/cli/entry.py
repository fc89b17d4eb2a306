"""The command ``nitro-verifier``: finds the subcommand, and turns every way of failing into an exit code.

Bad input never shows a traceback. An exception that nobody expected is a bug of ours: it says so in one line and
exits 3, so that no script takes it for a verdict.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from verifier.cli import streams
from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.lazy_group import LazyGroup
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "nitro-verifier"
DEBUG_VARIABLE = "NITRO_VERIFIER_DEBUG"

_COMMANDS = (
    ("audit", "verifier.cli.audit_command", "Check an archive of documents again."),
    ("demo", "verifier.cli.demo_command", "Run the whole loop on this machine."),
    ("explain", "verifier.cli.explain_command", "Show every check of a document, and what differs."),
    ("inspect", "verifier.cli.inspect_command", "Show what a document says, unverified."),
    ("measure", "verifier.cli.measure_command", "Measure an enclave image file."),
    ("nonce", "verifier.cli.nonce_command", "Make a nonce."),
    ("policy", "verifier.cli.policy_commands", "Check policies, and show what they mean."),
    ("serve", "verifier.cli.serve_command", "Run the HTTP service."),
    ("verify", "verifier.cli.verify_command", "Appraise one document."),
)
"""Each says the same of itself; a test compares them."""


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        from verifier import Verifier, bundled_anchor

        root = bundled_anchor()
        click.echo(f"{PROGRAM} {_version()}\nengine {Verifier().engine}\nroot {root.name} sha256 {root.sha256}")
        ctx.exit(ExitCode.GOOD)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(PROGRAM)
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "(not installed)"


@click.group(
    name=PROGRAM,
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=exit_codes("affirmed, clean or done", "rejected, or a policy with lints"),
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version, the signature engine and the bundled root's fingerprint.",
)
def commands() -> None:
    """Verify AWS Nitro Enclaves attestation documents."""


for name, module, short_help in _COMMANDS:
    commands.add_later(name, module, short_help)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    streams.fill_closed_streams()
    code = run(args)
    sys.exit(_write_out(code))


def run(args: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; raises nothing."""
    streams.take_any_text()
    try:
        return _run(args)
    except (click.ClickException, ConfigurationError) as error:
        _explain(error)
        return ExitCode.USAGE  # click gives some of them 1, which means "rejected" here
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.OUTPUT_CLOSED
    except OSError as error:  # what is read is read with care, so this is an output
        return _give_up_output(error)
    except Exception as error:  # noqa: BLE001 - the command's edge, as the conventions allow the HTTP edge
        if os.environ.get(DEBUG_VARIABLE) == "1":
            sys.excepthook(type(error), error, error.__traceback__)
        _say(f"this is a bug ({type(error).__name__}); {DEBUG_VARIABLE}=1 shows where")
        return ExitCode.BUG


def _run(args: Sequence[str] | None) -> int:
    # Not click's own `main`: it answers a closed pipe with exit code 1, which means "rejected" here.
    try:
        with commands.make_context(PROGRAM, list(sys.argv[1:] if args is None else args)) as context:
            code = commands.invoke(context)
    except click.exceptions.Exit as asked:  # --help and --version
        return asked.exit_code
    if not isinstance(code, int):
        raise TypeError("a command ended without an exit code")  # and silence must not pass for exit code 0
    return code


def _explain(error: click.ClickException | ConfigurationError) -> None:
    if isinstance(error, click.ClickException):
        streams.show(error.show)
        return
    for problem in error.problems:
        _say(plain(problem))


def _say(sentence: str) -> None:
    streams.show(lambda: click.echo(f"{PROGRAM}: {sentence}", err=True))


def _give_up_output(error: OSError) -> ExitCode:
    _say(f"the output cannot be written: {error.strerror}")
    return ExitCode.USAGE


def _write_out(code: int) -> int:
    """Write what is left and give the exit code: the command's, unless its output did not arrive."""
    failure = streams.write_out(sys.stdout)
    if isinstance(failure, BrokenPipeError):
        code = ExitCode.OUTPUT_CLOSED
    elif failure is not None and code in {ExitCode.GOOD, ExitCode.NOT_GOOD}:
        code = _give_up_output(failure)
    streams.write_out(sys.stderr)
    return code
