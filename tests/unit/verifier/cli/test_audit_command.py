"""An archive checked again: every entry once, in order, wherever it ran and however often it was killed."""

import base64
import fcntl
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

import psutil
import pyarrow.parquet
import pytest
from distributed import LocalCluster

from issuer.nsm import SoftwareNsm
from tests.unit.verifier.cli.world import BOOT, Invoke, Outcome, World
from verifier import bundled_anchor
from verifier.audit import AuditItem, ItemKind, make_job
from verifier.cli.audit_archive import DirectoryArchive, LinesArchive
from verifier.cli.audit_engines import CHUNK, check_in_order, leave_after, local_engine, prepare_worker
from verifier.cli.audit_journal import MAX_ROW_BYTES
from verifier.cli.exits import InputError
from verifier.cli.inputs import MAX_INPUT_BYTES

Audit = Callable[..., Outcome]

COUNT = 3 * CHUNK + 5


@pytest.fixture
def policy(world: World) -> Path:
    """A policy that needs no nonce, because files have none."""
    return world.write("open.toml", 'nonce = "none"\n' + world.policy.read_text())


@pytest.fixture
def audit(invoke: Invoke, world: World, policy: Path) -> Audit:
    """Run the command with the usual policy and root."""

    def run(archive: Path, out: Path, *more: str | Path, **env: str) -> Outcome:
        return invoke("audit", archive, "--out", out, "--policy", policy, "--anchor", world.pinned_root, *more, **env)

    return run


def lines(world: World, count: int = COUNT) -> Path:
    nsm = world.nsm()
    few = [base64.b64encode(nsm.attestation(user_data=bytes([number]))).decode() for number in range(5)]
    entries = ({"document": few[number % len(few)], "id": f"d{number}"} for number in range(count))
    return world.write("archive.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))


def rows(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def directory(world: World) -> Path:
    folder = world.folder / "archive"
    (folder / "b").mkdir(parents=True)
    good, other = world.nsm(), SoftwareNsm(clock=lambda: BOOT, pki=world.pki, build="another")
    (folder / "c.cbor").write_bytes(good.attestation())
    (folder / "b" / "1.txt").write_bytes(base64.b64encode(good.attestation()) + b"\n")
    (folder / "a.cbor").write_bytes(other.attestation())
    (folder / "z.cbor").write_bytes(b"noise")
    (folder / ".DS_Store").write_bytes(b"hidden")
    (folder / "loop").symlink_to(folder)
    return folder


def test_a_directory_is_audited_by_name_and_summed_up(audit: Audit, world: World) -> None:
    """An entry would be missed, or nobody could tell which row is of which file."""
    out = world.folder / "out.jsonl"
    outcome = audit(directory(world), out, "--workers", "1")
    assert outcome.code == 1
    assert [(row["id"], row["verdict"]) for row in rows(out)] == [
        ("a.cbor", "rejected"),
        ("b/1.txt", "affirmed"),
        ("c.cbor", "affirmed"),
        ("z.cbor", "rejected"),
    ]
    assert "4 entries: 2 affirmed, 2 rejected, 0 not judged" in outcome.text
    assert "historical, not about now" in outcome.text
    assert "1 measurement.pcr-mismatch" in outcome.text
    assert outcome.stderr == ""


def test_an_archive_without_a_flaw_exits_0(audit: Audit, world: World) -> None:
    """A script could not tell a good archive from another."""
    outcome = audit(lines(world, 3), world.folder / "out.jsonl", "--workers", "1", "--json")
    assert outcome.code == 0
    body = json.loads(outcome.stdout)
    assert (body["historical"], body["rows"], body["affirmed"], body["reasons"]) == (True, 3, 3, {})


def test_what_is_no_archive_is_explained(audit: Audit, world: World) -> None:
    """An operator would learn that nothing was judged, and not why."""
    archive, out = world.folder / "archive.txt", world.folder / "out.jsonl"
    archive.write_text("hello")
    outcome = audit(archive, out, "--workers", "1")
    assert (outcome.code, "1 entry: 0 affirmed" in outcome.text) == (1, True)
    assert "first not judged: line 1: not a JSON object" in outcome.text


def test_the_output_is_no_document_of_its_own_archive(audit: Audit, world: World) -> None:
    """A resumed audit would find one entry more than before."""
    folder = directory(world)
    for _ in range(2):
        audit(folder, folder / "m.jsonl", "--workers", "1")
        assert len(rows(folder / "m.jsonl")) == 4


def test_processes_give_the_same_rows_as_one(audit: Audit, world: World) -> None:
    """The order, or the rows, would depend on how many processes there are."""
    archive = lines(world)
    for workers in ("1", "2"):
        assert audit(archive, world.folder / f"{workers}.jsonl", "--workers", workers).code == 0
    one = (world.folder / "1.jsonl").read_bytes()
    assert (world.folder / "2.jsonl").read_bytes() == one
    assert [row["number"] for row in rows(world.folder / "1.jsonl")] == list(range(COUNT))


@pytest.mark.parametrize("kept", [0, 1, 7, CHUNK, COUNT - 1, COUNT])
@pytest.mark.parametrize("torn", [b"", b"{", b'{"number":%d,"id":"d'])
def test_an_audit_goes_on_where_it_stopped(audit: Audit, world: World, kept: int, torn: bytes) -> None:
    """A kill would lose an entry, repeat one, or leave half a line."""
    archive, out = lines(world), world.folder / "out.jsonl"
    audit(archive, out, "--workers", "1")
    whole = out.read_bytes()
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:kept]) + (torn % kept if b"%" in torn else torn))
    assert audit(archive, out, "--workers", "1").code == 0
    assert out.read_bytes() == whole


def test_what_rows_say_that_were_there_already_does_nothing_to_a_terminal(audit: Audit, world: World) -> None:
    """Whoever may write the file would write the summary: only the last row is checked again."""
    archive, out = lines(world, 2), world.folder / "out.jsonl"
    audit(archive, out, "--workers", "1")
    out.write_bytes(out.read_bytes().replace(b'"reasons":[]', b'"reasons":["\\u001b[2Jx"]', 1))
    outcome = audit(archive, out, "--workers", "1")
    assert (b"\x1b" in outcome.stdout, "1 \\x1b[2Jx" in outcome.text) == (False, True)


def test_a_killed_audit_leaves_nobody_behind_and_goes_on(audit: Audit, world: World, policy: Path) -> None:
    """SIGKILL would leave workers that wait for ever, or an archive half checked."""
    archive, out = lines(world, 20 * CHUNK), world.folder / "out.jsonl"
    command = [sys.executable, "-m", "verifier.cli", "audit", str(archive), "--out", str(out), "--workers", "2"]
    options = ["--policy", str(policy), "--anchor", world.pinned_root]
    running = psutil.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = running.children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.wait(10)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert (len(workers) >= 2, alive) == (True, [])
    assert audit(archive, out, "--workers", "1").code == 0
    assert [row["number"] for row in rows(out)] == list(range(20 * CHUNK))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"something else\n", "line 1 is no row of an audit; nothing was changed"),
        (b"a diary without an end", "its last line is no row of this audit; nothing was changed"),
        (b'{"number":0,"id":"' + b"x" * MAX_ROW_BYTES, "its last line is no row of this audit; nothing was changed"),
        (b'{"number":7,"id"', "its last line is no row of this audit; nothing was changed"),
    ],
)
def test_another_s_file_is_left_as_it_is(audit: Audit, world: World, content: bytes, problem: str) -> None:
    """A mistyped name would cost somebody a file."""
    out = world.write("diary.jsonl", content)
    outcome = audit(lines(world, 2), out, "--workers", "1")
    assert (outcome.code, out.read_bytes()) == (2, content)
    assert problem in " ".join(outcome.stderr.split())


def test_rows_out_of_order_are_no_journal(audit: Audit, world: World) -> None:
    """Two audits that wrote to one file would be continued as one."""
    archive, out = lines(world, 3), world.folder / "out.jsonl"
    audit(archive, out, "--workers", "1")
    out.write_bytes(out.read_bytes() * 2)
    outcome = audit(archive, out, "--workers", "1")
    assert (outcome.code, "line 4 is of entry 0" in outcome.stderr) == (2, True)


@pytest.mark.parametrize("change", ["time", "archive", "shorter"])
def test_another_audit_does_not_go_on_with_this_one_s_rows(audit: Audit, world: World, change: str) -> None:
    """Half of a table would be as of another time, or of another archive."""
    out = world.folder / "out.jsonl"
    audit(lines(world, 4), out, "--workers", "1")
    before = out.read_bytes()
    archive = lines(world, 2) if change == "shorter" else lines(world, 4)
    if change == "archive":
        archive.write_bytes(b"".join(reversed(archive.read_bytes().splitlines(keepends=True))))
    more = ["--at", "2026-01-31T12:00:01Z"] if change == "time" else []
    outcome = audit(archive, out, "--workers", "1", *more)
    assert (outcome.code, out.read_bytes()) == (2, before)
    assert "comes out differently now" in outcome.stderr


def test_one_audit_at_a_time_writes_a_file(audit: Audit, world: World) -> None:
    """Two of them would write every row twice."""
    out = world.folder / "out.jsonl"
    with out.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        outcome = audit(lines(world, 1), out, "--workers", "1")
    assert (outcome.code, "another audit is writing it" in outcome.stderr) == (2, True)


def test_a_table_holds_what_the_rows_say(audit: Audit, world: World) -> None:
    """Whoever analyses the table would see something else than was found."""
    folder = directory(world)
    audit(folder, world.folder / "out.jsonl", "--workers", "1")
    table_file = world.folder / "out.parquet"
    assert audit(folder, table_file, "--workers", "1").code == 1
    table = pyarrow.parquet.read_table(table_file).to_pylist()
    expected = rows(world.folder / "out.jsonl")
    assert [(row["id"], row["verdict"], row["reasons"], row["historical"]) for row in table] == [
        (row["id"], row["verdict"], row["reasons"], True) for row in expected
    ]
    assert [row["timestamp"] for row in table] == [BOOT, BOOT, BOOT, None]
    assert sorted(path.name for path in world.folder.glob("out.parquet*")) == ["out.parquet"]


def test_a_table_that_is_there_is_not_written_again(audit: Audit, world: World) -> None:
    """A finished table would be replaced by another archive's."""
    out = world.write("out.parquet", b"table")
    outcome = audit(lines(world, 1), out)
    assert (outcome.code, out.read_bytes(), "is there already" in outcome.stderr) == (2, b"table", True)


def test_a_killed_table_goes_on_from_its_journal(audit: Audit, world: World) -> None:
    """Hours of work would begin anew."""
    archive, out = lines(world, 5), world.folder / "out.jsonl"
    audit(archive, out, "--workers", "1")
    journal = world.folder / "table.parquet.journal"
    journal.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:2]))
    assert audit(archive, world.folder / "table.parquet", "--workers", "1").code == 0
    assert pyarrow.parquet.read_metadata(world.folder / "table.parquet").num_rows == 5
    assert not journal.exists()


@pytest.mark.parametrize(("module", "extra"), [("pyarrow", "audit"), ("distributed", "dask")])
def test_what_is_not_installed_is_named_with_its_extra(
    audit: Audit, world: World, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the bare command would see a traceback, after hours perhaps."""
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    table = extra == "audit"
    out = world.folder / ("out.parquet" if table else "out.jsonl")
    outcome = audit(lines(world, 1), out, *([] if table else ["--scheduler", "tcp://127.0.0.1:1"]))
    assert outcome.code == 2
    assert f'pip install "nitro-verifier[{extra}]"' in outcome.stderr


def test_lines_that_are_blank_or_too_long_cost_nobody_else_a_row(audit: Audit, world: World) -> None:
    """One broken line would shift, or end, everything behind it."""
    archive = lines(world, 2)
    good = archive.read_bytes().splitlines(keepends=True)
    archive.write_bytes(b"\n" + good[0] + b"x" * (2 * MAX_INPUT_BYTES + 10) + b"\n \n" + good[1].rstrip(b"\n"))
    out = world.folder / "out.jsonl"
    assert audit(archive, out, "--workers", "1").code == 1
    assert [(row["id"], row["verdict"]) for row in rows(out)] == [
        ("d0", "affirmed"),
        ("line 3", None),
        ("d1", "affirmed"),
    ]


def test_a_file_that_cannot_be_read_is_a_row(audit: Audit, world: World) -> None:
    """One file of somebody else's would end an audit, or be left out without a word."""
    folder = directory(world)
    (folder / "d.cbor").symlink_to("/proc/self/mem")
    out = world.folder / "out.jsonl"
    audit(folder, out, "--workers", "1")
    row = next(row for row in rows(out) if row["id"] == "d.cbor")
    assert (row["verdict"], str(row["problem"]).startswith("the file cannot be read")) == (None, True)


@pytest.mark.parametrize("target", ["d.cbor", "not-there.cbor"])
def test_a_link_that_leads_nowhere_is_a_row(audit: Audit, world: World, target: str) -> None:
    """An archive whose documents are gone would pass, or one such link would end the audit of all the others."""
    folder = world.folder / "links"
    folder.mkdir()
    (folder / "c.cbor").write_bytes(world.nsm().attestation())
    (folder / "d.cbor").symlink_to(folder / target)
    out = world.folder / "out.jsonl"
    assert audit(folder, out, "--workers", "1").code == 1
    assert [(row["id"], row["verdict"]) for row in rows(out)] == [("c.cbor", "affirmed"), ("d.cbor", None)]


def test_an_archive_that_may_not_be_read_is_said_so(tmp_path: Path) -> None:
    """An archive of somebody else's would look empty, or like an output that cannot be written."""
    gone = tmp_path / "gone"
    for archive in (
        DirectoryArchive(path=gone, leave_out=frozenset()),
        LinesArchive(path=gone),
    ):
        with pytest.raises(InputError, match="No such file"):
            archive.count()


def test_a_folder_of_an_archive_is_named_as_what_can_be_seen(tmp_path: Path) -> None:
    """Whoever made the archive would write on the terminal of whoever audits it."""
    with pytest.raises(InputError) as caught:
        DirectoryArchive(path=tmp_path / "\x1b[2Jgone", leave_out=frozenset()).count()
    assert "\\x1b[2Jgone: No such file" in caught.value.message


@pytest.mark.parametrize(
    "arguments",
    [
        ["{folder}/nothing", "--out", "{folder}/o.jsonl"],
        ["{folder}/empty", "--out", "{folder}/o.jsonl"],
        ["{archive}", "--out", "{folder}/o.csv"],
        ["{archive}", "--out", "{folder}/no/o.jsonl"],
        ["{archive}"],
        ["{archive}", "--out", "{folder}/o.jsonl", "--workers", "0"],
        ["{archive}", "--out", "{folder}/o.jsonl", "--at", "yesterday"],
        ["{archive}", "--out", "{folder}/o.jsonl", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"],
        ["{archive}", "--out", "{folder}/o.jsonl", "--policy", "{policy}", "--policy", "{policy}"],
    ],
)
def test_wrong_usage_exits_2_with_a_sentence(invoke: Invoke, world: World, arguments: list[str]) -> None:
    """A mistyped command would look like an archive that was audited."""
    (world.folder / "empty").mkdir()
    names = {"folder": world.folder, "archive": lines(world, 1), "policy": world.policy}
    outcome = invoke("audit", *(argument.format(**names) for argument in arguments))
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert outcome.stderr.strip()
    assert "Traceback" not in outcome.stderr


def test_a_shadow_policy_audits_nothing(audit: Audit, world: World, policy: Path) -> None:
    """What is only tried would be taken for what holds, or be a bug of the program."""
    policy.write_text('shadow_of = "payments"\n' + policy.read_text())
    outcome = audit(directory(world), world.folder / "out.jsonl")
    assert (outcome.code, "decides nothing" in outcome.stderr) == (2, True)


def test_progress_is_for_terminals(audit: Audit, world: World) -> None:
    """A log would be full of bars, or somebody would wait without knowing how long."""
    assert audit(lines(world, 2), world.folder / "1.jsonl", "--workers", "1").stderr == ""
    shown = audit(directory(world), world.folder / "2.jsonl", "--workers", "1", FORCE_COLOR="1", TERM="xterm")
    assert "4/4" in shown.stderr
    lined = audit(lines(world, 2), world.folder / "3.jsonl", "--workers", "1", FORCE_COLOR="1", TERM="xterm")
    assert "2/2" in lined.stderr


JOB = make_job([bundled_anchor()], (), "document")


def unreadable(count: int, taken: list[int]) -> Iterator[AuditItem]:
    for number in range(count):
        taken.append(number)
        yield AuditItem(number=number, name="x", kind=ItemKind.UNREADABLE, content=b"x")


def test_the_archive_is_not_read_far_ahead() -> None:
    """A large archive would be held in memory whole."""
    taken: list[int] = []
    with local_engine(JOB, 1) as engine:
        next(check_in_order(engine, unreadable(100 * CHUNK, taken)))
    assert len(taken) <= 2 * CHUNK


def test_a_worker_that_is_killed_is_said_so() -> None:
    """The machine's memory killer would look like a bug of the program, or like the end of the archive."""
    with pytest.raises(InputError, match="run the same command again"):
        kill_workers()


def kill_workers() -> None:
    with local_engine(JOB, 2) as engine:
        found = check_in_order(engine, unreadable(1000 * CHUNK, []))
        next(found)
        children = psutil.Process().children(recursive=True)
        for worker in [child for child in children if "spawn_main" in " ".join(child.cmdline())]:
            with suppress(psutil.NoSuchProcess):  # the pool ends the others once it has noticed
                worker.kill()
        assert sum(map(len, found)) < 1000 * CHUNK


def test_a_worker_leaves_when_its_parent_is_gone() -> None:
    """What was killed would leave processes that wait for ever."""
    left: list[int] = []
    ours, theirs = Pipe()
    watching = threading.Thread(target=leave_after, args=(ours.fileno(), left.append))
    watching.start()
    theirs.close()
    watching.join(10)
    ours.close()
    assert left == [1]


def test_a_worker_leaves_the_keyboard_to_its_parent() -> None:
    """Ctrl-C would print a traceback for each process."""
    before = signal.getsignal(signal.SIGINT)
    try:
        prepare_worker()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_says_how_to_go_on(world: World, policy: Path) -> None:
    """Whoever stops an audit would believe that it is lost, or that it has ended."""
    archive, out = lines(world, 60 * CHUNK), world.folder / "out.jsonl"
    command = [sys.executable, "-m", "verifier.cli", "audit", str(archive), "--out", str(out), "--workers", "1"]
    ended, said = interrupt([*command, "--policy", str(policy), "--anchor", world.pinned_root], out)
    assert ended == 130
    assert f"{len(rows(out))} rows are written; run the same command again" in " ".join(said.split())


def interrupt(command: list[str], out: Path) -> tuple[int, str]:
    """Run a command, interrupt it once it writes to ``out``, and give how it ended and what it said."""
    for _ in range(5):
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        try:
            _, said = running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            # Interrupted within coverage, which then waits for a lock of its own for ever. Not often twice.
            running.kill()
            running.communicate()
            out.unlink()
            continue
        return running.returncode, said
    raise AssertionError


def cluster_of(workers: int) -> LocalCluster:
    options = {"threads_per_worker": 1, "processes": True, "host": "127.0.0.1", "dashboard_address": None}
    return LocalCluster(n_workers=workers, **options)  # type: ignore[no-untyped-call]  # it has no annotations


@pytest.mark.filterwarnings("ignore")  # of Dask's own, as it starts and stops
def test_a_dask_cluster_gives_the_same_rows(audit: Audit, world: World) -> None:
    """Where one machine is not enough, the rows would depend on which machine made them."""
    archive = lines(world)
    audit(archive, world.folder / "here.jsonl", "--workers", "1")
    with cluster_of(2) as cluster:
        there = audit(archive, world.folder / "there.jsonl", "--scheduler", cluster.scheduler_address)
    assert there.code == 0
    assert (world.folder / "there.jsonl").read_bytes() == (world.folder / "here.jsonl").read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_cannot_work_is_named(audit: Audit, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody would wait for a cluster that is not there."""
    monkeypatch.setattr("verifier.cli.audit_engines.CONNECT_S", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        outcome = audit(lines(world, 1), world.folder / "out.jsonl", "--scheduler", address)
        assert (outcome.code, f"--scheduler {address}" in outcome.stderr) == (2, True)
    with cluster_of(0) as cluster:
        outcome = audit(lines(world, 1), world.folder / "out.jsonl", "--scheduler", cluster.scheduler_address)
    assert (outcome.code, "it has no workers" in outcome.stderr) == (2, True)


def test_where_files_cannot_be_locked_an_audit_runs_all_the_same(
    audit: Audit, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has no POSIX could not audit, or not even verify."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert audit(lines(world, 2), world.folder / "out.jsonl", "--workers", "1").code == 0
