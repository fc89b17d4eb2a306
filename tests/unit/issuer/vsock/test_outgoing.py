import asyncio
import errno
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from issuer.vsock import (
    LOCAL_CID,
    Address,
    ConnectFailedError,
    ResolutionError,
    TcpAddress,
    TransportUnavailableError,
    UnixAddress,
    VsockAddress,
    VsockError,
    bound_address,
    connect,
    connect_async,
    listen,
)
from issuer.vsock.outgoing import SO_VM_SOCKETS_CONNECT_TIMEOUT, _set_connect_timeout, connect_endpoints
from issuer.vsock.transport import AF_VSOCK, Endpoint, new_socket

LOOPBACK = TcpAddress(host="127.0.0.1", port=0)
Connect = Callable[[Address, float], None]


def blocking(address: Address, seconds: float) -> None:
    with connect(address, timeout=seconds) as sock:
        sock.getpeername()


def in_loop(address: Address, seconds: float) -> None:
    async def run() -> None:
        with await connect_async(address, timeout=seconds) as sock:
            sock.getpeername()
            assert sock.gettimeout() == 0

    asyncio.run(run())


both = pytest.mark.parametrize("reach", [blocking, in_loop])


@both
def test_it_connects(address: Address, reach: Connect) -> None:
    """This is all that it is for."""
    with listen(address) as listener:
        reach(bound_address(listener), 5)


@both
def test_a_host_name_is_looked_up(reach: Connect) -> None:
    """Clients name a service, not a number."""
    with listen(LOOPBACK) as listener:
        reach(TcpAddress(host="localhost", port=listener.getsockname()[1]), 5)


@both
def test_nobody_there_is_a_typed_error(address: Address, reach: Connect) -> None:
    """The caller decides by it whether to try again."""
    with listen(address) as listener:
        where = bound_address(listener)
    with pytest.raises(ConnectFailedError) as caught:
        reach(where, 5)
    assert caught.value.errno == errno.ECONNREFUSED
    assert not caught.value.timed_out


@both
def test_a_name_that_leads_nowhere_is_another(reach: Connect) -> None:
    """It is a mistake of configuration, or an outage of the name service."""
    with pytest.raises(ResolutionError):
        reach(TcpAddress(host="nowhere.invalid", port=1), 5)


@both
def test_a_busy_listener_is_waited_for_until_the_time_is_over(unix_address: UnixAddress, reach: Connect) -> None:
    """Over Unix sockets the kernel says `try again` where TCP waits, and asyncio takes that for connected."""
    with listen(unix_address, backlog=0), connect(unix_address):
        began = time.monotonic()
        with pytest.raises(ConnectFailedError) as caught:
            reach(unix_address, 0.1)
        assert caught.value.timed_out
        assert time.monotonic() - began < 5


@both
def test_a_busy_listener_is_connected_to_when_it_has_room(unix_address: UnixAddress, reach: Connect) -> None:
    """A burst of connections would fail in part."""
    with listen(unix_address, backlog=0) as listener, connect(unix_address):

        def accept() -> None:
            time.sleep(0.1)
            listener.accept()[0].close()

        accepting = threading.Thread(target=accept)
        accepting.start()
        reach(unix_address, 10)
        accepting.join()


def test_a_dead_address_leaves_time_for_the_next() -> None:
    """A host with a broken IPv6 would never be reached."""

    async def run() -> None:
        with listen(LOOPBACK) as listener:
            alive = Endpoint(family=socket.AF_INET, address=listener.getsockname())
            dead = Endpoint(family=socket.AF_INET, address=("127.0.0.1", 1))
            with await connect_endpoints([dead, alive], timeout=5) as sock:
                assert sock.getpeername() == listener.getsockname()

    asyncio.run(run())


def test_a_silent_address_has_its_share_of_the_time_and_no_more(unix_address: UnixAddress) -> None:
    """The first of several would use it all up."""

    async def run() -> None:
        with listen(unix_address, backlog=0), connect(unix_address), listen(LOOPBACK) as listener:
            silent = Endpoint(family=socket.AF_UNIX, address=unix_address.path)
            alive = Endpoint(family=socket.AF_INET, address=listener.getsockname())
            with await connect_endpoints([silent, alive], timeout=0.4) as sock:
                assert sock.family == socket.AF_INET

    asyncio.run(run())


def test_no_address_at_all_is_nobody_there() -> None:
    """Nothing was tried, so nothing answered."""
    with pytest.raises(ConnectFailedError):
        asyncio.run(connect_endpoints([], timeout=1))


def test_a_slow_name_service_is_within_the_time() -> None:
    """A connection would take as long as the resolver likes."""
    with pytest.raises(ResolutionError, match="in time"):
        asyncio.run(connect_async(TcpAddress(host="localhost", port=1), timeout=0))


@both
def test_a_vsock_that_leads_nowhere_is_a_typed_error(reach: Connect) -> None:
    """Whatever this machine has or lacks, it is told in our words.

    The CID is this machine's own, and nothing listens there: a connection to the host or a neighbour is never tried.
    """
    with pytest.raises((ConnectFailedError, TransportUnavailableError)):
        reach(VsockAddress(cid=LOCAL_CID, port=1), 0.5)


@pytest.mark.skipif(AF_VSOCK is None, reason="Python has no AF_VSOCK on this system")
@pytest.mark.parametrize(("seconds", "timeval"), [(7.25, (7, 250_000)), (3.0, (3, 0)), (0.0, (0, 1))])
def test_the_kernel_waits_for_a_vsock_as_long_as_we_do(seconds: float, timeval: tuple[int, int]) -> None:
    """It gives up after two seconds unless told, and an enclave that is starting takes longer."""
    assert AF_VSOCK is not None
    try:
        sock = new_socket(AF_VSOCK)
    except VsockError:
        pytest.skip("this machine has no AF_VSOCK sockets")
    with sock:
        _set_connect_timeout(sock, seconds)
        view = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=sock.fileno())
        got = struct.unpack("ll", view.getsockopt(AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, 16))
        view.detach()
    assert got[0] == timeval[0]
    assert abs(got[1] - timeval[1]) <= 10_000  # the kernel counts in its own ticks


def test_too_many_open_files_are_a_failed_connection(unix_address: UnixAddress) -> None:
    """A forwarder that has used up its descriptors would call it a bug."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(ConnectFailedError) as caught:
            connect(unix_address)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
