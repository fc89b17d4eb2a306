import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from issuer.vsock import (
    ANY,
    Address,
    ListenFailedError,
    TcpAddress,
    TransportUnavailableError,
    UnixAddress,
    VsockAddress,
    bound_address,
    exchange_async,
    listen,
    open_vsock_listener,
)


def has_vsock() -> bool:
    """Whether this machine has the kind of socket; a round trip needs more, and is not tried here."""
    try:
        open_vsock_listener(ANY).close()
    except (TransportUnavailableError, ListenFailedError):
        return False
    return True


needs_vsock = pytest.mark.skipif(not has_vsock(), reason="this machine has no AF_VSOCK sockets")


def test_it_listens_and_says_where(address: Address) -> None:
    """Nobody would find a port that the kernel chose."""
    with listen(address) as listener:
        where = bound_address(listener)
        assert type(where) is type(address)
        assert listener.gettimeout() == 0
        if isinstance(where, TcpAddress):
            assert where.port != 0


def test_a_taken_address_is_a_typed_error(address: Address) -> None:
    """A second forwarder would take over the first one's socket, or fail with an OSError from below."""
    with listen(address) as first:
        where = bound_address(first)
        with pytest.raises(ListenFailedError) as caught:
            listen(where)
        assert caught.value.errno == errno.EADDRINUSE
        assert str(where) in str(caught.value)


def test_the_socket_file_of_a_killed_process_is_replaced(unix_address: UnixAddress) -> None:
    """After a crash the service would not start again."""
    listen(unix_address).close()
    assert Path(unix_address.path).exists()
    listen(unix_address).close()


def test_another_file_is_left_alone(unix_address: UnixAddress) -> None:
    """A mistyped path would delete somebody's data."""
    Path(unix_address.path).write_text("precious")
    with pytest.raises(ListenFailedError):
        listen(unix_address)
    assert Path(unix_address.path).read_text() == "precious"


def test_a_port_can_be_listened_on_again_at_once() -> None:
    """Every restart would wait a minute for the kernel."""
    with listen(TcpAddress(host="127.0.0.1", port=0)) as first:
        where = bound_address(first)
        with socket.create_connection(first.getsockname()) as client, first:
            accepted, _ = first.accept()
            accepted.close()
            client.recv(1)
    listen(where).close()


def test_an_event_loop_serves_on_such_a_socket(unix_address: UnixAddress) -> None:
    """The verifier's service listens so."""

    async def run() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(9))
            writer.close()

        async with await asyncio.start_server(answer, sock=listen(unix_address)):
            return await exchange_async(unix_address, b"hello")

    assert asyncio.run(run()) == b"hello"


@needs_vsock
def test_a_vsock_port_is_listened_on_and_given_back() -> None:
    """What runs over Unix sockets elsewhere must at least open, be named and be closed over a vsock."""
    process = psutil.Process()
    before = process.num_fds()
    with open_vsock_listener(ANY) as listener:
        where = bound_address(listener)
        assert isinstance(where, VsockAddress)
        assert (where.cid, listener.gettimeout()) == (ANY, 0)
        assert where.port != ANY
        with pytest.raises(ListenFailedError) as caught:
            open_vsock_listener(where.port)
        assert caught.value.errno == errno.EADDRINUSE
    listen(where).close()
    assert process.num_fds() == before


@needs_vsock
def test_a_cid_that_is_not_ours_cannot_be_listened_on() -> None:
    """The error says what is wrong, in our words."""
    with pytest.raises(ListenFailedError, match="listening on vsock:2147483647:any"):
        open_vsock_listener(ANY, cid=0x7FFF_FFFF)


@needs_vsock
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_both_event_loops_take_a_vsock_listener(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """What aiohttp's SockSite wraps can listen so, although SockSite itself cannot."""

    async def run() -> bool:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, sock=open_vsock_listener(ANY))
        async with server:
            return server.is_serving()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(run())
