"""The rows of an audit as they are written: the output is the journal, so what was killed goes on where it stopped.

Rows are appended in order and each ends its line. A kill can therefore cost no more than the last line, which is cut
off and written again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from verifier.audit import AuditSummary, decode_row
from verifier.cli.exits import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    from verifier.audit import AuditRow

MAX_ROW_BYTES = 1024 * 1024
"""Ten times the longest row, whose path is as long as a path can be; more is another's file, and not held."""


def _lock(file: BinaryIO) -> None:
    """Take a file for this process alone, where the system can."""
    with suppress(ModuleNotFoundError):
        import fcntl  # of POSIX only, as auditing is not

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Journal:
    """A file of rows that one process at a time continues."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            InputError: it cannot be opened, or another audit is writing it.
        """
        self.path = path
        self.summary = AuditSummary()
        self.last: bytes | None = None
        """The last row that was found."""
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise InputError(f"{path}: another audit is writing it") from error

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def recover(self) -> int:
        """Count what is there and cut a row off that was not finished; give how many are whole.

        Raises:
            InputError: the file holds something else than rows in order.
        """
        self._file.seek(0)
        whole = 0
        for line in iter(lambda: self._file.readline(MAX_ROW_BYTES), b""):
            if not line.endswith(b"\n"):
                self._cut_off(line, whole)
                break
            self.summary.add(self._row(line, self.summary.rows))
            self.last = line.rstrip(b"\n")
            whole += len(line)
        return self.summary.rows

    def append(self, lines: Sequence[bytes]) -> None:
        """Write rows, and hand them to the operating system: a kill does not take them back."""
        for number, line in enumerate(lines, self.summary.rows):
            self.summary.add(self._row(line, number))
        self._file.write(b"".join(line + b"\n" for line in lines))
        self._file.flush()

    def rows(self) -> Iterator[AuditRow]:
        """Give every row anew."""
        self._file.seek(0)
        return map(decode_row, self._file)

    def _row(self, line: bytes, number: int) -> AuditRow:
        try:
            row = decode_row(line)
        except ValueError as error:
            raise InputError(f"{self.path}: line {number + 1} is no row of an audit; nothing was changed") from error
        if row.number != number:
            raise InputError(f"{self.path}: line {number + 1} is of entry {row.number}; nothing was changed")
        return row

    def _cut_off(self, line: bytes, whole: int) -> None:
        beginning = b'{"number":%d,' % self.summary.rows
        if line[: len(beginning)] != beginning[: len(line)] or len(line) == MAX_ROW_BYTES:
            raise InputError(f"{self.path}: its last line is no row of this audit; nothing was changed")
        self._file.truncate(whole)
