"""``nitro-verifier policy show``: a policy with every value spelt out."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.inputs import load_policy
from verifier.policy.canonical import write_policy

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Print a policy's canonical text.", epilog=exit_codes("shown"))
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
