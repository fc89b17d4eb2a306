"""Listening sockets, for `issuer.vsock`'s own servers or any other: ``loop.create_server(factory, sock=...)``."""

import errno
import socket
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from issuer.vsock.addresses import ANY, Address, TcpAddress, UnixAddress, VsockAddress
from issuer.vsock.errors import ListenFailedError
from issuer.vsock.transport import AF_VSOCK, Endpoint, endpoints_of, new_socket

BACKLOG: Final = 1024


def listen(address: Address, *, backlog: int = BACKLOG) -> socket.socket:
    """Listen, and return a non-blocking socket fit for ``loop.create_server(factory, sock=...)``.

    A Unix socket's file that nobody listens on any more is replaced; one that is in use is not.

    Raises:
        ListenFailedError: the address is taken, not ours, or not permitted.
        ResolutionError: the host name leads nowhere.
        TransportUnavailableError: this machine has no such sockets.
    """
    endpoint = endpoints_of(address)[0]
    try:
        return _listen(endpoint, backlog)
    except OSError as error:
        raise ListenFailedError(f"listening on {address}", error) from error


def open_vsock_listener(port: int, *, cid: int = ANY, backlog: int = BACKLOG) -> socket.socket:
    """Listen on a vsock port, from whichever side; for ``loop.create_server(factory, sock=...)``.

    aiohttp's ``SockSite`` cannot take such a socket; ``loop.create_server(runner.server, sock=...)`` can, once the
    ``AppRunner`` is set up.

    Raises:
        ListenFailedError: the port is taken or not permitted.
        TransportUnavailableError: this machine has no vsocks.
    """
    return listen(VsockAddress(cid=cid, port=port), backlog=backlog)


def bound_address(listener: socket.socket) -> Address:
    """Tell where a socket listens, with the port that the kernel chose."""
    name = listener.getsockname()
    if isinstance(name, str):
        return UnixAddress(path=name)
    if listener.family == AF_VSOCK:
        return VsockAddress(cid=name[0], port=name[1])
    return TcpAddress(host=name[0], port=name[1])


def _listen(endpoint: Endpoint, backlog: int) -> socket.socket:
    sock = new_socket(endpoint.family)
    try:
        if isinstance(endpoint.address, str):
            _remove_stale(endpoint)
        elif sock.family != AF_VSOCK:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(endpoint.address)
        sock.listen(backlog)
        sock.settimeout(0)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(endpoint: Endpoint) -> None:
    """Remove the file that a killed process left behind; nothing else, and never one that is listened on."""
    path = Path(str(endpoint.address))
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with closing(new_socket(endpoint.family)) as probe:
            probe.settimeout(0)
            if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
                path.unlink()
