"""``nitro-verifier audit``: an archive of documents checked again, each as of its own time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.audit import AuditJob, audit_chunk, make_job
from verifier.cli.audit_archive import Archive, open_archive
from verifier.cli.audit_engines import check_in_order, dask_engine, local_engine
from verifier.cli.audit_journal import Journal
from verifier.cli.audit_parquet import require_pyarrow, write_parquet
from verifier.cli.audit_view import progress_of, show_summary, summary_body
from verifier.cli.display import output
from verifier.cli.escapes import ascii_json
from verifier.cli.exits import ExitCode, InputError, exit_codes
from verifier.cli.inputs import PinnedFile, load_anchors, load_policy_in_force, to_chosen_time, to_pinned_files
from verifier.cli.notes import warn
from verifier.history import OwnTime

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from verifier import Policy
    from verifier.audit import AuditSummary
    from verifier.cli.audit_engines import Engine
    from verifier.history import ChosenTime

_LINES = (".jsonl", ".ndjson")
_PARQUET = ".parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where rows go: to the journal, and from there into a table if that is what was asked for."""

    path: Path
    journal: Path

    @property
    def is_table(self) -> bool:
        """Whether the journal is not what was asked for."""
        return self.journal != self.path


@click.command(
    short_help="Check an archive of documents again.",
    epilog=exit_codes("every document was affirmed", "not every one"),
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Where the rows go, one for each entry: *.jsonl, or *.parquet. What is there already is continued.",
)
@click.option(
    "--policy",
    "policy_files",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="What to accept. Repeatable; entries then name theirs.",
)
@click.option(
    "--at",
    callback=to_chosen_time,
    default=OwnTime.DOCUMENT.value,
    show_default=True,
    metavar="RFC3339|document",
    help="As of which time, unless an entry says otherwise: each document's own, or this one.",
)
@click.option(
    "--anchor",
    "anchor_files",
    callback=to_pinned_files,
    metavar="FILE[#sha256=HEX]",
    multiple=True,
    help="A root to trust beside AWS's (PEM or DER). Repeatable.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes on this machine; one for each core unless given.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, whose workers do the work instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def audit(  # noqa: PLR0913 - one parameter for each option
    *,
    archive: Path,
    out: Path,
    policy_files: tuple[Path, ...],
    at: ChosenTime,
    anchor_files: tuple[PinnedFile, ...],
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> ExitCode:
    """Check the documents in ARCHIVE again: a directory of files, or a file of JSON lines.

    Each line is an object with "document" (base64), and maybe "policy", "nonce", "at" and "id". Every result is
    historical. Killed, and run again with the same options, it goes on where it stopped.
    """
    if workers is not None and scheduler is not None:
        raise click.UsageError("--workers and --scheduler exclude each other")
    target = _output(out)
    job = make_job(load_anchors(anchor_files), _policies(policy_files), _write_chosen(at))
    entries = open_archive(archive, frozenset(path.absolute() for path in (target.path, target.journal)))
    engine = dask_engine(job, scheduler) if scheduler is not None else local_engine(job, workers or _cores())
    summary = _run(entries, job, target, engine)
    if as_json:
        click.echo(ascii_json(summary_body(summary, str(out))))
    else:
        show_summary(output(), summary, str(out))
    return ExitCode.GOOD if summary.affirmed == summary.rows else ExitCode.NOT_GOOD


def _run(archive: Archive, job: AuditJob, target: Output, engine: AbstractContextManager[Engine]) -> AuditSummary:
    with Journal(target.journal) as journal:
        done = journal.recover()
        _refuse_another_audit(archive, job, journal, done)
        try:
            with engine as working, progress_of(archive, done) as advance:
                for rows in check_in_order(working, archive.items(done)):
                    journal.append(rows)
                    advance(len(rows))
        except KeyboardInterrupt:
            warn(f"{journal.summary.rows} rows are written; run the same command again to go on")
            raise
        if not journal.summary.rows:
            raise InputError("the archive is empty")
        if target.is_table:
            write_parquet(target.path, journal.rows())
            target.journal.unlink()
        return journal.summary


def _refuse_another_audit(archive: Archive, job: AuditJob, journal: Journal, done: int) -> None:
    """Check the last row that is there once more: another archive, policy, anchor or time would make it another."""
    if not done:
        return
    again = audit_chunk(job, list(islice(archive.items(done - 1), 1)))
    if again != [journal.last]:
        raise InputError(
            f"{journal.path}: entry {done - 1} comes out differently now (another archive, policy, anchor or time?); "
            "write to another file, or remove this one"
        )


def _output(out: Path) -> Output:
    if out.suffix in _LINES:
        return Output(path=out, journal=out)
    if out.suffix != _PARQUET:
        raise click.UsageError(f"--out {out}: *{_LINES[0]} or *{_PARQUET}")
    require_pyarrow()
    if out.exists():
        raise InputError(f"{out}: is there already; a table is written once, when all is checked")
    return Output(path=out, journal=out.with_name(f"{out.name}.journal"))


def _policies(files: tuple[Path, ...]) -> tuple[Policy, ...]:
    policies = tuple(map(load_policy_in_force, files))
    if len({policy.name for policy in policies}) != len(policies):
        raise InputError("--policy: two files hold a policy of the same name")
    return policies


def _write_chosen(at: ChosenTime) -> str:
    return at.value if isinstance(at, OwnTime) else at.isoformat()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # of Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
