"""Sockets and what the kernel takes for addresses: the differences between vsocks, Unix sockets and TCP end here.

What a machine lacks is found out when it is used: this imports anywhere, and `TransportUnavailableError` is raised
where a vsock is asked for and there is none.
"""

import asyncio
import errno
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from issuer.vsock.addresses import Address, TcpAddress, UnixAddress, VsockAddress
from issuer.vsock.errors import ResolutionError, TransportUnavailableError

AF_UNIX: Final[int | None] = getattr(socket, "AF_UNIX", None)
AF_VSOCK: Final[int | None] = getattr(socket, "AF_VSOCK", None)
# The kernel has no such sockets, or a container's system call filter hides them (Docker's does, with EPERM).
_MISSING = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EPERM, errno.EACCES})
_TCP = frozenset({socket.AF_INET, socket.AF_INET6})
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time

SocketAddress: TypeAlias = tuple[str | int, ...] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address as the kernel takes it, with nothing left to look up."""

    family: int
    address: SocketAddress


def resolve(address: TcpAddress) -> list[Endpoint]:
    """Look a host up; the operating system sorts what it finds by what is likely to work (RFC 6724).

    Raises:
        ResolutionError: it leads nowhere.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ResolutionError(f"{address.host} leads to no address") from error
    return [Endpoint(family=family, address=(str(where[0]), int(where[1]))) for family, _, _, _, where in found]


async def resolve_async(address: TcpAddress) -> list[Endpoint]:
    """Look a host up without blocking the event loop.

    Raises:
        ResolutionError: it leads nowhere.
    """
    return await asyncio.to_thread(resolve, address)


def peer_of(family: int, address: object) -> str:
    """Name who is at the other end, for counting and for logs: one name for each CID or IP address."""
    if isinstance(address, tuple):
        return f"{'vsock' if family == AF_VSOCK else 'tcp'}:{address[0]}"
    return "unix"


def prepare(sock: socket.socket) -> socket.socket:
    """Make a socket fit for an event loop; over TCP, small messages leave at once."""
    sock.settimeout(0)
    if sock.family in _TCP:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def abort(sock: socket.socket) -> None:
    """Close so that the peer cannot take it for a proper end: over TCP it sees a reset.

    Over vsock and Unix sockets the kernel has nothing of the kind to send: the peer sees an end, or a reset if it had
    sent something that was not read.
    """
    if sock.family in _TCP:
        with suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    sock.close()


def endpoints_of(address: Address) -> list[Endpoint]:
    """Give what an address stands for here, looking a host name up; never nothing.

    Raises:
        ResolutionError: the host name leads nowhere.
        TransportUnavailableError: Python has no such sockets.
    """
    match address:
        case VsockAddress(cid=cid, port=port):
            return [Endpoint(family=_family(AF_VSOCK, "vsocks"), address=(cid, port))]
        case UnixAddress(path=path):
            return [Endpoint(family=_family(AF_UNIX, "Unix sockets"), address=path)]
        case TcpAddress():
            return resolve(address)
        case _:
            assert_never(address)


def _family(family: int | None, name: str) -> int:
    if family is None:
        raise TransportUnavailableError(f"Python has no {name} on this system")
    return family


def new_socket(family: int) -> socket.socket:
    """Make a stream socket.

    Raises:
        TransportUnavailableError: the kernel has none of that family.
        OSError: there are too many sockets already.
    """
    try:
        return socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno not in _MISSING:
            raise
        raise TransportUnavailableError(f"this machine gives no sockets of that kind: {error.strerror}") from error
