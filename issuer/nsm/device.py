"""The device: requests through /dev/nsm, as both Linux drivers of the NSM take them.

The interface is one ioctl on a misc character device (include/uapi/linux/nsm.h; the out-of-tree driver is identical):
a structure of two address and length pairs, the request's and the reply's. Nothing here reads or writes the device.
"""

import ctypes
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from issuer.nsm.errors import InputTooLargeError, NsmProtocolError, NsmUnavailableError, driver_failure
from issuer.nsm.requests import MAX_REQUEST_BYTES

NSM_DEVICE: Final = "/dev/nsm"
NSM_IOCTL: Final = 0xC0200A00  # _IOWR(0x0A, 0, 32 bytes), the same on x86_64 and aarch64
MAX_REPLY_BYTES: Final = 0x3000  # NSM_RESPONSE_MAX_SIZE; into less than that the driver cuts replies silently

_NSM_RAW: Final = struct.Struct("<QQQQ")  # request address and length, reply address and length

Ioctl: TypeAlias = Callable[[int, int, bytearray, bool], int]
"""The signature of `fcntl.ioctl` with a buffer that it changes in place."""


class DeviceBackend:
    """The NSM of the enclave this runs in; safe to share between threads, which the driver serialises.

    The device is opened unbuffered: it can not seek, and Python's buffered files insist on seeking.

    Args:
        path: the device's node.
        ioctl: the system's, unless a test brings another.

    Raises:
        NsmUnavailableError: it can not be opened; nothing else is tried.
    """

    __slots__ = ("_calls", "_closing", "_fd", "_ioctl", "_mutex")

    def __init__(self, path: str | os.PathLike[str] = NSM_DEVICE, *, ioctl: Ioctl | None = None) -> None:
        self._fd = -1
        self._calls = 0
        self._closing = False
        self._mutex = threading.Lock()
        self._ioctl = ioctl or _system_ioctl()
        self._fd = _open(path)

    def process(self, request: bytes) -> bytes:
        """Hand one request to the driver and wait for the reply, up to the driver's 120 seconds.

        The interpreter lock is released meanwhile. A request is sent once and never again: extending is not
        idempotent.

        Raises:
            NsmUnavailableError: what was opened is no NSM, or it is gone.
            NsmTimeoutError: the NSM did not reply.
            InputTooLargeError: the request has more than 4096 bytes.
            NsmProtocolError: the driver failed in another way; `errno` says how.
            ValueError: the backend is closed, or the request is empty.
        """
        if not request:
            # The driver passes it on, and QEMU's device breaks on it: the NSM is lost to the enclave until its end.
            raise ValueError("an empty request is none")
        if len(request) > MAX_REQUEST_BYTES:
            raise InputTooLargeError(f"the request takes {len(request)} bytes, {MAX_REQUEST_BYTES} at most")
        with self._borrowed() as fd:
            return self._exchange(fd, request)

    def close(self) -> None:
        """Close the device, once no call uses it any more; does not wait for that."""
        with self._mutex:
            self._closing = True
            self._release()

    def __del__(self) -> None:
        if self._fd >= 0:
            warnings.warn(f"{type(self).__name__} was never closed", ResourceWarning, stacklevel=1, source=self)
            self.close()

    def _exchange(self, fd: int, request: bytes) -> bytes:
        # The driver writes where these lie; as locals of the calling thread they outlive the call, whatever becomes of
        # the task that waits for it.
        sent = (ctypes.c_ubyte * len(request)).from_buffer_copy(request)
        received = (ctypes.c_ubyte * MAX_REPLY_BYTES)()
        message = bytearray(
            _NSM_RAW.pack(ctypes.addressof(sent), len(sent), ctypes.addressof(received), MAX_REPLY_BYTES)
        )
        try:
            self._ioctl(fd, NSM_IOCTL, message, True)  # noqa: FBT003 - fcntl.ioctl takes no keywords
        except OSError as error:
            raise driver_failure(error.errno or 0, doing="the NSM driver failed") from error
        length = _NSM_RAW.unpack(message)[3]
        if length > MAX_REPLY_BYTES:
            raise NsmProtocolError(f"the driver claims a reply of {length} bytes", reply=bytes(received))
        return bytes(received)[:length]

    @contextmanager
    def _borrowed(self) -> Iterator[int]:
        """Keep the descriptor open during a call: a number that is closed may be another file the next moment."""
        with self._mutex:
            if self._closing:
                raise ValueError("the NSM is closed")
            self._calls += 1
        try:
            yield self._fd
        finally:
            with self._mutex:
                self._calls -= 1
                self._release()

    def _release(self) -> None:
        """Close the descriptor if that was asked for and nobody uses it; the mutex is held."""
        if self._closing and not self._calls and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: str | os.PathLike[str]) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        failure = driver_failure(error.errno or 0, doing=f"opening {os.fspath(path)}")
        raise NsmUnavailableError(str(failure), errno=error.errno) from error


def _system_ioctl() -> Ioctl:
    try:
        from fcntl import ioctl  # noqa: PLC0415 - exists on Unix only, and this module is imported anywhere
    except ImportError as error:
        raise NsmUnavailableError("this system has no ioctl, and so no NSM") from error
    return ioctl
