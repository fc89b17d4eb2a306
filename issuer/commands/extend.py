"""``nitro-issuer extend``: change a PCR of the application's, for good."""

import click

from issuer.commands.backends import backend_name, with_nsm
from issuer.commands.display import note, show_facts, show_json
from issuer.commands.exits import ExitCode, exit_codes
from issuer.commands.inputs import confirm, one_of, read_file, to_hex
from issuer.commands.pcr import body, line
from issuer.nsm import Nsm, PcrDescription


@click.command(short_help="Extend a PCR.", epilog=exit_codes("extended"))
@click.argument("index", type=click.IntRange(min=0))
@click.option("--text", metavar="TEXT", help="Extend with this text.")
@click.option("--hex", "octets", callback=to_hex, metavar="HEX", help="Extend with these bytes.")
@click.option("--file", metavar="FILE", help='Extend with what this file holds, "-" for stdin.')
@click.option("--lock", is_flag=True, help="Lock it afterwards, so that documents carry it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_nsm
def extend(  # noqa: PLR0913 - one parameter for each option
    nsm: Nsm,
    *,
    index: int,
    text: str | None,
    octets: bytes | None,
    file: str | None,
    lock: bool,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Replace the value of PCR INDEX by SHA-384 of that value and the data, and show the new one."""
    data = one_of(
        text=None if text is None else text.encode(),
        hex=octets,
        file=None if file is None else read_file(file),
    )
    if data is None:
        raise click.UsageError("say with what: --text, --hex or --file")
    if file == "-" and not yes:
        raise click.UsageError("stdin is the data, so nobody can be asked: say --yes")
    confirm(f"Extend PCR{index} with {len(data)} bytes{' and lock it' if lock else ''}?", yes=yes)
    extended = PcrDescription(lock=lock, data=nsm.extend_pcr(index, data, lock=lock))
    if as_json:
        show_json({"backend": backend_name(nsm), "index": index, **body(extended)})
    else:
        show_facts([(f"PCR{index}", line(extended))])
    if not lock:
        note(f"no document carries PCR{index} until it is locked: nitro-issuer lock {index}")
    return ExitCode.GOOD
