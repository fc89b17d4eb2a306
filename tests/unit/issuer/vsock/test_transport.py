import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from issuer.vsock import SocketFailedError, TransportUnavailableError
from issuer.vsock.transport import AF_VSOCK, abort, new_socket, peer_of, prepare

WITHOUT = """
import socket, sys
for name in [name for name in vars(socket) if "VSOCK" in name or "VM_SOCKETS" in name or "VMADDR" in name]:
    delattr(socket, name)
del socket.AF_UNIX
sys.modules["yaml"] = None
import issuer.vsock as vsock
for address in (vsock.VsockAddress(cid=3, port=1), vsock.UnixAddress(path="/x")):
    for use in (vsock.connect, vsock.listen):
        try:
            use(address)
        except vsock.TransportUnavailableError as error:
            print(error)
with vsock.listen(vsock.TcpAddress(host="127.0.0.1", port=0)) as listener:
    print(vsock.bound_address(listener).host)
"""


def test_a_system_without_vsocks_unix_sockets_and_yaml_imports_it_all_and_is_told_on_use(checkout: Path) -> None:
    """An enclave application could not be written on macOS or Windows."""
    ran = subprocess.run([sys.executable, "-c", WITHOUT], cwd=checkout, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        *["Python has no vsocks on this system"] * 2,
        *["Python has no Unix sockets on this system"] * 2,
        "127.0.0.1",
    ]


def test_a_kernel_without_such_sockets_is_a_typed_error() -> None:
    """A container's filter hides vsocks; the operator must learn that, not `Operation not permitted`."""
    with pytest.raises(TransportUnavailableError, match="no sockets of that kind"):
        new_socket(socket.AF_APPLETALK)


@pytest.mark.parametrize(
    ("family", "address", "name"),
    [
        (AF_VSOCK, (16, 1234), "vsock:16"),
        (socket.AF_INET, ("127.0.0.1", 1234), "tcp:127.0.0.1"),
        (socket.AF_INET6, ("::1", 1234, 0, 0), "tcp:::1"),
        (socket.AF_UNIX, "", "unix"),
        (socket.AF_UNIX, b"\0abstract", "unix"),
    ],
)
def test_a_peer_is_named_without_its_port(family: int | None, address: object, name: str) -> None:
    """The limit for each peer would never be reached."""
    assert peer_of(-1 if family is None else family, address) == name


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX, *([] if AF_VSOCK is None else [AF_VSOCK])])
def test_every_kind_of_socket_can_be_aborted_and_more_than_once(family: int) -> None:
    """CPython takes no such option for a vsock: the descriptor would stay open."""
    try:
        sock = new_socket(family)
    except TransportUnavailableError:
        pytest.skip("this machine has no AF_VSOCK sockets")
    abort(sock)
    abort(sock)
    assert sock.fileno() == -1


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX, *([] if AF_VSOCK is None else [AF_VSOCK])])
def test_every_kind_of_socket_can_be_prepared(family: int) -> None:
    """A TCP option on another kind of socket is an error."""
    try:
        sock = new_socket(family)
    except TransportUnavailableError:
        pytest.skip("this machine has no AF_VSOCK sockets")
    with prepare(sock):
        assert sock.gettimeout() == 0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ECONNRESET, "x"), f"doing: {os.strerror(errno.ECONNRESET)}"),
        (OSError("no number"), "doing: no number"),
        (TimeoutError(), "doing: TimeoutError"),
    ],
)
def test_a_failure_of_the_system_says_what_and_why(error: OSError, text: str) -> None:
    """`[Errno None]` helps nobody."""
    assert str(SocketFailedError("doing", error)) == text
