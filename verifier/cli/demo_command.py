"""``nitro-verifier demo``: the whole loop on this machine, in a process of its own.

The demonstration plays both parties, so it imports both packages and lives in neither: ``nitro_demo`` is started by
name, and nothing of the issuer ever enters a verifier's process.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import click

from verifier.cli.exits import ExitCode, InputError, exit_codes

_MODULE = "nitro_demo"


@click.command(
    short_help="Run the whole loop on this machine.", epilog=exit_codes("every step went as it should", "one did not")
)
@click.option("--keep", is_flag=True, help="Keep the folder with the policy, the throwaway root and the documents.")
def demo(*, keep: bool) -> ExitCode:
    """Start the service with a throwaway root, attest with a software NSM, verify, and be refused four times.

    Loopback only. Needs the service extra. Documents of genuine enclaves beside the checkout are verified too, as of
    their own time.
    """
    if find_spec(_MODULE) is None:
        raise InputError(f"the package {_MODULE} is not installed: this installation lacks the demonstration")
    command = [sys.executable, "-m", _MODULE, *(["--keep"] if keep else [])]
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - this interpreter, a fixed module
    return ExitCode(code) if code in {*ExitCode} else ExitCode.BUG
