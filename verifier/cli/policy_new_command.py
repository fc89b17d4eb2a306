"""``nitro-verifier policy new``: a policy out of a build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, InputError, exit_codes
from verifier.cli.inputs import to_moment
from verifier.cli.notes import warn
from verifier.cli.reference_inputs import default_name, image_values, load_nitro_cli, measure_file, refuse_image
from verifier.policy.model import MeasurementMode
from verifier.reference_values.drafting import Wishes, draft_policy
from verifier.reference_values.layout import EifError

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.reference_values.provenance import ReferenceValues

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "new",
    short_help="Write a policy for a build.",
    epilog=exit_codes("written", "the image cannot be measured, so nothing was written"),
)
@click.option("--eif", type=_FILE, metavar="FILE", help="Measure this enclave image file.")
@click.option(
    "--nitro-cli",
    type=_FILE,
    metavar="FILE",
    help="Take what build-enclave, describe-eif or describe-enclaves printed.",
)
@click.option("--enclave", metavar="NAME", help="Which of the described enclaves, by its name or id.")
@click.option("--name", help="The policy's name; by default the file's.")
@click.option("--build", help="The build's name; by default the file's.")
@click.option(
    "--role-arn", "role_arns", multiple=True, metavar="ARN", help="Require this IAM role of the parent (PCR3)."
)
@click.option("--instance-id", "instance_ids", multiple=True, metavar="ID", help="Require this parent instance (PCR4).")
@click.option("--not-after", callback=to_moment, metavar="RFC3339", help="Trust the build until then.")
@click.option("--signer", is_flag=True, help="Trust every image with the same signer (PCR8) instead of this one.")
@click.option("--output", "-o", type=_FILE, metavar="FILE", help="Write to a new file instead of stdout.")
def new(  # noqa: PLR0913 - one parameter for each option
    *,
    eif: Path | None,
    nitro_cli: Path | None,
    enclave: str | None,
    name: str | None,
    build: str | None,
    role_arns: tuple[str, ...],
    instance_ids: tuple[str, ...],
    not_after: datetime | None,
    signer: bool,
    output: Path | None,
) -> ExitCode:
    """Write a policy that trusts one build, and has the strict default for everything else.

    Build the image yourself: measurements of somebody else's file say what it is, not that it is good.
    """
    try:
        source, values = _load(eif, nitro_cli, enclave)
    except EifError as error:
        return refuse_image(error)
    wishes = Wishes(
        name=name or default_name(source),
        build=build or default_name(source),
        role_arns=role_arns,
        instance_ids=instance_ids,
        not_after=not_after,
        mode=MeasurementMode.SIGNER if signer else MeasurementMode.IMAGE,
    )
    draft = draft_policy(values, wishes)
    if values.provenance.caution is not None:
        warn(f"not authoritative: {values.provenance.caution}")
    _write(draft.text, output)
    return ExitCode.GOOD


def _load(eif: Path | None, nitro_cli: Path | None, enclave: str | None) -> tuple[Path, ReferenceValues]:
    if eif is not None and nitro_cli is None and enclave is None:
        return eif, image_values(measure_file(eif))
    if nitro_cli is not None and eif is None:
        return nitro_cli, load_nitro_cli(nitro_cli, enclave)
    raise click.UsageError("give exactly one of --eif and --nitro-cli; --enclave goes with the latter")


def _write(text: str, path: Path | None) -> None:
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        with path.open("x", encoding="utf-8") as file:  # never over a policy that somebody may have edited
            file.write(text)
    except OSError as error:
        raise InputError(f"{plain(str(path))}: {error.strerror or error}") from error
