"""`nitro-issuer serve-demo` as a process of its own, and `nitro-issuer ask` that talks to it."""

import base64
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from click.testing import CliRunner, Result

from issuer.commands.ask import ask
from issuer.commands.serve_demo import serve_demo
from issuer.nsm import Nsm, SoftwareBackend, build_pcrs
from issuer.vsock import UnixAddress, encode_message, exchange, listen
from verifier import Affirmed, Verifier, load_anchor, read_policy

SOFTWARE = ("--backend", "software")
COMMAND = [sys.executable, "-m", "issuer.cli", "serve-demo"]
NONCE = bytes(range(16))


@pytest.fixture
def here() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server, and the line that it says it is ready with."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().rstrip()
        finally:
            process.kill()


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(ask, arguments, standalone_mode=False)


def fields(document: bytes) -> dict[str, Any]:
    payload: dict[str, Any] = cbor2.loads(cbor2.loads(document)[2])
    return payload


@pytest.mark.parametrize("listen_on", ["unix", "tcp"])
def test_a_challenge_becomes_a_document_that_the_verifier_affirms(listen_on: str, here: Path) -> None:
    """This is the way from a laptop to a verdict."""
    where = f"unix:{here}/s" if listen_on == "unix" else "tcp:127.0.0.1:0"
    chosen = (*SOFTWARE, "--software-folder", f"{here}/enclave", "--software-build", "hello")
    with serving(where, *chosen) as (process, ready):
        words = ready.split()
        assert words[:3] + words[4:] == ["answering", "challenges", "on", "with", "the", "software", "NSM"]
        result = asked(words[3], "--nonce", NONCE.hex(), "--user-data", "hé", "-o", f"{here}/document")
        assert (result.return_value, result.stdout) == (0, "")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors.startswith("*** SOFTWARE NSM ***")
    assert len(errors.splitlines()) == 3
    document = (here / "document").read_bytes()
    assert fields(document)["user_data"] == "hé".encode()
    pcrs = "".join(f'{index} = "{value.hex()}"\n' for index, value in build_pcrs("hello").items())
    policy = read_policy(f'name = "p"\nnonce = "caller"\n[[build]]\nname = "b"\n[build.pcrs]\n{pcrs}')
    anchor = load_anchor(
        (here / "enclave" / "root.pem").read_bytes(), name="t", sha256=errors.split("sha256 ")[1].strip()
    )
    verdict = Verifier(anchors=(anchor,)).appraise(document, policy=policy, nonce=NONCE, at=datetime.now(UTC))
    assert isinstance(verdict, Affirmed), verdict


def test_a_recording_answers_what_was_recorded_and_nothing_else(here: Path) -> None:
    """A document of another time would be handed out for any nonce."""
    backend = SoftwareBackend()
    requests: list[dict[str, object]] = []

    class Recorder:
        def process(self, request: bytes) -> bytes:
            reply = backend.process(request)
            entry = {"name": "one", "req": request.hex(), "req_len": len(request), "resp": reply.hex(), "cap": 12288}
            requests.append(entry)
            return reply

        def close(self) -> None:
            """Hold nothing."""

    document = Nsm(Recorder()).attestation(nonce=NONCE)
    (here / "recording.json").write_text(json.dumps({"exchanges": requests}))
    with serving(f"unix:{here}/s", "--backend", "recorded", "--recording", f"{here}/recording.json") as (
        process,
        ready,
    ):
        assert ready.endswith("with the recorded NSM")
        given = json.loads(asked(f"unix:{here}/s", "--nonce", NONCE.hex(), "--json").stdout)
        assert given["document"] == base64.urlsafe_b64encode(document).rstrip(b"=").decode()
        refused = asked(f"unix:{here}/s", "--nonce", "00")
        assert (refused.return_value, refused.stderr) == (1, "no document: the enclave says no-document\n")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert errors.startswith("*** RECORDED NSM ***")
    assert "no document: NotRecordedError" in errors


def test_a_peer_that_sends_something_else_is_told_in_one_word_and_logged(here: Path) -> None:
    """One stray byte would end the server, or fill the log with the peer's words."""
    address = UnixAddress(path=f"{here}/s")
    with serving(str(address), *SOFTWARE, "--max-connections", "2") as (process, _):
        assert exchange(address, b'{"nonce": "\x1b[2J"}') == b'{"error":"malformed"}'
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(here / "s"))
            silent.sendall(b"\xff\xff\xff\xff")
            assert silent.recv(1) == b""
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors.splitlines()[3:] == [
        "INFO no challenge: not a JSON object of nonce and user_data",
        "INFO unix: MessageTooLargeError: a message of 4294967295 bytes, 32768 at most",
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("5000", *SOFTWARE), "LISTEN: an address is"),
        (("unix:/x",), "NsmUnavailableError"),
        (("unix:/nonexistent/x", *SOFTWARE), "listening on unix:/nonexistent/x: No such file"),
        (("unix:/x", "--backend", "recorded"), "--backend recorded and --recording need each other"),
        (("unix:/x", *SOFTWARE, "--recording", "/x"), "--backend recorded and --recording need each other"),
        (("unix:/x", "--backend", "recorded", "--recording", "/nonexistent"), "/nonexistent: No such file"),
        (("unix:/x", "--backend", "recorded", "--recording", __file__), "no recording of an NSM"),
        (("unix:/x", "--backend", "recorded", "--recording", "/x", "--software-build", "x"), "need --backend software"),
        ((*SOFTWARE,), "Missing argument 'LISTEN'"),
    ],
)
def test_a_server_that_cannot_do_what_it_was_told_does_nothing(arguments: tuple[str, ...], problem: str) -> None:
    """A software NSM would stand in for the device, or a device for a recording."""
    result = CliRunner().invoke(serve_demo, arguments)
    said = f"{' '.join(result.stderr.split())} {type(result.exception).__name__}"
    assert result.exit_code != 0
    assert problem in said


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("unix:/x",), "Missing option '--nonce'"),
        (("unix:/x", "--nonce", ""), "a nonce has 1 to 1024 bytes"),
        (("unix:/x", "--nonce", "00" * 1025), "a nonce has 1 to 1024 bytes"),
        (("unix:/x", "--nonce", "zz!"), "neither hex nor base64"),
        (("unix:/x", "--nonce", "00", "--user-data", "x" * 1025), "user data has 1024 bytes at most"),
        (("unix:/x", "--nonce", "00", "--user-data", "x", "--user-data-file", "-"), "exclude each other"),
        (("unix:/x", "--nonce", "00", "--json", "-o", "x"), "--json and --output exclude each other"),
        (("16:5000", "--nonce", "00"), "ADDRESS: an address is"),
        (("unix:/x", "--nonce", "00", "--timeout", "0"), "--timeout"),
    ],
)
def test_wrong_usage_of_ask_bothers_nobody(arguments: tuple[str, ...], problem: str) -> None:
    """A typing error would be signed."""
    result = CliRunner().invoke(ask, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "ConnectionEndedError"),
        (encode_message(b"hello"), "ChallengeError: the answer is not a JSON object"),
        (encode_message(b'{"document": "AA", "error": "malformed"}'), "ChallengeError: the answer holds either"),
        (encode_message(b'{"error": "user-data-refused"}'), "the enclave says user-data-refused"),
        (b"\x00\x10\x00\x00", "MessageTooLargeError"),
    ],
)
def test_ask_says_why_there_is_no_document(answer: bytes, problem: str, here: Path) -> None:
    """Whatever listens there would be taken for an enclave, or its silence for a bug of ours."""
    with listen(UnixAddress(path=f"{here}/s")) as listener:
        answering = threading.Thread(target=_answer_once, args=(listener, answer))
        answering.start()
        result = asked(f"unix:{here}/s", "--nonce", "00")
        answering.join()
    assert (result.return_value, result.stdout) == (1, "")
    assert problem in result.stderr


def test_ask_says_that_there_are_no_vsocks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop without them the enclave would seem to be down."""
    monkeypatch.setattr("issuer.vsock.transport.AF_VSOCK", None)
    result = CliRunner().invoke(ask, ["vsock:16:5000", "--nonce", "00"])
    assert result.exit_code == 2
    assert "Python has no vsocks on this system" in result.stderr


def _answer_once(listener: socket.socket, answer: bytes) -> None:
    listener.settimeout(20)
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(answer)
