"""``nitro-issuer doctor``: whether this machine is fit to serve, and what to do where it is not."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from issuer.commands.backends import with_nsm
from issuer.commands.display import note, plain, show_json
from issuer.commands.exits import ExitCode, InputError
from issuer.nsm import Nsm
from issuer.nsm.pcrs import PCR_BYTES, PCR_COUNT
from issuer.readiness import (
    Expectations,
    Finding,
    Machine,
    Place,
    Readiness,
    State,
    check_readiness,
    detect_place,
)
from issuer.readiness.machine import MAX_FILE_BYTES

_STYLES: Final = MappingProxyType(
    {
        State.OK: "green",
        State.WARNING: "yellow",
        State.FAILED: "bold red",
        State.NOT_APPLICABLE: "dim",
        State.UNKNOWN: "bold red",
    }
)
_PCR: Final = re.compile(rf"(\d{{1,2}})=([0-9A-Fa-f]{{{2 * PCR_BYTES}}})", re.ASCII)
_TO_BE_EXPLAINED: Final = (State.FAILED, State.UNKNOWN, State.WARNING)
_EPILOG: Final = (
    "Exit codes: 0 every check is ok or does not apply (warnings too, without --strict), 1 a check failed or could "
    "not be told, 2 wrong usage, 3 a bug in this program."
)


class _Console(Console):
    """A console that leaves the exit code of a closed pipe to the command's edge."""

    def on_broken_pipe(self) -> None:
        """Let it through."""
        raise BrokenPipeError


def _to_pcrs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[int, bytes]:
    """Read INDEX=HEX as often as it is given."""
    pcrs: dict[int, bytes] = {}
    for value in values:
        found = _PCR.fullmatch(value)
        if found is None or int(found[1]) >= PCR_COUNT:
            raise click.BadParameter(f"{plain(value)}: want INDEX=HEX, such as 0=ab12..., of {PCR_BYTES} bytes")
        pcrs[int(found[1])] = bytes.fromhex(found[2])
    if len(pcrs) != len(values):
        raise click.BadParameter("a PCR is given twice")
    return pcrs


@click.command(short_help="Check that this machine is fit to serve.", epilog=_EPILOG)
@click.option("--inside", "where", flag_value="enclave", help="This is an enclave; what is missing has failed.")
@click.option("--parent", "where", flag_value="parent", help="This is a parent; what is missing has failed.")
@click.option("--auto", "where", flag_value="auto", default="auto", help="Look where this is (the default).")
@click.option(
    "--backend",
    type=click.Choice(["device", "software"]),
    default="device",
    show_default=True,
    help="The enclave's own NSM, or a make-believe one that ends with this command.",
)
@click.option(
    "--describe-enclaves",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The output of nitro-cli describe-enclaves, rather than running it.",
)
@click.option("--expect-pcr", "pcrs", multiple=True, callback=_to_pcrs, metavar="INDEX=HEX", help="A PCR of the build.")
@click.option("--clock-source", metavar="NAME", help="The one accepted clock source, rather than the usual one.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default="/",
    show_default=True,
    help="Where the machine's files are mounted.",
)
@click.option("--strict", is_flag=True, help="Warnings are failures.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(  # noqa: PLR0913 - one parameter for each option
    *,
    where: str,
    backend: str,
    output: Path | None,
    pcrs: Mapping[int, bytes],
    clock_source: str | None,
    root: Path,
    strict: bool,
    as_json: bool,
) -> ExitCode:
    """Check an enclave from inside, or the parent that starts enclaves. Nothing is changed.

    In a script say --inside or --parent: to --auto an enclave without its NSM is no enclave, where nothing applies.
    """
    machine = Machine(root=root)
    place = detect_place(machine) if where == "auto" else Place(where)
    if backend == "software" and place is Place.PARENT:
        raise click.UsageError("--backend software is for --inside: a parent has no NSM")
    if output is not None and place is Place.ENCLAVE:
        raise click.UsageError("--describe-enclaves is for --parent: an enclave does not see its neighbours")
    enclaves = None if output is None else _read(output)
    expected = Expectations(clock_source=clock_source, pcrs=pcrs)

    def check(nsm: Nsm | None) -> ExitCode:
        readiness = check_readiness(place=place, nsm=nsm, expected=expected, machine=machine, enclaves=enclaves)
        return _show(readiness, backend, strict=strict, as_json=as_json)

    if backend == "device":
        return check(None)
    return with_nsm(check)(backend=backend, software_folder=None, software_build=None, recording=None)


def _show(readiness: Readiness, backend: str, *, strict: bool, as_json: bool) -> ExitCode:
    is_ready = readiness.is_ready(strict=strict)
    if as_json:
        show_json(
            {
                "place": readiness.place,
                "backend": backend,
                "passed": is_ready,
                "checks": [_body(finding) for finding in readiness.findings],
            }
        )
    else:
        _print(readiness.findings)
        if readiness.place is Place.ELSEWHERE:
            note("this is neither an enclave nor a parent, as far as can be seen; say --inside or --parent if it is")
    return ExitCode.GOOD if is_ready else ExitCode.NOT_GOOD


def _body(finding: Finding) -> dict[str, str]:
    return {
        "id": finding.id,
        "state": finding.state,
        "found": plain(finding.found),
        "why": finding.why,
        "do": finding.remedy,
    }


def _print(findings: Iterable[Finding]) -> None:
    console = _Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        table.add_row(finding.id, Text(finding.state, _STYLES[finding.state]), plain(finding.found))
    console.print(table)
    for finding in findings:
        if finding.state in _TO_BE_EXPLAINED:
            console.print(_explained(finding))


def _explained(finding: Finding) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.title = Text.assemble("\n", (f"{finding.id}: {finding.state}", _STYLES[finding.state]))
    table.title_justify = "left"
    table.add_row("why", finding.why)
    table.add_row("do", finding.remedy)
    return table


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)  # one more shows that it is too large
    except OSError as error:
        raise InputError(f"{plain(str(path))}: {error.strerror}") from error
