"""Connecting, with or without an event loop, within a time that covers everything."""

import asyncio
import errno
import os
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from issuer.vsock.addresses import Address, TcpAddress
from issuer.vsock.errors import ConnectFailedError, ResolutionError
from issuer.vsock.polling import Deadline, writable
from issuer.vsock.transport import AF_VSOCK, Endpoint, endpoints_of, new_socket, prepare, resolve_async

CONNECT_TIMEOUT_S: Final = 5.0
RETRY_EVERY_S: Final = 0.01
SO_VM_SOCKETS_CONNECT_TIMEOUT: Final = 6  # linux/vm_sockets.h, the form with a timeval of two longs; not in CPython


def connect(address: Address, *, timeout: float = CONNECT_TIMEOUT_S) -> socket.socket:
    """Connect and return a blocking socket; set its timeout before using it.

    Looking up a host name is outside of the limit: the operating system's resolver has its own.

    Raises:
        ConnectFailedError: nobody answered in time, or it was refused.
        ResolutionError: the host name leads nowhere.
        TransportUnavailableError: this machine has no such sockets.
    """
    endpoints = endpoints_of(address)
    deadline = Deadline(timeout)
    failure: OSError | None = None
    for endpoint in endpoints:
        try:
            return _connect_blocking(endpoint, deadline)
        except OSError as error:
            failure = error
    raise _connect_failure(failure) from failure


async def connect_async(address: Address, *, timeout: float = CONNECT_TIMEOUT_S) -> socket.socket:  # noqa: ASYNC109 - the same words as `connect`
    """Connect and return a non-blocking socket; the time includes looking up a name.

    Raises:
        ConnectFailedError: nobody answered in time, or it was refused.
        ResolutionError: the host name leads nowhere, or not in time.
        TransportUnavailableError: this machine has no such sockets.
    """
    end = asyncio.get_running_loop().time() + timeout
    try:
        async with asyncio.timeout_at(end):
            # Only names take time, and a thread, which goes on without us when it takes too long.
            found = endpoints_of(address) if not isinstance(address, TcpAddress) else await resolve_async(address)
    except TimeoutError as error:
        raise ResolutionError("the name was not found in time") from error
    return await connect_endpoints(found, timeout=end - asyncio.get_running_loop().time())


async def connect_endpoints(endpoints: Sequence[Endpoint], *, timeout: float) -> socket.socket:  # noqa: ASYNC109 - shared out among the attempts
    """Connect to the first endpoint that answers; each has its share of the time, so that a dead one costs no other.

    Raises:
        ConnectFailedError: none did.
        TransportUnavailableError: this machine has no such sockets.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    failure: OSError | None = None
    for tried, endpoint in enumerate(endpoints):
        share = (end - loop.time()) / (len(endpoints) - tried)
        try:
            async with asyncio.timeout(share):
                return await _connect_waiting(endpoint, share)
        except OSError as error:  # a TimeoutError is one
            failure = error
    raise _connect_failure(failure) from failure


def _connect_blocking(endpoint: Endpoint, deadline: Deadline) -> socket.socket:
    sock = new_socket(endpoint.family)
    try:
        _set_connect_timeout(sock, deadline.left())
        while True:
            sock.settimeout(deadline.left())
            with suppress(BlockingIOError):  # a Unix socket whose listener is busy says so, instead of waiting
                sock.connect(endpoint.address)
                return sock
            time.sleep(RETRY_EVERY_S)
    except BaseException:
        sock.close()
        raise


async def _connect_waiting(endpoint: Endpoint, limit: float) -> socket.socket:
    sock = new_socket(endpoint.family)
    try:
        _set_connect_timeout(sock, limit)
        prepare(sock)
        await _finish_connecting(sock, endpoint)
    except BaseException:
        sock.close()
        raise
    return sock


async def _finish_connecting(sock: socket.socket, endpoint: Endpoint) -> None:
    while (code := sock.connect_ex(endpoint.address)) == errno.EAGAIN:  # noqa: ASYNC110 - no event tells of room
        await asyncio.sleep(RETRY_EVERY_S)  # a Unix socket whose listener is busy says so, instead of waiting
    if code == errno.EINPROGRESS:
        await writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _connect_failure(failure: OSError | None) -> ConnectFailedError:
    """Give one error for all ways of failing; time that ran out here looks like time that ran out in the kernel."""
    if failure is None or failure.errno is None:
        failure = OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return ConnectFailedError("connecting", failure)


def _set_connect_timeout(sock: socket.socket, seconds: float) -> None:
    """Have the kernel wait for as long as we do: for a vsock it would give up after 2 seconds."""
    if sock.family == AF_VSOCK:
        whole, fraction = divmod(seconds, 1)
        # A timeval of zero would be refused.
        timeval = struct.pack("ll", int(whole), max(1, int(fraction * 1_000_000)))
        # CPython gives a vsock nothing but 64-bit numbers as options, so the option is set through another view of it.
        view = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=sock.fileno())
        try:
            view.setsockopt(sock.family, SO_VM_SOCKETS_CONNECT_TIMEOUT, timeval)
        finally:
            view.detach()
