"""``nitro-issuer pcr``: what PCRs hold."""

import click

from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.display import show_facts, show_json
from issuer.commands.exits import ExitCode, exit_codes
from issuer.nsm import Nsm, PcrDescription


@click.command(short_help="Show PCRs.", epilog=exit_codes("shown"))
@click.argument("indices", metavar="[INDEX]...", type=click.IntRange(min=0), nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_nsm
def pcr(nsm: Nsm, *, indices: tuple[int, ...], as_json: bool) -> ExitCode:
    """Show these PCRs, or all: whether they are locked, which is whether documents carry them, and their values."""
    described = {index: nsm.describe_pcr(index) for index in indices or range(nsm.describe().max_pcrs)}
    if as_json:
        show_json({"backend": backend_name(nsm), "pcrs": {str(index): body(one) for index, one in described.items()}})
    else:
        show_facts((f"PCR{index}", line(one)) for index, one in described.items())
    return ExitCode.GOOD


def body(described: PcrDescription) -> dict[str, object]:
    """Write a PCR in JSON."""
    return {"lock": described.lock, "data": described.data.hex()}


def line(described: PcrDescription) -> str:
    """Write a PCR for people."""
    return f"{'locked  ' if described.lock else 'unlocked'}  {described.data.hex()}"
