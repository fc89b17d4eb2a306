"""``nitro-issuer describe``: what the NSM says of itself."""

import dataclasses

import click

from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.display import ranges, show_facts, show_json
from issuer.commands.exits import ExitCode, exit_codes
from issuer.nsm import Nsm


@click.command(short_help="Show what the NSM is.", epilog=exit_codes("shown"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the names of the wire.")
@with_nsm
def describe(nsm: Nsm, *, as_json: bool) -> ExitCode:
    """Show the enclave's name, the NSM's version and which PCRs are locked."""
    described = nsm.describe()
    if as_json:
        show_json({"backend": backend_name(nsm), **dataclasses.asdict(described)})
        return ExitCode.GOOD
    show_facts(
        (
            ("backend", backend_name(nsm)),
            ("module_id", described.module_id),
            ("version", f"{described.version_major}.{described.version_minor}.{described.version_patch}"),
            ("digest", described.digest),
            ("PCRs", f"{described.max_pcrs}, locked {ranges(described.locked_pcrs) or 'none'}"),
        )
    )
    return ExitCode.GOOD
