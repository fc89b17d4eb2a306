"""The single-use guard: exact on one host, and never a guess."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest

from tests.service.hammer import EXPIRES_AT, nonce
from tests.service.harness import make_settings
from verifier.nonces import GuardUnavailableError, SingleUse
from verifier.reasons import ConfigurationError
from verifier.service.guard import (
    BUSY_TIMEOUT_S,
    IMPATIENT_S,
    KEEP_AFTER_EXPIRY_MS,
    PURGE_BATCH,
    PURGE_EVERY,
    EmbeddedGuard,
)
from verifier.service.state import rehearse

AT = 10**12
PROCESSES, NONCES = 4, 2000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the guard's file is."""
    return tmp_path / "used.sqlite3"


@pytest.fixture
def guard(path: Path) -> Iterator[EmbeddedGuard]:
    """A guard on that file."""
    guard = EmbeddedGuard(path, at=AT)
    yield guard
    guard.close()


def use(guard: EmbeddedGuard, index: int = 0, *, at: int = AT) -> bool:
    """Use a nonce."""
    return guard.consume(nonce(index), expires_at=EXPIRES_AT, at=at)


def test_a_nonce_is_used_once(guard: EmbeddedGuard) -> None:
    """Single use would be a word in a result."""
    assert [use(guard), use(guard), use(guard, 1), use(guard)] == [True, False, True, False]
    assert guard.reach is SingleUse.HOST


def test_nonces_may_be_used_together(guard: EmbeddedGuard) -> None:
    """Requests that come together would pay for a transaction each, or one would be told another's answer."""
    use(guard, 1)
    early = b"\x01\x00" + (AT - 1).to_bytes(6) + bytes(50)  # from before the file was made
    together = [nonce(0), nonce(1), early, nonce(2), nonce(0)]
    assert guard.consume_all([(each, EXPIRES_AT) for each in together], at=AT) == [True, False, False, True, False]
    assert guard.consume_all([(early, EXPIRES_AT)] * 2, at=AT) == [False, False]
    assert [use(guard, index) for index in range(4)] == [False, False, False, True]


def test_nonces_are_used_together_or_not_at_all(path: Path, guard: EmbeddedGuard) -> None:
    """A failure behind the first of them would use it up, and nobody would be told; or the lock would stay."""
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute(
            "CREATE TRIGGER bad BEFORE INSERT ON used WHEN NEW.expires_at = 7 BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        with pytest.raises(GuardUnavailableError):
            guard.consume_all([(nonce(0), EXPIRES_AT), (nonce(1), 7), (nonce(2), EXPIRES_AT)], at=AT)
        other.execute("BEGIN IMMEDIATE")  # nobody holds the lock
        assert other.execute("SELECT count(*) FROM used").fetchone() == (0,)
        other.execute("ROLLBACK")
    other.close()
    assert use(guard)


def test_what_could_not_be_rolled_back_never_counts(path: Path, guard: EmbeddedGuard) -> None:
    """A use would be believed that no other process sees."""
    guard._database.execute("BEGIN IMMEDIATE")
    guard._database.execute("INSERT INTO used VALUES (?, ?)", (nonce(1), EXPIRES_AT))
    assert use(guard)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT nonce FROM used").fetchall() == [(nonce(0),)]
    other.close()
    assert use(guard, 1)


def test_each_nonce_is_used_by_exactly_one_of_several_processes(path: Path) -> None:
    """Two workers of one host would each accept the same document."""
    command = [sys.executable, "-m", "tests.service.hammer", str(path), str(NONCES)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    begin = time.time() + 0.2
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(f"{begin}\n")
        worker.stdin.flush()
    won = [list(map(int, worker.communicate(timeout=60)[0].split())) for worker in workers]

    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    assert sorted(chain.from_iterable(won)) == list(range(NONCES))
    print(f"\n{PROCESSES} processes, {NONCES} nonces, used by each: {[len(each) for each in won]}")  # noqa: T201


def test_each_nonce_is_used_by_exactly_one_of_several_threads(guard: EmbeddedGuard) -> None:
    """An embedder with threads would have no guard at all."""
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda step: use(guard, step // 8), range(800)))

    assert sum(won) == 100


def test_what_was_used_stays_used_when_the_process_starts_again(path: Path, guard: EmbeddedGuard) -> None:
    """A restart would make every recording good again."""
    use(guard)
    again = EmbeddedGuard(path, at=AT + 5)

    assert not use(again)
    assert use(again, 1)
    again.close()


def test_nonces_from_before_the_file_was_made_count_as_used(path: Path) -> None:
    """Deleting the file would make every recording good again."""
    guard = EmbeddedGuard(path, at=AT + 2)

    assert not use(guard)
    guard.close()


def test_nonces_from_before_the_host_started_count_as_used(path: Path) -> None:
    """The last uses before a power failure may not have reached the disk."""
    for boot, at, expected in (("one", AT, True), ("one", AT + 9, True), ("two", AT + 9, False), ("two", AT, False)):
        guard = EmbeddedGuard(path, at=at, boot=boot)
        assert use(guard, hash((boot, at)) % 1000) is expected, (boot, at)
        guard.close()


def test_a_lock_that_is_held_for_long_is_waited_for_once_in_a_while(path: Path, guard: EmbeddedGuard) -> None:
    """A backup of the file would stop every other request, and liveness probes would kill a healthy process."""
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        for index in range(20):
            with pytest.raises(GuardUnavailableError):
                use(guard, index)
        waited = time.monotonic() - begun
        time.sleep(IMPATIENT_S)
        begun = time.monotonic()
        with pytest.raises(GuardUnavailableError):
            use(guard)
        waited_later = time.monotonic() - begun
        other.execute("ROLLBACK")
    other.close()

    assert BUSY_TIMEOUT_S * 0.9 < waited < 3 * BUSY_TIMEOUT_S
    assert waited_later > BUSY_TIMEOUT_S * 0.9
    assert use(guard)


def delete(path: Path) -> None:
    """Take the file away."""
    path.unlink()


def replace(path: Path) -> None:
    """Put a copy in the file's place."""
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").rename(path)


def corrupt(path: Path) -> None:
    """Break the table under the running guard."""
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE used")
        other.execute("DROP TABLE probe")
    other.close()


def delete_log(path: Path) -> None:
    """Take the write-ahead log away, as whoever tidies up might."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()


@pytest.mark.parametrize("harm", [delete, replace, corrupt, delete_log])
def test_a_harmed_file_is_no_answer(path: Path, guard: EmbeddedGuard, harm: Callable[[Path], None]) -> None:
    """What cannot be known would be taken for unused."""
    use(guard)
    harm(path)

    with pytest.raises(GuardUnavailableError):
        use(guard, 1)
    with pytest.raises(GuardUnavailableError):
        guard.probe(at=AT)


def test_a_file_that_somebody_else_holds_is_no_answer_for_long(path: Path, guard: EmbeddedGuard) -> None:
    """The event loop would wait for a backup tool."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(GuardUnavailableError):
            use(guard)
    finally:
        other.close()

    assert use(guard)


def test_old_nonces_are_forgotten_in_batches_and_only_well_after_they_expired(path: Path) -> None:
    """The file would grow for ever, or a clock set back would bring nonces to life again."""
    guard = EmbeddedGuard(path, at=AT)
    rows = 2 * PURGE_BATCH
    for index in range(rows):
        guard.consume(nonce(index), expires_at=AT + 1000, at=AT)
    counted = sqlite3.connect(path)

    def count() -> int:
        return int(counted.execute("SELECT count(*) FROM used WHERE expires_at = ?", (AT + 1000,)).fetchone()[0])

    for index in range(PURGE_EVERY):
        use(guard, rows + index, at=AT + 1000 + KEEP_AFTER_EXPIRY_MS)
    kept = count()
    for index in range(PURGE_EVERY):
        use(guard, 2 * rows + index, at=AT + 1001 + KEEP_AFTER_EXPIRY_MS)

    assert (kept, count()) == (rows, rows - PURGE_BATCH)
    counted.close()
    guard.close()


def test_a_clock_that_is_set_back_brings_no_forgotten_nonce_to_life(path: Path) -> None:
    """Whoever can turn the clock back could have a recording affirmed again."""
    guard = EmbeddedGuard(path, at=AT)
    expires_at = AT + 1000
    first = guard.consume(nonce(0), expires_at=expires_at, at=AT)
    for index in range(1, PURGE_EVERY + 1):
        use(guard, index, at=expires_at + KEEP_AFTER_EXPIRY_MS + 1)
    with sqlite3.connect(path) as reader:
        remembered = reader.execute("SELECT count(*) FROM used WHERE nonce = ?", (nonce(0),)).fetchone()
    reader.close()

    assert (first, remembered) == (True, (0,))
    assert not guard.consume(nonce(0), expires_at=expires_at, at=AT + 1)
    guard.close()


def test_a_purge_that_fails_does_not_take_back_a_use(path: Path, guard: EmbeddedGuard) -> None:
    """A housekeeping failure would refuse a good document whose nonce is gone by then."""
    for index in range(PURGE_EVERY - 1):
        use(guard, index)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TRIGGER no_purge BEFORE DELETE ON used BEGIN SELECT RAISE(FAIL, 'no'); END")
    other.close()
    guard.consume(nonce(9999), expires_at=1, at=AT)

    assert use(guard, PURGE_EVERY, at=EXPIRES_AT)


def test_the_file_is_for_its_owner_alone(path: Path, guard: EmbeddedGuard) -> None:
    """Another user of the host could mark nonces as used, or unused."""
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"not a database" * 100, None])
def test_a_path_that_cannot_be_such_a_file_is_a_mistake_in_the_configuration(
    tmp_path: Path, content: bytes | None
) -> None:
    """The service would start and then refuse every document."""
    path = tmp_path / "file"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="state"):
        EmbeddedGuard(path, at=AT)


def test_a_rehearsal_leaves_a_file_that_the_service_can_use(tmp_path: Path, path: Path) -> None:
    """Workers would be started with a guard that none of them can open, or find the file held by the one that tried."""
    settings = make_settings(tmp_path, single_use="embedded", state=path)
    assert rehearse(settings).engine
    guard = EmbeddedGuard(path, at=AT)
    guard.probe(at=AT)
    guard.close()

    path.write_bytes(b"not a database, but something of somebody's" * 100)
    with pytest.raises(ConfigurationError, match="state"):
        rehearse(settings)
