"""``nitro-verifier measure``: what an image file will report once it runs, or why that cannot be said."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from verifier.cli.display import DIM, HEAD, WARN, facts, output
from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.pcr_view import pcr_table
from verifier.cli.reference_inputs import measure_file, refuse_image
from verifier.policy.model import INSTANCE_ID, ROLE_ARN
from verifier.reference_values.eif import EnclaveImage, metadata_text
from verifier.reference_values.formulas import instance_pcr, role_pcr
from verifier.reference_values.layout import EifError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_SHOWN_METADATA = 1000


@click.command(
    short_help="Measure an enclave image file.",
    epilog=exit_codes("measured", "not an image, damaged, or one that readers could disagree on"),
)
@click.argument("file", type=_FILE)
@click.option("--role-arn", metavar="ARN", help="Show PCR3 for a parent instance with this IAM role too.")
@click.option("--instance-id", metavar="ID", help="Show PCR4 on this parent instance too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; measurements as hex.")
def measure(*, file: Path, role_arn: str | None, instance_id: str | None, as_json: bool) -> ExitCode:
    """Show PCR0, PCR1, PCR2 and, for a signed image, PCR8 of the image in FILE (or on stdin, for "-").

    The hypervisor follows the table in the file's header, nitro-cli the sections one after the other. An image on which
    they could differ is refused, and nothing of it is shown.
    """
    identities = _identities(role_arn, instance_id)
    try:
        image = measure_file(file)
    except EifError as error:
        if as_json:
            refusal = {"code": error.fault.value, "detail": error.detail, "hint": error.fault.hint}
            click.echo(msgspec.json.encode({"refused": refusal}))
        return refuse_image(error, quiet=as_json)
    pcrs = {**image.pcrs, **identities}
    if as_json:
        click.echo(msgspec.json.encode(_body(image, pcrs)))
    else:
        _show(output(), image, pcrs)
    return ExitCode.GOOD


def _identities(role_arn: str | None, instance_id: str | None) -> Mapping[int, bytes]:
    """Compute PCR3 and PCR4 of what policies take too: any other text has a hash as well, and no enclave has it."""
    pcrs = {}
    if role_arn is not None:
        if not ROLE_ARN.fullmatch(role_arn):
            raise click.UsageError("--role-arn: not the ARN of an IAM role (an instance profile's does not work)")
        pcrs[3] = role_pcr(role_arn)
    if instance_id is not None:
        if not INSTANCE_ID.fullmatch(instance_id):
            raise click.UsageError("--instance-id: not an EC2 instance id")
        pcrs[4] = instance_pcr(instance_id)
    return pcrs


def _body(image: EnclaveImage, pcrs: Mapping[int, bytes]) -> dict[str, object]:
    metadata = _metadata(image)
    return {
        "version": image.version,
        "architecture": image.architecture,
        "pcrs": {str(index): pcrs[index].hex() for index in sorted(pcrs)},
        "signer": _signer(image),
        "sections": [
            {"kind": section.kind.label, "offset": section.offset, "size": section.size} for section in image.sections
        ],
        "command_line": _text(image.command_line),
        "kernel_sha384": image.kernel_sha384.hex(),
        "boot_ramdisk_sha384": image.boot_ramdisk_sha384.hex(),
        "default_memory": image.default_memory,
        "default_cpus": image.default_cpus,
        "untrusted_metadata": None if metadata is None else msgspec.Raw(metadata.encode()),
    }


def _signer(image: EnclaveImage) -> dict[str, object] | None:
    if image.signer is None:
        return None
    return {
        "subject": plain(image.signer.subject),
        "issuer": plain(image.signer.issuer),
        "algorithm": image.signer.algorithm,
        "not_before": image.signer.not_before,
        "not_after": image.signer.not_after,
        "certificate_sha256": hashlib.sha256(image.signer.certificate).hexdigest(),
    }


def _metadata(image: EnclaveImage) -> str | None:
    return None if image.untrusted_metadata is None else metadata_text(image.untrusted_metadata)


def _text(data: bytes) -> str:
    return plain(data.decode("utf-8", "backslashreplace"))


def _show(console: Console, image: EnclaveImage, pcrs: Mapping[int, bytes]) -> None:
    console.print(Text(f"Enclave image, version {image.version}, {image.architecture}", style=HEAD))
    console.print(pcr_table(pcrs, console.width))
    console.print(facts(_facts(image)))
    metadata = _metadata(image)
    if metadata is not None:
        console.print(Text("metadata, which is not measured: anyone can have written it", style=WARN))
        console.print(Text(plain(metadata[:_SHOWN_METADATA]), style=DIM), soft_wrap=True)
        if len(metadata) > _SHOWN_METADATA:
            console.print(Text("... --json shows all of it", style=DIM))


def _facts(image: EnclaveImage) -> Iterator[tuple[str, Text | str]]:
    for section in image.sections:
        yield section.kind.label, f"{section.size} bytes at {section.offset}"
    yield "kernel arguments", _text(image.command_line)
    if image.signer is None:
        yield "signature", Text("none", style=DIM)
    else:
        yield "signed by", plain(image.signer.subject)
        yield "certificate", f"{image.signer.algorithm}, {image.signer.not_before} to {image.signer.not_after}"
