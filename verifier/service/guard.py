"""Single use on one host: an SQLite file that all of its processes share.

A nonce is used by inserting it; the primary key lets exactly one insert succeed, whichever processes try. Whatever else
happens, an error, a lock held too long, a file that was deleted or replaced, is ``GuardUnavailableError``: nothing is
affirmed while it cannot be known. The write-ahead log survives the death of any process. It is not synced to the disk
at every use, so a power failure may lose the last ones; therefore nonces from before the host last started, or from
before the file was made, count as used. So do nonces that expired no later than any that was forgotten, so that a clock
which is set back brings none of them to life again. What cannot be known is that the file itself was set back, to a
copy of it: docs/http-api.md tells operators never to do that.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from os import stat
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from verifier.nonces import GuardUnavailableError, SingleUse
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

BUSY_TIMEOUT_S = 0.25
"""How long one process waits for another's insert. The event loop waits with it, so it is short."""
IMPATIENT_S = 1.0
"""After one such wait in vain nobody waits for so long: a lock that a backup holds would stop everything else."""
OPEN_TIMEOUT_S = 5.0
PURGE_EVERY = 64
PURGE_BATCH = 256
"""Rows deleted at once: more than arrive between two purges, few enough not to be noticed."""
KEEP_AFTER_EXPIRY_MS = 60 * 1000
"""A used nonce is remembered this much longer than it lives, in case another process's clock is behind."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ISSUED_AT = slice(2, 8)
"""Where a nonce says when it was issued (verifier.nonces); its MAC was verified before it comes here."""

# When a nonce expires is written in it, under its MAC, so the pair is as much its own as the nonce is. In this order a
# use is written at the table's end, and old ones are found at its beginning, without an index to write as well.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS used (
    nonce BLOB NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (expires_at, nonce)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memory (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, since INTEGER NOT NULL, forgotten INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
"""
_REMEMBER_BOOT = """
INSERT INTO memory VALUES (1, :boot, :at, 0)
ON CONFLICT (id) DO UPDATE SET boot = :boot, since = :at WHERE boot <> :boot
"""
_USE = """
INSERT INTO used SELECT ?, ? FROM memory WHERE forgotten < ?
ON CONFLICT DO NOTHING
"""
"""The nonce, and twice when it expires: values by their places are bound faster than by their names."""
_PROBE = "INSERT INTO probe VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at"
# What is about to be forgotten is noted before it is: should the process die in between, too much counts as used.
_NOTE = """
UPDATE memory SET forgotten = max(forgotten, ifnull((
    SELECT max(expires_at) FROM (
        SELECT expires_at FROM used WHERE expires_at < ? ORDER BY expires_at LIMIT ?
    )
), 0))
"""
_PURGE = """
DELETE FROM used WHERE (expires_at, nonce) IN (
    SELECT expires_at, nonce FROM used WHERE expires_at <= (SELECT forgotten FROM memory)
    ORDER BY expires_at LIMIT ?
)
"""


class EmbeddedGuard:
    """Remembers used nonces in a file; implements ``verifier.nonces.SingleUseGuard``."""

    def __init__(self, path: Path, *, at: int, boot: str | None = None) -> None:
        """Open the file, or make it, readable for its owner alone.

        Args:
            path: the file, on a local file system.
            at: now, milliseconds since 1970.
            boot: what tells one start of the host from the next; the kernel's boot id by default.

        Raises:
            ConfigurationError: it cannot be made, opened or written, or is no such file.
        """
        path = path.absolute()  # so that ":memory:" is the name of a file like any other
        self._files = (str(path), f"{path}-wal", f"{path}-shm")
        self._uses = 0
        self._impatient_until: float | None = None
        self._lock = Lock()
        try:
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, OPEN_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            self._cursor = self._database.cursor()
            try:
                self._since = self._prepare(_read_boot_id() if boot is None else boot, at)
                self._identity = _identity(self._files)
            except BaseException:
                self._database.close()
                raise
        except (OSError, sqlite3.Error) as error:
            msg = f"state: {path}: {error}"
            raise ConfigurationError(msg) from error

    def _prepare(self, boot: str, at: int) -> int:
        """Make the tables; give the moment since when every use is remembered."""
        if self._fetch("PRAGMA journal_mode = WAL") != "wal":  # pragma: no cover - needs such a file system
            msg = "this file system cannot hold a write-ahead log (is it a network file system?)"
            raise sqlite3.OperationalError(msg)
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self._database.execute(_REMEMBER_BOOT, {"boot": boot, "at": at})
        since = self._fetch("SELECT since FROM memory")
        self._wait_for_others(BUSY_TIMEOUT_S)
        return int(str(since))

    @property
    def reach(self) -> SingleUse:
        """All processes of this host that share the file."""
        return SingleUse.HOST

    def consume(self, nonce: bytes, *, expires_at: int, at: int) -> bool:
        """Mark a nonce as used: ``True`` for exactly one caller on this host; ``expires_at`` is what the nonce says.

        Raises:
            GuardUnavailableError: the file cannot be read or written now, or is no longer the one that was opened.
        """
        return self.consume_all(((nonce, expires_at),), at=at)[0]

    def consume_all(self, uses: Sequence[tuple[bytes, int]], *, at: int) -> list[bool]:
        """Mark several nonces as used, each with when it expires, as ``consume`` does: all of them, or none.

        Raises:
            GuardUnavailableError: as ``consume`` does; then none of them was used.
        """
        is_early = [int.from_bytes(nonce[_ISSUED_AT]) < self._since for nonce, _ in uses]
        rows = [(*use, use[1]) for use, early in zip(uses, is_early, strict=True) if not early]
        if not rows:
            return [False] * len(uses)
        inserted = iter(self._write(_USE, rows))
        before, self._uses = self._uses, self._uses + len(rows)
        if before // PURGE_EVERY != self._uses // PURGE_EVERY:
            self._purge(at)
        return [not early and next(inserted) == 1 for early in is_early]

    def probe(self, *, at: int) -> None:
        """Write something, as a use would.

        Raises:
            GuardUnavailableError: it could not be written.
        """
        self._write(_PROBE, [(at,)])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> list[int]:
        """Execute a statement with each of ``rows``, all or none committed when this returns; count what each wrote."""
        try:
            if self._impatient_until is not None and monotonic() >= self._impatient_until:
                self._impatient_until = None
                self._wait_for_others(BUSY_TIMEOUT_S)
            if _identity(self._files) != self._identity:
                # The paths lead other processes to other files: two memories are none.
                msg = "the file of used nonces was replaced"
                raise GuardUnavailableError(msg)
            # One connection counts the rows of one statement at a time. None of them gives rows, so each has ended when
            # it was executed, and is committed unless others follow; the cursor can be used again.
            with self._lock:
                if self._database.in_transaction:  # what could not be rolled back then: nothing of it ever counts
                    self._cursor.execute("ROLLBACK")
                if len(rows) == 1:
                    return [self._cursor.execute(statement, rows[0]).rowcount]
                return self._write_together(statement, rows)
        except (OSError, sqlite3.Error) as error:
            if self._impatient_until is None and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                self._impatient_until = monotonic() + IMPATIENT_S
                self._wait_for_others(0)
            msg = "the file of used nonces cannot be written"
            raise GuardUnavailableError(msg) from error

    def _write_together(self, statement: str, rows: Sequence[tuple[object, ...]]) -> list[int]:
        execute = self._cursor.execute
        execute("BEGIN IMMEDIATE")
        try:
            written = [execute(statement, row).rowcount for row in rows]
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # others wait for the lock
                execute("ROLLBACK")
            raise
        return written

    def _purge(self, at: int) -> None:
        try:
            self._write(_NOTE, [(at - KEEP_AFTER_EXPIRY_MS, PURGE_BATCH)])
            self._write(_PURGE, [(PURGE_BATCH,)])
        except GuardUnavailableError:
            return  # this use was committed; that old ones stay a little longer harms nobody

    def _wait_for_others(self, seconds: float) -> None:
        self._fetch(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def _fetch(self, statement: str) -> object:
        with closing(self._database.execute(statement)) as cursor:
            return cursor.fetchone()[0]


def _identity(files: tuple[str, str, str]) -> list[int]:
    """Tell the file and its log, which lives as long as anyone has it open, from any that replace them."""
    file, log, index = map(stat, files)
    return [file.st_dev, file.st_ino, log.st_dev, log.st_ino, index.st_dev, index.st_ino]


def _read_boot_id() -> str:
    # Elsewhere than on Linux there is none: uses are then remembered as well as the disk does.
    return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else "unknown"
