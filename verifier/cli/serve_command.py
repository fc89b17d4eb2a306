"""``nitro-verifier serve``: the HTTP service, its options given as flags."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, InputError, exit_codes
from verifier.cli.imports import imports_without_certificates, uncollected_imports
from verifier.cli.inputs import KeyFile, PinnedFile, anchor_name, to_key_file, to_pinned_files
from verifier.service.options import Options
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.service.settings import Settings

_EXTRA = ("aiohttp", "gunicorn", "joserfc", "prometheus_client", "uvloop")

_FLAGS = {
    "host": "Address to listen on.",
    "port": "Port to listen on.",
    "tcp": "Whether to listen on host and port.",
    "reuse_port": "Share the port with other processes of this service.",
    "unix_socket": "Path of a Unix socket to listen at, too.",
    "unix_socket_mode": "Who may connect to it: its mode, in octal digits.",
    "vsock_port": "Vsock port to listen at, too: for enclaves of this host.",
    "vsock_cid": "Which of this machine's vsock addresses to listen at; all by default.",
    "workers": "Processes that serve, or auto: one for each core.",
    "default_policy": "The policy for requests that name none.",
    "bundled_anchor": "Whether AWS's commercial root is trusted.",
    "engine": "Who verifies signatures: aws-lc or openssl.",
    "path_cache": "How many enclaves' verified certification paths to remember; 0 remembers none.",
    "audience": "This service's name in its nonces; the same in all replicas.",
    "nonce_ttl": "How long a nonce lives unless the request says otherwise.",
    "historical": "Whether requests may ask for a verdict as of another time: off or allow.",
    "inspector": "Whether browsers get the inspector page at /: on or off.",
    "issuer": "The URI that signed results name this service by.",
    "result_lifetime": "How long a signed affirmed result is good for.",
    "rejected_result_lifetime": "The same of a rejected one.",
    "ephemeral_signing_key": "Sign with a key made now, to try it out.",
    "single_use": "Whether a nonce counts once: off or embedded.",
    "state": "The file that remembers used nonces, for --single-use embedded.",
    "max_in_flight": "Bodies on their way at once; the slowest of more is answered 503.",
    "max_connections": "Open connections at once; the longest idle of more is closed.",
    "header_timeout": "How long a request's headers may take.",
    "body_timeout": "How long a request's body may take.",
    "keepalive_timeout": "How long an idle connection is kept.",
    "shutdown_delay": "How long to serve on after SIGTERM, already not ready.",
    "shutdown_timeout": "How long requests in flight get to finish.",
    "reload_interval": "How often to look for changed policies and keys; 0s: only on SIGHUP.",
    "log_level": "debug, info, warning or error.",
}
"""Options that are one value. A test compares them with what the service knows."""


def _flags(function: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Give a command one flag for each of these options; what is not given stays ``None``."""
    for name, text in reversed(_FLAGS.items()):
        default = getattr(Options(), name)
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
        else:
            shown = text if default is None else f"{text} [{default}]"
            option = click.option(flag, name, metavar="N" if isinstance(default, int) else "VALUE", help=shown)
        function = option(function)
    return function


@click.command(short_help="Run the HTTP service.", epilog=exit_codes("stopped by SIGTERM or SIGINT"))
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file of options.")
@click.option("--policies", metavar="DIR", help="The folder with the policies, one *.toml each.")
@click.option(
    "--anchor",
    "anchors",
    callback=to_pinned_files,
    metavar="FILE#sha256=HEX",
    multiple=True,
    help="A root to trust beside AWS's, with its fingerprint. Repeatable; replaces those of the file.",
)
@click.option(
    "--nonce-key-file",
    "nonce_key",
    callback=to_key_file,
    metavar="FILE[#id=N]",
    help="The key that signs nonces, the same in all replicas; without one, each start makes its own.",
)
@click.option(
    "--signing-key-file",
    "signing_key",
    type=click.Path(),
    metavar="FILE",
    help="The key that signs results, PEM or JWK: P-256, P-384 or Ed25519; without one, results are not signed.",
)
@click.option("--check", is_flag=True, help="Name everything that is wrong with the configuration, and end.")
@_flags
def serve(
    *,
    check: bool,
    config: Path | None,
    anchors: tuple[PinnedFile, ...],
    nonce_key: KeyFile | None,
    signing_key: str | None,
    **options: object,
) -> ExitCode:
    """Serve verification over HTTP until SIGTERM.

    Every option is also a key of the TOML file (with underscores) and an environment variable (NITRO_VERIFIER_PORT).
    Flags win over the environment, and that over the file. All mistakes are named before the port opens.
    """
    overrides = {
        **options,
        "anchors": _anchors(anchors) or None,
        "nonce_keys": None if nonce_key is None else {"current": {"id": nonce_key.id, "file": str(nonce_key.path)}},
        "signing_keys": None if signing_key is None else {"current": signing_key},
    }
    try:
        with uncollected_imports():
            from verifier.service.config import load_settings  # of POSIX only, as the other commands are not

        settings = load_settings(file=config, environ=os.environ, overrides=overrides)
        if check:
            return _say_good(settings)
        with uncollected_imports(), imports_without_certificates():
            if settings.workers == 1:
                from verifier.service.server import run
            else:
                from verifier.service.workers import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        raise InputError(f'{missing} is not installed: pip install "nitro-verifier[service]"') from error
    return ExitCode(run(settings))


def _say_good(settings: Settings) -> ExitCode:
    for warning in settings.warnings:
        click.echo(f"warning: {plain(warning)}")
    click.echo(f"the configuration is good; policies: {', '.join(map(plain, settings.policies))}")
    return ExitCode.GOOD


def _anchors(files: tuple[PinnedFile, ...]) -> list[dict[str, str]]:
    anchors: dict[str, dict[str, str]] = {}
    for file in files:
        if file.sha256 is None:
            # Nobody looks at a service's fingerprints when it starts, so there they are asked for.
            raise click.UsageError(f"--anchor {file.path}: add its fingerprint, as FILE#sha256=HEX")
        name = anchor_name(file.path, file.sha256, {AWS_NITRO_ROOT_G1_NAME, *anchors})
        anchors[name] = {"name": name, "file": str(file.path), "sha256": file.sha256}
    return list(anchors.values())
