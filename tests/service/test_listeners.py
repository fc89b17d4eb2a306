"""Where the service listens: TCP, a Unix socket, a vsock port, or several of them."""

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from issuer import Attester
from tests.service.harness import HOST, enclave, make_settings, port_of, read_raw, running
from verifier.reasons import ConfigurationError
from verifier.service.config import load_settings
from verifier.service.listeners import as_plain_stream, open_listeners
from verifier.service.server import listening
from verifier.service.settings import Addresses
from verifier.service.state import make_service

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def path() -> Iterator[Path]:
    """A path short enough for a socket, wherever pytest keeps its folders."""
    folder = Path(f"/tmp/nv-{os.getpid()}-{os.urandom(4).hex()}")  # noqa: S108 - a name that nobody can foresee
    folder.mkdir(mode=0o700)
    yield folder / "s"
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


def addresses(tmp_path: Path, **options: Any) -> Addresses:  # noqa: ANN401 - as options are
    """What these options say."""
    return make_settings(tmp_path, **options).addresses


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """A connection to a Unix socket."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(10)
        stream.connect(str(path))
        yield stream


def test_an_enclave_application_reaches_it_over_a_unix_socket(tmp_path: Path, path: Path) -> None:
    """What a vsock carries is carried by this here: the same bytes, end to end."""
    with running(make_settings(tmp_path, unix_socket=path)) as service:
        verdict = Attester(enclave(), f"unix:{path}", policy="payments").attest().require()
        with connected(path) as stream:
            stream.sendall(REQUEST)
            unix = read_raw(stream).status
        tcp = service.call("GET", "/livez").status

    assert verdict is not None
    assert (unix, tcp) == (200, 200)


def test_who_may_connect_is_what_the_configuration_says_and_it_is_gone_afterwards(tmp_path: Path, path: Path) -> None:
    """Everybody on the host could use up the service; or the next start would find the path taken."""
    with open_listeners(addresses(tmp_path, unix_socket=path, unix_socket_mode="0600")) as listeners:
        mode, names = stat.S_IMODE(path.stat().st_mode), [listener.address for listener in listeners]

    assert mode == 0o600
    assert names[1:] == [f"unix:{path}"]
    assert not path.exists()


def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path, path: Path) -> None:
    """After a power failure somebody would have to delete it by hand."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    with open_listeners(addresses(tmp_path, unix_socket=path)), connected(path):
        pass


def test_a_socket_in_use_is_not_taken_away(tmp_path: Path, path: Path) -> None:
    """A second start would cut the first off, and nobody would notice."""
    with open_listeners(addresses(tmp_path, unix_socket=path)), connected(path):
        with (
            pytest.raises(ConfigurationError, match="unix_socket: cannot listen"),
            open_listeners(addresses(tmp_path, unix_socket=path)),
        ):
            pass
        with connected(path):
            pass


def test_a_file_that_is_no_socket_is_not_taken_away(tmp_path: Path, path: Path) -> None:
    """A mistyped path would delete somebody's data."""
    path.write_text("data")

    with (
        pytest.raises(ConfigurationError, match="unix_socket: cannot listen"),
        open_listeners(addresses(tmp_path, unix_socket=path)),
    ):
        pass
    assert path.read_text() == "data"


def test_a_successors_socket_is_left_alone(tmp_path: Path, path: Path) -> None:
    """A slow end would take the address from the process that has it now."""
    with open_listeners(addresses(tmp_path, unix_socket=path)):
        path.unlink()
        path.write_text("somebody else's")

    assert path.exists()


def test_tcp_can_be_left_out(tmp_path: Path, path: Path) -> None:
    """Behind a proxy on the same host a port is one door too many."""
    with open_listeners(addresses(tmp_path, tcp=False, unix_socket=path)) as listeners:
        assert [listener.address for listener in listeners] == [f"unix:{path}"]


def test_to_listen_nowhere_is_a_mistake(tmp_path: Path) -> None:
    """It would start, and nobody could reach it."""
    with pytest.raises(ConfigurationError, match="tcp: without it"):
        make_settings(tmp_path, tcp=False)


@pytest.mark.parametrize("mode", ["rw", "0999", "10660", ""])
def test_a_mode_that_is_none_is_a_mistake(tmp_path: Path, mode: str) -> None:
    """It would be guessed at."""
    with pytest.raises(ConfigurationError, match="unix_socket_mode"):
        make_settings(tmp_path, unix_socket_mode=mode)


def test_a_socket_named_in_a_file_is_beside_the_file(tmp_path: Path) -> None:
    """As every other path in it is."""
    (tmp_path / "policies").mkdir()
    file = tmp_path / "service.toml"
    file.write_text('policies = "policies"\nunix_socket = "s"\n')

    with pytest.raises(ConfigurationError) as caught:
        load_settings(file=file)
    assert caught.value.problems[0].startswith("policies: ")
    file.write_text(f'policies = "{Path.cwd()}/policies"\nunix_socket = "s"\n')
    assert load_settings(file=file).addresses.unix_socket == tmp_path / "s"


def test_both_families_of_addresses_are_listened_at_when_a_name_has_both(tmp_path: Path) -> None:
    """Half of the clients would be refused."""
    with open_listeners(addresses(tmp_path, host="")) as listeners:
        families = {listener.socket.family for listener in listeners}
        names = [listener.address for listener in listeners]
        ports = [port_of(listener) for listener in listeners]

    assert families == {socket.AF_INET, socket.AF_INET6}
    assert all(name in (f"0.0.0.0:{port}", f"[::]:{port}") for name, port in zip(names, ports, strict=True))


def test_a_name_that_stands_for_nothing_is_a_mistake(tmp_path: Path) -> None:
    """An operator would get a traceback."""
    with (
        pytest.raises(ConfigurationError, match="host, port: cannot listen"),
        open_listeners(addresses(tmp_path, host="256.256.256.256")),
    ):
        pass


def test_a_vsock_port_is_listened_at_or_the_system_says_why_not(tmp_path: Path) -> None:
    """An enclave would find nobody there."""
    wanted = addresses(tmp_path, tcp=False, vsock_port=0xFFFF_0000 + os.getpid() % 0xFFFF)
    found: list[tuple[str, int | None]] = []
    try:
        with open_listeners(wanted) as listeners:
            found = [(listener.address, listener.socket.family) for listener in listeners]
    except ConfigurationError as error:  # a machine without vsocks
        found = [(str(error).partition(":")[0], None)]

    # As far as the event loop is concerned it is a plain stream.
    served = (f"vsock:4294967295:{wanted.vsock_port}", socket.AF_UNIX)
    assert found in ([served], [("vsock_port, vsock_cid", None)])


def test_a_vsock_address_that_is_not_ours_is_a_mistake(tmp_path: Path) -> None:
    """It would start, and no enclave could reach it."""
    with (
        pytest.raises(ConfigurationError, match=r"cannot listen on vsock:77777:5000: \w+"),
        open_listeners(addresses(tmp_path, vsock_port=5000, vsock_cid=77777)),
    ):
        pass


def test_uvloop_serves_a_stream_of_another_family_when_it_takes_it_for_a_plain_one(tmp_path: Path) -> None:
    """The way in which vsocks are served, tried with what can be connected to here."""

    async def serve() -> int:
        settings = make_settings(tmp_path, log_level="error")
        with closing(make_service(settings)) as service, open_listeners(settings.addresses) as [tcp]:
            plain = as_plain_stream(tcp.socket)
            async with listening(service, [_Listener(plain, tcp.address)]) as front:  # type: ignore[list-item]  # all it needs
                assert [site.name for site in front.runner.sites] == [tcp.address]
                reader, writer = await asyncio.open_connection(HOST, port_of(tcp))
                writer.write(REQUEST)
                status = int((await reader.readline()).split()[1])
                writer.close()
                await writer.wait_closed()
            plain.close()
            return status

    assert uvloop.run(serve()) == 200


class _Listener:
    def __init__(self, plain: socket.socket, address: str) -> None:
        self.socket, self.address = plain, address


def test_the_cap_on_connections_holds_across_all_listeners(tmp_path: Path, path: Path) -> None:
    """Whoever is turned away at one door would come in by the other."""
    with (
        running(make_settings(tmp_path, unix_socket=path, max_connections=2)) as service,
        service.connect() as first,
        connected(path) as second,
        connected(path) as third,
    ):
        third.sendall(REQUEST)
        assert read_raw(third).status == 200
        assert first.recv(1) == b""
        second.sendall(REQUEST)
        assert read_raw(second).status == 200


def test_deadlines_hold_for_every_listener(tmp_path: Path, path: Path) -> None:
    """A connection that does nothing would stay for ever."""
    with running(make_settings(tmp_path, unix_socket=path, header_timeout="200ms")), connected(path) as stream:
        stream.sendall(b"GET /")
        assert stream.recv(100) == b""
