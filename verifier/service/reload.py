"""What can be exchanged while the service runs, and how to tell that it should be.

A change counts once it has settled: a file that was written since the last look may be half of what it will be, and
half a policy can be a valid one, so files are read only when two looks in a row found them alike, and what was read is
thrown away when they have changed meanwhile. Looking compares what the file system says of the files; that
sees writing in place, an editor's rename, and the symbolic links that Kubernetes exchanges.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from verifier.policy.reader import MAX_POLICY_BYTES
from verifier.reasons import ConfigurationError
from verifier.service.policyfiles import read_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

RETRY_EVERY = 30
"""Looks after which a failure is tried again though no file changed: what failed may have been the system."""
MAX_FILES_NAMED = 20

_Value = TypeVar("_Value")
_Print = tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloadable(Generic[_Value]):
    """Something that is made from files and held by one reference."""

    name: str
    """What logs, metrics and ``/readyz`` call it."""
    files: Callable[[], Iterable[Path]]
    """The files that it is made from now."""
    load: Callable[[list[str]], _Value]
    """Read and check all of it, and note warnings; raises ConfigurationError, and changes nothing."""
    swap: Callable[[_Value], None]
    """Put it in force, in one step."""
    live: Callable[[], _Value]
    """Give what is in force."""
    label: Callable[[_Value], str]
    """Name one version of it without giving away what it holds."""
    difference: Callable[[_Value, _Value], dict[str, object]]
    """Say for the log what differs between two versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Generic[_Value]):
    """There is a new version, and it is good."""

    value: _Value
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """What is on the disk is what is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is a new version, and it is not good."""

    problems: int
    files: dict[str, str]
    """Digests of the files that differ from what is in force, by name: never what is in them."""


class Watch(Generic[_Value]):
    """Looks after one reloadable thing. Reads files, so it is called where waiting for them holds up nobody."""

    def __init__(self, item: Reloadable[_Value]) -> None:
        """Watch ``item``, which was loaded just now."""
        self.item = item
        self._seen: _Print | None = None
        self._settled: _Print | None = None  # so the first looks read again what changed while we started
        self._failed_for: int | None = None
        self._good = _digests(item.files())

    def look(self, *, force: bool = False) -> Loaded[_Value] | Failed | Unchanged | None:
        """Look at the files; ``None`` when there is nothing to do, or not yet.

        Args:
            force: read them as soon as they have settled, changed or not.
        """
        now = _fingerprint(self.item.files())
        settled, self._seen = self._seen == now, now
        if not (settled and (force or self._is_due(now))):
            return None
        outcome = self._load()
        if _fingerprint(self.item.files()) != now:
            self._settled = None
            return None
        self._settled = now
        self._failed_for = 0 if isinstance(outcome, Failed) else None
        return outcome

    def _is_due(self, now: _Print) -> bool:
        if self._failed_for is not None:
            self._failed_for += 1
        return now != self._settled or self._failed_for == RETRY_EVERY

    def _load(self) -> Loaded[_Value] | Failed | Unchanged:
        digests, warnings = _digests(self.item.files()), list[str]()
        try:
            value = self.item.load(warnings)
        except ConfigurationError as error:
            return Failed(problems=len(error.problems), files=_differing(self._good, digests))
        self._good = digests
        if value == self.item.live():
            return Unchanged()
        return Loaded(value=value, warnings=tuple(warnings))


def _fingerprint(files: Iterable[Path]) -> _Print:
    """Give what the file system says of files, links followed, without reading them."""
    return tuple(_status(path) for path in files)


def _status(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (str(path), error.errno)
    # The time of change, too: whoever copies a file may keep its time of modification.
    return (str(path), found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _digests(files: Iterable[Path]) -> dict[str, str]:
    found = {}
    for path in files:
        found[str(path)] = "unreadable"
        with suppress(ConfigurationError):
            found[str(path)] = hashlib.sha256(read_bounded(path, MAX_POLICY_BYTES)).hexdigest()
    return found


def _differing(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return {name: new.get(name, "gone") for name in names[:MAX_FILES_NAMED]}
