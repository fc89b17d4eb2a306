"""``nitro-issuer lock``: fix PCRs, for good."""

import click

from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.display import ranges, show_facts, show_json
from issuer.commands.exits import ExitCode, exit_codes
from issuer.commands.inputs import confirm
from issuer.nsm import Nsm


@click.command(short_help="Lock PCRs.", epilog=exit_codes("locked"))
@click.argument("index", type=click.IntRange(min=0), required=False)
@click.option("--below", type=click.IntRange(min=0), metavar="N", help="Lock all PCRs below N instead; 32 for all.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_nsm
def lock(nsm: Nsm, *, index: int | None, below: int | None, yes: bool, as_json: bool) -> ExitCode:
    """Lock PCR INDEX, for every process of the enclave: documents carry it from now on, and nothing extends it."""
    match index, below:
        case int(), None:
            confirm(f"Lock PCR{index}?", yes=yes)
            nsm.lock_pcr(index)
        case None, int():
            confirm(f"Lock all PCRs below {below}?", yes=yes)
            nsm.lock_pcrs(below)
        case _:
            raise click.UsageError("say either INDEX or --below N")
    locked = nsm.describe().locked_pcrs
    if as_json:
        show_json({"backend": backend_name(nsm), "locked_pcrs": locked})
    else:
        show_facts([("locked", ranges(locked))])
    return ExitCode.GOOD
