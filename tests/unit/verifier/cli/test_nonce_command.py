"""Nonces, of one's own and as a service issues them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.verifier.cli.world import Invoke
from verifier import Keyring, NonceKey, NonceService
from verifier.service.notation import read_bytes

SECRET = bytes(range(32))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "nonce.key"
    path.write_text(SECRET.hex() + "\n")
    path.chmod(0o600)
    return path


def service(key_id: int = 1, audience: str = "nitro-verifier") -> NonceService:
    return NonceService(Keyring(current=NonceKey(id=key_id, secret=SECRET)), audience=audience)


def test_a_nonce_of_one_s_own_is_32_bytes_and_never_the_same(invoke: Invoke) -> None:
    """Two challenges could be answered by one document."""
    first, second = (invoke("nonce").stdout.decode().strip() for _ in range(2))
    assert first != second
    assert len(read_bytes(first)) == 32


@pytest.mark.parametrize(("option", "length"), [("--hex", 65), ("--raw", 32)])
def test_other_forms_are_for_other_readers(invoke: Invoke, option: str, length: int) -> None:
    """A pipe that wants bytes would get text."""
    assert len(invoke("nonce", option).stdout) == length


def test_with_a_key_file_a_service_takes_the_nonce_for_its_own(invoke: Invoke, key_file: Path) -> None:
    """A nonce issued by hand would be refused."""
    body = json.loads(invoke("nonce", "--key-file", key_file, "--policy", "payments", "--ttl", "90s", "--json").stdout)
    issued = service().read(read_bytes(body["nonce"]), policy="payments")
    assert issued.ttl == 90
    assert body["issued_at"] < body["expires_at"]


def test_key_id_and_audience_are_the_service_s(invoke: Invoke, key_file: Path) -> None:
    """A rotated key's nonces would be refused."""
    outcome = invoke("nonce", "--key-file", f"{key_file}#id=7", "--audience", "eu")
    assert service(7, "eu").read(read_bytes(outcome.stdout.decode().strip()), policy="any").key_id == 7


def test_a_key_that_others_can_read_is_pointed_out(invoke: Invoke, key_file: Path) -> None:
    """A secret would lie open unnoticed."""
    key_file.chmod(0o644)
    outcome = invoke("nonce", "--key-file", key_file)
    assert outcome.code == 0
    assert "readable for more than its owner" in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key-file", "/nonexistent/key"],
        ["--key-file", "{key}#id=256"],
        ["--key-file", "{key}#id=one"],
        ["--key-file", "#id=1"],
        ["--key-file", "{key}", "--ttl", "1500ms"],
        ["--key-file", "{key}", "--ttl", "2h"],
        ["--key-file", "{key}", "--ttl", "2"],
        ["--key-file", "{short}"],
    ],
)
def test_keys_and_lives_that_cannot_be_are_usage_errors(invoke: Invoke, key_file: Path, arguments: list[str]) -> None:
    """A nonce nobody accepts would be printed."""
    short = key_file.with_name("short.key")
    short.write_text("00")
    outcome = invoke("nonce", *(argument.format(key=key_file, short=short) for argument in arguments))
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert outcome.stderr.strip()


@pytest.mark.parametrize("given", [("--policy", "payments"), ("--audience", "nitro-verifier"), ("--ttl", "2m")])
def test_what_a_nonce_of_one_s_own_cannot_be_bound_to_is_refused(invoke: Invoke, given: tuple[str, str]) -> None:
    """Whoever asks for a nonce for one policy would get one that is bound to nothing."""
    outcome = invoke("nonce", *given)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert f"{given[0]} goes with --key-file" in outcome.stderr


def test_bytes_are_not_written_to_a_terminal() -> None:
    """A terminal would interpret them."""
    code, shown = run_in_terminal("nonce", "--raw")
    assert code == 2
    assert b"send them to a file or a pipe" in shown


def run_in_terminal(*arguments: str) -> tuple[int, bytes]:
    """Run the command with a terminal for stdout and stderr."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "verifier.cli", *arguments], stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 4096):
            shown += chunk
    except OSError:
        pass  # the other end is closed
    os.close(leader)
    return process.wait(), shown
