"""The Linux driver of the NSM as far as its ioctl goes, over any backend, for whoever calls `ioctl`.

It reads and writes the caller's memory by address as the kernel does, so a wrong length, a buffer that is gone or a
forgotten reply length shows. What it refuses and cuts is what drivers/misc/nsm.c refuses and cuts.
"""

import ctypes
import errno
import os
import struct
from typing import Any

from issuer.nsm import Backend

NSM_RAW = struct.Struct("<QQQQ")
IOCTL = 0xC0200A00
REQUEST_MAX = 0x1000
REPLY_MAX = 0x3000


def failure(number: int) -> OSError:
    """What `fcntl.ioctl` raises."""
    return OSError(number, os.strerror(number))


class FakeDriver:
    """Call it where `fcntl.ioctl` would be called; it keeps every request that reached the NSM."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.requests: list[bytes] = []

    def __call__(self, _fd: Any, operation: int, message: Any, mutate: bool = True) -> int:  # noqa: ANN401, FBT001, FBT002 - fcntl's signature
        """Serve one call."""
        if operation != IOCTL or not mutate:
            raise failure(errno.EINVAL)
        raw = memoryview(message).cast("B")
        request_at, request_size, reply_at, reply_room = NSM_RAW.unpack(raw)
        if request_size > REQUEST_MAX:
            raise failure(errno.EMSGSIZE)
        request = ctypes.string_at(request_at, request_size)
        self.requests.append(request)
        reply = self.answer(request)[: min(reply_room, REPLY_MAX)]
        ctypes.memmove(reply_at, reply, len(reply))
        raw[:] = NSM_RAW.pack(request_at, request_size, reply_at, len(reply))
        return 0

    def answer(self, request: bytes) -> bytes:
        """Ask the NSM."""
        return self.backend.process(request)


class Scripted:
    """A backend that gives these replies in turn, and fails with those that are errors."""

    def __init__(self, *replies: bytes | BaseException) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.closed = 0

    def process(self, request: bytes) -> bytes:
        """Give the next reply."""
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def close(self) -> None:
        """Count."""
        self.closed += 1
