"""A make-believe enclave for people without one: ``python -m nitro_demo.enclave``.

It keeps a throwaway PKI's seed in a file, so that the root stays the same from one run to the next, and signs with the
software NSM. Its documents verify under that root only, which a verifier trusts only when told to.
"""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from verifier.service.notation import read_nonce_text

SEED_FILE = "throwaway.seed"
_SEED_BYTES = 32
_FOLDER = click.Path(path_type=Path, file_okay=False)


def now() -> datetime:
    """Read the wall clock; the one place of this package that does."""
    return datetime.now(UTC)  # noqa: TID251 - a make-believe hypervisor has a clock


def open_pki(folder: Path) -> ThrowawayPki:
    """Give the PKI whose seed the folder holds, making folder and seed the first time."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder / SEED_FILE
    if not seed.exists():
        seed.write_bytes(secrets.token_bytes(_SEED_BYTES))
        seed.chmod(0o600)
    return ThrowawayPki(seed=seed.read_bytes())


def measurements(build: str) -> dict[str, str]:
    """Give a make-believe image's measurements by the names that ``nitro-cli build-enclave`` prints."""
    pcrs = build_pcrs(build)
    return {"HashAlgorithm": "Sha384 { ... }", **{f"PCR{index}": pcrs[index].hex() for index in sorted(pcrs)}}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Play an enclave on a machine that has none. What it signs proves nothing about any machine."""


@main.command()
@click.argument("name")
def build(name: str) -> None:
    """Print the measurements of the make-believe image NAME, as nitro-cli build-enclave does."""
    click.echo(msgspec.json.format(msgspec.json.encode({"Measurements": measurements(name)}), indent=2))


@main.command()
@click.option("--sha256", is_flag=True, help="Print the certificate's fingerprint instead.")
@click.option("--folder", type=_FOLDER, default=Path("enclave"), show_default=True, help="Where the seed is kept.")
def root(folder: Path, *, sha256: bool) -> None:
    """Print the throwaway root's certificate."""
    pki = open_pki(folder)
    click.echo(pki.root_sha256.hex() if sha256 else pki.root_pem.rstrip())


@main.command()
@click.argument("name")
@click.option("--nonce", default=None, help="The verifier's nonce: hex, base64 or base64url.")
@click.option("--user-data", default=None, help="Text to have signed.")
@click.option("--debug", is_flag=True, help="As if started with --debug-mode.")
@click.option("--folder", type=_FOLDER, default=Path("enclave"), show_default=True, help="Where the seed is kept.")
def attest(name: str, nonce: str | None, user_data: str | None, folder: Path, *, debug: bool) -> None:
    """Write the attestation document of a make-believe enclave running the image NAME to stdout."""
    try:
        challenge = None if nonce is None else read_nonce_text(nonce)
    except ValueError as error:
        raise click.BadParameter("neither hex nor base64 nor base64url", param_hint="--nonce") from error
    nsm = SoftwareNsm(clock=now, pki=open_pki(folder), build=name, debug=debug)
    document = nsm.attestation(
        nonce=challenge,
        user_data=None if user_data is None else user_data.encode(),
    )
    sys.stdout.buffer.write(document)


if __name__ == "__main__":
    main(prog_name="python -m nitro_demo.enclave")
