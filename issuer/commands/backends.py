"""Which NSM a command asks: the device unless another is asked for by name, which says on stderr what it is."""

import functools
import secrets
from collections.abc import Callable
from pathlib import Path

import click

from issuer.commands.display import plain
from issuer.commands.exits import ExitCode, InputError
from issuer.nsm import Nsm, RecordedBackend, SoftwareBackend, SoftwareNsm, ThrowawayPki, read_exchanges
from issuer.nsm.software_backend import wall_clock

SEED_FILE = "throwaway.seed"
ROOT_FILE = "root.pem"
_SEED_BYTES = 32


def with_nsm(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Give a command the options that choose an NSM, and the NSM, open, as its first argument."""

    @click.option(
        "--backend",
        type=click.Choice(["device", "software", "recorded"]),
        default="device",
        show_default=True,
        help="The enclave's own NSM, a make-believe one that ends with this command, or one that was recorded.",
    )
    @click.option(
        "--software-folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help=f"Keep the software NSM's seed here, so that its root stays the same, and write it as {ROOT_FILE}.",
    )
    @click.option("--software-build", metavar="NAME", help="The make-believe image that the software NSM runs.")
    @click.option(
        "--recording",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The exchanges that --backend recorded plays back, in JSON.",
    )
    @functools.wraps(command)
    def chosen(
        *,
        backend: str,
        software_folder: Path | None,
        software_build: str | None,
        recording: Path | None,
        **options: object,
    ) -> ExitCode:
        if backend != "software" and (software_folder is not None or software_build is not None):
            raise click.UsageError("--software-folder and --software-build need --backend software")
        if (backend == "recorded") != (recording is not None):
            raise click.UsageError("--backend recorded and --recording need each other")
        if recording is not None:
            nsm = Nsm(_recorded(recording))
        else:
            nsm = Nsm(_software(software_folder, software_build)) if backend == "software" else Nsm.open()
        with nsm:
            return command(nsm, **options)

    return chosen


def backend_name(nsm: Nsm) -> str:
    """Name the backend in results, so that nobody takes a make-believe document for another."""
    names: dict[type, str] = {SoftwareBackend: "software", RecordedBackend: "recorded"}
    return names.get(type(nsm.backend), "device")


def _recorded(path: Path) -> RecordedBackend:
    try:
        exchanges = read_exchanges(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: no recording of an NSM: {plain(str(error))}") from error
    click.echo(
        "*** RECORDED NSM *** No NSM is asked. What was recorded is played back, whatever is true now.",
        err=True,
    )
    return RecordedBackend(exchanges, matching="lenient")


def _software(folder: Path | None, build: str | None) -> SoftwareBackend:
    pki = ThrowawayPki() if folder is None else _kept_pki(folder)
    click.echo(
        "*** SOFTWARE NSM *** This is no enclave. A make-believe NSM was booted for this command and ends with it.\n"
        "*** What it signs proves nothing about any machine, and verifies under its throwaway root alone:\n"
        f"*** sha256 {pki.root_sha256.hex()}",
        err=True,
    )
    return SoftwareBackend(SoftwareNsm(clock=wall_clock, pki=pki, build=build))


def _kept_pki(folder: Path) -> ThrowawayPki:
    """Give the PKI whose seed the folder holds, making both the first time; nitro_demo's folders are the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seed = folder / SEED_FILE
        if not seed.exists():
            seed.touch(mode=0o600)
            seed.write_bytes(secrets.token_bytes(_SEED_BYTES))
        pki = ThrowawayPki(seed=seed.read_bytes())
        (folder / ROOT_FILE).write_text(pki.root_pem)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    return pki
