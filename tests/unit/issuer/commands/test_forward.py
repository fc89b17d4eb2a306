import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from issuer.commands.forward import forward
from issuer.vsock import (
    Address,
    ConnectFailedError,
    TcpAddress,
    UnixAddress,
    bound_address,
    connect,
    listen,
    parse_address,
)

COMMAND = [sys.executable, "-c", "from issuer.commands.forward import forward; forward()"]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own; ended at the latest when the test is."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ready_line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    return process.stdout.readline().split()


@pytest.fixture
def allow_list(tmp_path: Path) -> Path:
    """A list that permits one port of this machine, which nobody listens on."""
    path = tmp_path / "allow.yaml"
    path.write_text("allowlist:\n- {address: 127.0.0.1, port: 1}\n")
    return path


def answer_once(listener: socket.socket) -> None:
    listener.settimeout(None)
    connection, _ = listener.accept()
    with connection:
        connection.sendall(connection.recv(100)[::-1])


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_forwards_until_it_is_told_to_stop(stop: signal.Signals, tmp_path: Path) -> None:
    """This is all that it is for; a service manager stops it with SIGTERM and wants exit code 0."""
    with listen(TcpAddress(host="127.0.0.1", port=0)) as listener:
        behind = bound_address(listener)
        assert isinstance(behind, TcpAddress)
        path = tmp_path / "allow.yaml"
        path.write_text(f"allowlist:\n- {{address: 127.0.0.1, port: {behind.port}}}\n")
        answering = threading.Thread(target=answer_once, args=(listener,))
        answering.start()
        with running("tcp:127.0.0.1:0", str(behind), "--allow-list", str(path)) as process:
            _, where, _, to, pinned = ready_line(process)
            assert (to, pinned) == (str(behind), "(127.0.0.1)")
            with connect(parse_address(where)) as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"olleh"
            process.send_signal(stop)
            _, errors = process.communicate(timeout=20)
        answering.join()
    assert (process.returncode, errors) == (0, "")


def test_what_does_not_end_well_is_told_in_one_line(allow_list: Path) -> None:
    """An operator would see connections break and not why."""
    with running("tcp:127.0.0.1:0", "tcp:127.0.0.1:1", "--allow-list", str(allow_list)) as process:
        with pytest.raises((ConnectionResetError, ConnectFailedError)):  # it may be broken before we know it is there
            connect_and_wait(parse_address(ready_line(process)[1]))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert errors == "tcp:127.0.0.1: unreachable (connecting: Connection refused), 0 bytes sent, 0 received\n"


def connect_and_wait(address: Address) -> None:
    with connect(address) as client:
        client.recv(1)


def test_a_connection_that_is_stopped_is_told_without_a_reason() -> None:
    """There is none but the stop."""
    with tempfile.TemporaryDirectory() as folder:
        behind = UnixAddress(path=f"{folder}/s")
        with listen(behind), running("tcp:127.0.0.1:0", str(behind), "--drain-seconds", "0") as process:
            with connect(parse_address(ready_line(process)[1])) as client:
                client.sendall(b"x")
                with pytest.raises(ConnectionResetError):
                    wait_then_stop(process, client)
            _, errors = process.communicate(timeout=20)
    assert errors == "tcp:127.0.0.1: stopped, 1 bytes sent, 0 received\n"


def wait_then_stop(process: subprocess.Popen[str], client: socket.socket) -> None:
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(20)
    process.send_signal(signal.SIGTERM)
    client.recv(1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["5000", "vsock:3:1"], "LISTEN: an address is vsock:CID:PORT"),
        (["vsock:any:1", "kms:443"], "TARGET: an address is vsock:CID:PORT"),
        (["tcp:127.0.0.1:0", "tcp:127.0.0.1:2"], "does not permit tcp:127.0.0.1:2"),
        (["tcp:127.0.0.1:0", "tcp:127.0.0.1:1", "--allow-list", "/nonexistent"], "without an allow-list nothing"),
        (["tcp:127.0.0.1:0", "vsock:3:1", "--max-connections", "0"], "--max-connections"),
        (["tcp:127.0.0.1:0", "vsock:3:1", "--idle-timeout", "0"], "--idle-timeout"),
        (["tcp:127.0.0.1:0", "vsock:3:1", "--idle-timeout", "nan"], "--idle-timeout"),
        (["tcp:192.0.2.1:0", "unix:/x"], "listening on tcp:192.0.2.1:0"),
        (["tcp:127.0.0.1:0"], "Missing argument 'TARGET'"),
    ],
)
def test_a_mistake_is_told_and_exits_2(arguments: list[str], problem: str, allow_list: Path) -> None:
    """A forwarder that cannot do what it was told must not start doing something else."""
    defaults = [] if "--allow-list" in arguments else ["--allow-list", str(allow_list)]
    result = CliRunner().invoke(forward, [*arguments, *defaults])
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in " ".join(result.stderr.split())


def test_a_missing_yaml_reader_names_the_extra(monkeypatch: pytest.MonkeyPatch, allow_list: Path) -> None:
    """A traceback about `yaml` helps nobody."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "issuer.vsock.allowlist", raising=False)
    result = CliRunner().invoke(forward, ["tcp:127.0.0.1:0", "tcp:127.0.0.1:1", "--allow-list", str(allow_list)])
    assert result.exit_code == 2
    assert 'pip install "nitro-verifier[enclave]"' in result.stderr


def test_the_parents_cid_comes_from_an_option_or_the_environment() -> None:
    """An enclave image that is tried under QEMU would need another command line."""
    help_text = CliRunner().invoke(forward, ["--help"]).stdout
    assert "NITRO_ISSUER_PARENT_CID" in help_text
    result = CliRunner().invoke(forward, ["tcp:127.0.0.1:0", "vsock:parent:1"], env={"NITRO_ISSUER_PARENT_CID": "x"})
    assert result.exit_code == 2
