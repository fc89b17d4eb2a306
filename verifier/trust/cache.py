"""Paths that were verified before, so that the next document from the same enclave costs one signature, not five.

A key is the exact bytes of every certificate, from the root down: a twin with another signature, the same key under
another issuer or a reordered bundle is another key. A value is what ``validate_path`` concluded, validity windows
included, which it checks again at every use. Issuers and leaves are kept apart, so a flood of leaves cannot push out
the few issuers that all of them share.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from verifier.evidence.recurring import DEFAULT_PARTS, RecurringParts

if TYPE_CHECKING:
    from collections.abc import Hashable

    from verifier.trust.path import CertificationPath

DEFAULT_LEAVES = 4096
DEFAULT_ISSUERS = 1024

_Key = TypeVar("_Key", bound="Hashable")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCounts:
    """What one half of the cache has seen since it was made, and how many entries it holds."""

    hits: int
    misses: int
    evictions: int
    entries: int


class _Lru(Generic[_Key, _Value]):
    """A bounded map that forgets what was not used for longest; safe to use from several threads."""

    __slots__ = ("_entries", "_evictions", "_hits", "_limit", "_lock", "_misses")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[_Key, _Value] = OrderedDict()
        self._lock = Lock()
        self._hits = self._misses = self._evictions = 0

    def find(self, key: _Key) -> _Value | None:
        with self._lock:
            value = self._entries.get(key)
            if value is None:
                self._misses += 1
            else:
                self._hits += 1
                self._entries.move_to_end(key)
            return value

    def keep(self, key: _Key, value: _Value) -> None:
        if not self._limit:
            return
        with self._lock:
            self._entries[key] = value
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
                self._evictions += 1

    def counts(self) -> CacheCounts:
        with self._lock:
            return CacheCounts(
                hits=self._hits, misses=self._misses, evictions=self._evictions, entries=len(self._entries)
            )


class PathCache:
    """Verified paths of one verifier, whose anchors never change; a limit of zero leaves turns it off."""

    __slots__ = ("_issuers", "_leaves", "recurring")

    def __init__(self, *, leaves: int = DEFAULT_LEAVES, issuers: int = DEFAULT_ISSUERS) -> None:
        """Bound both halves; about 4 kB an entry."""
        self._leaves = _Lru[tuple[tuple[bytes, ...], bytes], "CertificationPath"](leaves)
        self._issuers = _Lru[tuple[bytes, ...], "CertificationPath"](issuers if leaves else 0)
        self.recurring = RecurringParts(min(leaves, DEFAULT_PARTS))
        """What was read of the documents under these paths."""

    def find_path(self, cabundle: tuple[bytes, ...], leaf: bytes) -> CertificationPath | None:
        """Give the whole path if exactly these bytes were verified before."""
        return self._leaves.find((cabundle, leaf))

    def find_issuers(self, cabundle: tuple[bytes, ...]) -> CertificationPath | None:
        """Give the path down to the leaf's issuer if exactly these bytes were verified before."""
        return self._issuers.find(cabundle)

    def keep_issuers(self, cabundle: tuple[bytes, ...], issuers: CertificationPath) -> None:
        """Remember a bundle whose every signature was verified."""
        self._issuers.keep(cabundle, issuers)

    def keep_path(self, cabundle: tuple[bytes, ...], leaf: bytes, path: CertificationPath) -> None:
        """Remember a path that was verified whole."""
        self._leaves.keep((cabundle, leaf), path)

    def counts(self) -> dict[str, CacheCounts]:
        """Give the counts of both halves, ``leaf`` and ``issuer``."""
        return {"leaf": self._leaves.counts(), "issuer": self._issuers.counts()}
