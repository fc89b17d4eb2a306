"""The hash of the whole image and the file's checksum, beside the reader in a thread of their own.

An application's bytes go into two SHA-384 hashes (PCR0 and PCR2) and into the CRC. ``hashlib`` and ``zlib`` leave the
interpreter to others while they work on a large buffer. So on two cores, with one hash and the reading here and the
rest there, an image is measured in about the time of one pass. The checksum is the rest: Python's own takes a fifth of
a hash's time, zlib-ng's a fiftieth, so that one does it where it is installed.
"""

from __future__ import annotations

import hashlib
from enum import Enum, auto
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Self

try:
    from zlib_ng.zlib_ng import crc32
except ImportError:  # pragma: no cover - proven by hand: uninstall zlib-ng
    from zlib import crc32

if TYPE_CHECKING:
    from types import TracebackType

CHUNKS_AHEAD = 2
"""How far the reader may run ahead; bounds the memory at this many chunks."""


class _Order(Enum):
    MARK = auto()
    STOP = auto()


class ImageHash:
    """SHA-384 of what is measured and CRC-32 of everything; usable once, as a context."""

    __slots__ = ("_crc32", "_hash", "_marks", "_orders", "_thread")

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._hash = hashlib.sha384()
        self._crc32 = 0
        self._marks: list[bytes] = []
        self._orders: Queue[tuple[bytes, bool] | _Order] = Queue(CHUNKS_AHEAD)
        self._thread = Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Let the thread finish what it was given, and end it."""
        self._orders.put(_Order.STOP)
        self._thread.join()

    def update(self, chunk: bytes, *, measured: bool) -> None:
        """Take the bytes after those before them; waits when the thread is far behind."""
        self._orders.put((chunk, measured))

    def mark(self) -> None:
        """Note the digest of all that was measured so far."""
        self._orders.put(_Order.MARK)

    @property
    def digests(self) -> tuple[bytes, ...]:
        """The digests at each mark and at the end; to be read when the context is left."""
        return (*self._marks, self._hash.digest())

    @property
    def crc32(self) -> int:
        """The checksum of all bytes; to be read when the context is left."""
        return self._crc32

    def _work(self) -> None:
        while (order := self._orders.get()) is not _Order.STOP:
            if order is _Order.MARK:
                self._marks.append(self._hash.copy().digest())
                continue
            chunk, measured = order
            if measured:
                self._hash.update(chunk)
            self._crc32 = crc32(chunk, self._crc32)
