"""The sockets that the service listens at: TCP, a Unix socket, a vsock port, or several of them.

They are opened before anything else is started, so that an address in use is a mistake in the configuration, and so
that worker processes inherit one and the same queue of connections.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from verifier.service.settings import Addresses

BACKLOG = 1024
PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket that listens, and the name of its address."""

    socket: socket.socket
    address: str
    queue: int | None
    """Which of several sockets with one address it is; ``None`` where there is but one."""


@contextmanager
def open_listeners(addresses: Addresses, *, queues: int = 1) -> Iterator[tuple[Listener, ...]]:
    """Listen at every address; close all of them, and remove the Unix socket, when the block ends.

    Args:
        addresses: where.
        queues: how many sockets a TCP address has. The kernel shares connections out between them; processes that
            accept from one and the same would leave nearly all of a burst to the one that wakes first.

    Raises:
        ConfigurationError: nothing can listen at one of them.
    """
    owner = os.getpid()
    with ExitStack() as opened:
        tcp, unix = _open_tcp(addresses, opened, queues), _open_unix(addresses, opened)
        listeners = (*tcp, *unix, *_open_vsock(addresses, opened))
        if addresses.unix_socket is not None:
            opened.callback(_remove, addresses.unix_socket, _identity(addresses.unix_socket), owner)
        yield listeners


def _open_tcp(addresses: Addresses, opened: ExitStack, queues: int) -> Iterator[Listener]:
    if not addresses.tcp:
        return
    try:
        for family, wanted in _resolve(addresses):
            address = wanted if addresses.reuse_port else _find_free(family, wanted)
            for queue in range(queues):
                found = opened.enter_context(_bind(family, address, share=addresses.reuse_port or queues > 1))
                address = found.getsockname()  # where any port would do, it is known now
                yield _listen(found, _name(found), queue)
    except OSError as error:
        msg = f"host, port: cannot listen on {addresses.host}:{addresses.port}: {error.strerror or error}"
        raise ConfigurationError(msg) from error


def _find_free(family: int, address: tuple[object, ...]) -> tuple[object, ...]:
    """Make sure that nobody else has the address: sockets that share one would share it with strangers, too."""
    with _bind(family, address, share=False) as probe:
        found: tuple[object, ...] = probe.getsockname()
        return found


def _bind(family: int, address: tuple[object, ...], *, share: bool) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:  # 0.0.0.0 is another listener's
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(address)
    except BaseException:
        found.close()
        raise
    return found


def _name(found: socket.socket) -> str:
    host, port = found.getsockname()[:2]
    return f"[{host}]:{port}" if found.family == socket.AF_INET6 else f"{host}:{port}"


def _resolve(addresses: Addresses) -> list[tuple[int, tuple[object, ...]]]:
    """Give every address that the host's name stands for, each once."""
    found = socket.getaddrinfo(addresses.host or None, addresses.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _open_unix(addresses: Addresses, opened: ExitStack) -> Iterator[Listener]:
    path = addresses.unix_socket
    if path is None:
        return
    try:
        _remove_stale(path)
        found = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        found.bind(os.fspath(path))
        # Nobody can connect before it listens, so there is no moment in which the wrong ones may.
        path.chmod(addresses.unix_socket_mode)
        yield _listen(found, f"unix:{path}")
    except OSError as error:
        msg = f"unix_socket: cannot listen on {path}: {error.strerror or error}"
        raise ConfigurationError(msg) from error


def _open_vsock(addresses: Addresses, opened: ExitStack) -> Iterator[Listener]:
    """Listen at a vsock port (vsock(7)): for enclaves of this host, or for the parent of this enclave.

    The event loop is given the socket as one of the Unix family. uvloop takes every other for TCP, switches Nagle's
    algorithm off on each connection, which vsocks do not have, and resets it; what it does with Unix sockets is what
    every stream can do.
    """
    cid, port = addresses.vsock_cid, addresses.vsock_port
    if port is None:
        return
    try:
        found = opened.enter_context(socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
        found.bind((cid, port))
        cid, port = found.getsockname()
        yield _listen(opened.enter_context(as_plain_stream(found)), f"vsock:{cid}:{port}")
    except (AttributeError, OSError) as error:  # AttributeError: a system other than Linux
        why = error.strerror if isinstance(error, OSError) else "this system has no vsocks"
        msg = f"vsock_port, vsock_cid: cannot listen on vsock:{cid}:{port}: {why}"
        raise ConfigurationError(msg) from error


def as_plain_stream(found: socket.socket) -> socket.socket:
    """Give a stream socket to be treated like one that can do nothing but carry bytes."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=found.detach())


def _listen(found: socket.socket, address: str, queue: int | None = None) -> Listener:
    found.listen(BACKLOG)
    found.settimeout(0)  # the event loop's calls must not block
    return Listener(socket=found, address=address, queue=queue)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a process that ended without removing it; one that answers is in use."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return  # binding tells what is wrong with it, if anything
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        with suppress(ConnectionRefusedError):
            probe.connect(os.fspath(path))
            return
    path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove(path: Path, identity: tuple[int, int], owner: int) -> None:
    """Remove our socket, unless a successor has put its own there, or we are a process that inherited it."""
    with suppress(OSError):
        if os.getpid() == owner and _identity(path) == identity:
            path.unlink()
