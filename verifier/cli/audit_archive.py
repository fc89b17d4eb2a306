"""Archives on a disk: a directory of documents, or a file of JSON lines, read in a fixed order and in pieces."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from verifier.audit import AuditItem, ItemKind
from verifier.cli.escapes import plain
from verifier.cli.exits import InputError
from verifier.cli.inputs import MAX_INPUT_BYTES, base64_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_COUNTED_AT_ONCE = 1 << 20


class Archive(Protocol):
    """Entries in an order that does not change."""

    def count(self) -> int:
        """Count the entries without reading them."""
        ...

    def items(self, first: int) -> Iterator[AuditItem]:
        """Give the entries from the one of this number on."""
        ...


def open_archive(path: Path, leave_out: frozenset[Path]) -> Archive:
    """Take a directory of documents, or a file of JSON lines.

    Args:
        path: which.
        leave_out: files that are no documents, such as what this audit writes.

    Raises:
        InputError: there is neither.
    """
    if path.is_dir():
        return DirectoryArchive(path=path, leave_out=leave_out)
    if path.is_file():
        return LinesArchive(path=path)
    raise InputError(f"{path}: neither a directory nor a file")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryArchive:
    """Every file in a directory and those below it, by name; hidden ones and links to directories are passed over."""

    path: Path
    leave_out: frozenset[Path]

    def count(self) -> int:
        """Count the files."""
        return sum(1 for _ in self._files(self.path))

    def items(self, first: int) -> Iterator[AuditItem]:
        """Read the files; what cannot be read is an entry as well."""
        for number, path in enumerate(self._files(self.path)):
            if number >= first:
                yield self._item(number, path)

    def _files(self, folder: Path) -> Iterator[Path]:
        # One directory's names at a time is all that is held.
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(f"{plain(str(folder))}: {error.strerror}") from error
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(".") or path.absolute() in self.leave_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._files(path)
            elif _is_entry(entry):
                yield path

    def _item(self, number: int, path: Path) -> AuditItem:
        name = os.fsencode(path.relative_to(self.path)).decode(errors="backslashreplace")
        try:
            with path.open("rb") as file:
                data = file.read(MAX_INPUT_BYTES + 1)
        except OSError as error:
            reason = f"the file cannot be read: {error.strerror}".encode()
            return AuditItem(number=number, name=name, kind=ItemKind.UNREADABLE, content=reason)
        text = base64_text(data)
        return AuditItem(number=number, name=name, kind=ItemKind.DOCUMENT, content=data if text is None else text)


def _is_entry(entry: os.DirEntry[str]) -> bool:
    """Tell a file; and a link to nothing, because what it led to is missing, which a row has to say."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry).exists())
    except OSError:  # links in a circle, or into what may not be looked at
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesArchive:
    """A file with one JSON object on each line; blank lines are no entries."""

    path: Path

    def count(self) -> int:
        """Count the lines, blank ones as well: it is for a bar that shows progress."""
        with self._open() as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_COUNTED_AT_ONCE), b""))

    def items(self, first: int) -> Iterator[AuditItem]:
        """Read the lines; one that is too long is an entry as well, and is not held."""
        number = 0
        with self._open() as file:
            for line, text in enumerate(_lines(file), 1):
                if not text.strip():
                    continue
                if number >= first:
                    yield _line_item(number, f"line {line}", text)
                number += 1

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_INPUT_BYTES + 1):
        rest = line
        while len(rest) > MAX_INPUT_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_INPUT_BYTES + 1)
        yield line


def _line_item(number: int, name: str, text: bytes) -> AuditItem:
    if len(text) > MAX_INPUT_BYTES:
        reason = f"longer than {MAX_INPUT_BYTES} bytes".encode()
        return AuditItem(number=number, name=name, kind=ItemKind.UNREADABLE, content=reason)
    return AuditItem(number=number, name=name, kind=ItemKind.LINE, content=text)
