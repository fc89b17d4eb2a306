"""The command nitro-issuer, on the software NSM where it needs one that answers."""

import base64
import dataclasses
import hashlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import click
import pytest
from click.testing import CliRunner

from issuer import cli
from issuer.commands import backends
from issuer.nsm import InternalError, NsmTimeoutError, SoftwareNsm
from issuer.nsm.codec import encode_reply
from issuer.nsm.software_backend import wall_clock
from verifier import Affirmed, Policy, Verifier, load_anchor
from verifier.policy.model import Build, NonceMode

SOFTWARE = ("--backend", "software")
NSM_COMMANDS = (
    ("attest",),
    ("describe",),
    ("pcr",),
    ("extend", "16", "--text", "x", "--yes"),
    ("lock", "16", "--yes"),
    ("random",),
)

PRINTS_WITHOUT_FLUSHING = """
import click
from issuer import cli
cli.commands.add_command(click.Command("print", callback=lambda: print("x") or 0))
cli.main(["print"])
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was printed
        """The one JSON object on stdout."""
        return json.loads(self.stdout)


Invoke = Callable[..., Outcome]


@pytest.fixture
def invoke() -> Invoke:
    """Run the command with these arguments; what it reads from stdin, and its environment, are given by name."""

    def call(*args: str | Path, stdin: bytes = b"", **env: str) -> Outcome:
        with CliRunner().isolation(input=stdin, env={"COLUMNS": "100", **env}) as (out, err, _):
            code = cli.run([os.fspath(arg) for arg in args])
            sys.stdout.flush()
            sys.stderr.flush()
            return Outcome(code=code, stdout=out.getvalue(), stderr=err.getvalue().decode())

    return call


@pytest.fixture
def failing() -> Iterator[None]:
    """Commands that go wrong in ways the others should not."""

    @click.command()
    @click.argument("kind")
    def fail(kind: str) -> None:
        raise {
            "bug": ZeroDivisionError("secret"),
            "stop": KeyboardInterrupt(),
            "pipe": BrokenPipeError(),
            "timeout": NsmTimeoutError("\x1b[2J"),
            "refusal": InternalError("no"),
        }[kind]

    @click.command()
    def silent() -> None:
        """End without an exit code."""

    cli.commands.add_command(fail)
    cli.commands.add_command(silent)
    yield
    del cli.commands.commands["fail"], cli.commands.commands["silent"]


def payload(document: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = cbor2.loads(cbor2.loads(document)[2])
    return fields


@pytest.mark.parametrize("command", [(), *((name,) for name in cli.commands.commands)])
def test_every_help_text_says_what_the_exit_codes_mean(invoke: Invoke, command: tuple[str, ...]) -> None:
    """Scripts would be written by trial and error."""
    outcome = invoke(*command, "--help")
    assert outcome.code == 0
    assert b"Exit codes: 0 " in outcome.stdout


@pytest.mark.parametrize("command", NSM_COMMANDS, ids=lambda command: command[0])
def test_without_a_device_a_command_says_so_and_asks_nothing_else(invoke: Invoke, command: tuple[str, ...]) -> None:
    """A script would take a make-believe document for a real one."""
    if Path("/dev/nsm").exists():
        pytest.fail("this machine has an NSM, which this test would change")
    outcome = invoke(*command)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert "NsmUnavailableError: opening /dev/nsm" in outcome.stderr
    assert "--backend software" in outcome.stderr


@pytest.mark.parametrize("command", NSM_COMMANDS, ids=lambda command: command[0])
def test_the_software_nsm_announces_itself_loudly(invoke: Invoke, command: tuple[str, ...]) -> None:
    """Nobody would notice that the documents prove nothing."""
    outcome = invoke(*command, *SOFTWARE)
    assert outcome.code == 0
    assert outcome.stderr.startswith("*** SOFTWARE NSM ***")
    assert "proves nothing" in outcome.stderr


def test_a_recording_is_played_back_and_asked_nothing_else(invoke: Invoke, tmp_path: Path) -> None:
    """A test bench without an enclave would go on with make-believe answers."""
    request, reply = "6b44657363726962654e534d", encode_reply(SoftwareNsm(clock=wall_clock).describe()).hex()
    exchange = {"name": "one", "req": request, "req_len": 12, "resp": reply, "cap": 12288}
    (tmp_path / "recording").write_text(json.dumps({"exchanges": [exchange]}))
    recorded = ("--backend", "recorded", "--recording", tmp_path / "recording")
    outcome = invoke("describe", *recorded, "--json")
    assert (outcome.code, outcome.json["backend"]) == (0, "recorded")
    assert outcome.stderr.startswith("*** RECORDED NSM ***")
    outcome = invoke("random", *recorded)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert "NotRecordedError: no exchange asks 6947657452616e646f6d" in outcome.stderr


def test_attest_writes_the_document_with_what_was_asked_for(invoke: Invoke, tmp_path: Path) -> None:
    """The one thing that most people run this for."""
    (tmp_path / "key").write_bytes(b"\x00key")
    document = invoke(
        "attest", *SOFTWARE, "--nonce", "00ff", "--user-data", "hé", "--public-key-file", tmp_path / "key"
    ).stdout
    fields = payload(document)
    assert (fields["nonce"], fields["user_data"], fields["public_key"]) == (b"\x00\xff", "hé".encode(), b"\x00key")


def test_attest_keeps_absent_and_empty_apart(invoke: Invoke) -> None:
    """An empty shell variable is not a nonce that was left out."""
    fields = payload(invoke("attest", *SOFTWARE, "--nonce", "", "--user-data-file", "-").stdout)
    assert (fields["nonce"], fields["user_data"], fields["public_key"]) == (b"", b"", None)


@pytest.mark.parametrize(
    ("text", "nonce"),
    [
        ("00FF", b"\x00\xff"),
        ("-_8", b"\xfb\xff"),
        ("+/8=", b"\xfb\xff"),
        ("+/8", b"\xfb\xff"),
        (base64.b64encode(bytes(32)).decode(), bytes(32)),
    ],
)
def test_a_nonce_is_read_as_the_verifier_reads_it(invoke: Invoke, text: str, nonce: bytes) -> None:
    """The document would carry another nonce than the verifier issued."""
    assert payload(invoke("attest", *SOFTWARE, f"--nonce={text}").stdout)["nonce"] == nonce


@pytest.mark.parametrize("text", ["0", "héx", "+_8", "+/9", "+/8==", "A", "a b", "="])
def test_what_is_no_nonce_is_refused(invoke: Invoke, text: str) -> None:
    """A typing error would be signed."""
    outcome = invoke("attest", *SOFTWARE, f"--nonce={text}")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert "neither hex nor base64" in outcome.stderr


def test_attest_can_print_json_or_write_a_file(invoke: Invoke, tmp_path: Path) -> None:
    """Scripts without a way to handle bytes would be stuck."""
    body = invoke("attest", *SOFTWARE, "--json").json
    assert body["backend"] == "software"
    assert "=" not in body["document"]
    assert payload(base64.urlsafe_b64decode(body["document"] + "=="))["digest"] == "SHA384"
    outcome = invoke("attest", *SOFTWARE, "--output", tmp_path / "doc")
    assert outcome.stdout == b""
    assert payload((tmp_path / "doc").read_bytes())["digest"] == "SHA384"
    assert "bytes written to" in outcome.stderr


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("attest", "--json", "--output", "x"), "--json and --output exclude each other"),
        (("attest", "--user-data", "x", "--user-data-file", "-"), "--user-data and --user-data-file exclude"),
        (("attest", "--user-data-file", "-", "--public-key-file", "-"), "stdin can be read once"),
        (("attest", "--user-data-file", "/no/such/file"), "No such file or directory"),
        (("attest", "--user-data-file", "/dev/zero"), "larger than 4096 bytes"),
        (("attest", "--output", "/no/such/folder/doc"), "No such file or directory"),
        (("extend", "16"), "say with what"),
        (("extend", "16", "--text", "x", "--hex", "00"), "--text and --hex exclude"),
        (("extend", "16", "--hex", "0"), "not hex"),
        (("extend", "16", "--file", "-"), "say --yes"),
        (("extend", "-1", "--text", "x"), "No such option"),
        (("lock",), "either INDEX or --below"),
        (("lock", "16", "--below", "20"), "either INDEX or --below"),
        (("random", "0"), "0 is not in the range"),
        (("describe", "--backend", "auto"), "'auto' is not one of"),
        (("describe", "--software-folder", "/dev/null/x"), "Not a directory"),
    ],
)
def test_wrong_usage_exits_2_with_a_sentence(invoke: Invoke, args: tuple[str, ...], why: str) -> None:
    """A script could not tell a typing error from a refusal."""
    outcome = invoke(*args, *(() if "--backend" in args else SOFTWARE))
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert why in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_software_nsms_options_need_the_software_nsm(invoke: Invoke, tmp_path: Path) -> None:
    """Somebody who forgot --backend would be told about /dev/nsm."""
    for option in (("--software-folder", tmp_path), ("--software-build", "x")):
        outcome = invoke("describe", *option)
        assert outcome.code == 2
        assert "need --backend software" in outcome.stderr


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("lock", "0", "--yes"), "ReadOnlyIndexError"),
        (("lock", "--below", "33", "--yes"), "InvalidIndexError"),
        (("extend", "0", "--text", "x", "--yes"), "ReadOnlyIndexError"),
        (("pcr", "32"), "InvalidIndexError"),
        (("attest", "--strict", "--nonce", "00" * 513), "InputTooLargeError"),
    ],
)
def test_a_refusal_exits_1_with_its_name(invoke: Invoke, args: tuple[str, ...], error: str) -> None:
    """A script could not tell a refusal from success."""
    outcome = invoke(*args, *SOFTWARE)
    assert (outcome.code, outcome.stdout) == (1, b"")
    assert f"nitro-issuer: {error}: " in outcome.stderr


def test_describe_shows_what_the_nsm_is(invoke: Invoke) -> None:
    """Operators look here first."""
    assert b"PCRs       32, locked 0-15\n" in invoke("describe", *SOFTWARE).stdout
    body = invoke("describe", *SOFTWARE, "--json").json
    assert (body["backend"], body["max_pcrs"], body["digest"]) == ("software", 32, "SHA384")
    assert body["locked_pcrs"] == list(range(16))


def test_pcr_shows_those_asked_for_or_all(invoke: Invoke) -> None:
    """The values are what policies are written of."""
    shown = invoke("pcr", "16", "3", *SOFTWARE).stdout.decode().splitlines()
    assert shown[0] == f"PCR16  unlocked  {'00' * 48}"
    assert shown[1].startswith("PCR3   locked    ")
    body = invoke("pcr", *SOFTWARE, "--json").json
    assert list(body["pcrs"]) == [str(index) for index in range(32)]
    assert body["pcrs"]["31"] == {"lock": False, "data": "00" * 48}


@pytest.mark.parametrize("source", [("--text", "data"), ("--hex", "64617461"), ("--file", "-")])
def test_extend_shows_the_new_value_and_says_that_no_document_will(invoke: Invoke, source: tuple[str, str]) -> None:
    """Somebody would extend, attest and wonder."""
    value = hashlib.sha384(bytes(48) + b"data").hexdigest()
    outcome = invoke("extend", "16", *source, "--yes", *SOFTWARE, stdin=b"data")
    assert outcome.stdout.decode() == f"PCR16  unlocked  {value}\n"
    assert "no document carries PCR16" in outcome.stderr
    outcome = invoke("extend", "16", *source, "--yes", "--lock", "--json", *SOFTWARE, stdin=b"data")
    assert outcome.json == {"backend": "software", "index": 16, "lock": True, "data": value}
    assert "no document" not in outcome.stderr


def test_extending_by_nothing_has_to_be_said(invoke: Invoke) -> None:
    """It changes the value all the same."""
    value = hashlib.sha384(bytes(48)).hexdigest()
    assert value in invoke("extend", "17", "--hex", "", "--yes", *SOFTWARE).stdout.decode()


def test_lock_shows_what_is_locked_now(invoke: Invoke) -> None:
    """It can not be undone, so it should at least be seen."""
    assert invoke("lock", "17", "--yes", *SOFTWARE).stdout == b"locked  0-15, 17\n"
    assert invoke("lock", "--below", "32", "--yes", "--json", *SOFTWARE).json["locked_pcrs"] == list(range(32))


@pytest.mark.parametrize("command", [("lock", "16"), ("lock", "--below", "20"), ("extend", "16", "--text", "x")])
def test_what_can_not_be_undone_is_asked_about(invoke: Invoke, command: tuple[str, ...]) -> None:
    """One line in a shell's history would end an enclave's use."""
    for answer, code in ((b"", 2), (b"n\n", 2), (b"yeah\n", 2), (b"y\n", 0), (b"YES\n", 0)):
        outcome = invoke(*command, *SOFTWARE, stdin=answer)
        assert outcome.code == code, answer
        assert "There is no way back" in outcome.stderr
        assert (outcome.stdout == b"") == ("nothing was done" in outcome.stderr) == (code == 2)


def test_random_gives_as_much_as_was_asked_for(invoke: Invoke) -> None:
    """A key would be shorter than its algorithm wants."""
    assert len(invoke("random", *SOFTWARE).stdout) == 65
    assert len(invoke("random", "300", "--raw", *SOFTWARE).stdout) == 300
    body = invoke("random", "5", "--json", *SOFTWARE).json
    assert (body["backend"], len(bytes.fromhex(body["random"]))) == ("software", 5)


def test_a_kept_seed_gives_documents_that_the_verifier_affirms_under_the_kept_root(
    invoke: Invoke, tmp_path: Path
) -> None:
    """The walk from a laptop to a verdict would end here."""
    chosen = (*SOFTWARE, "--software-folder", tmp_path / "enclave", "--software-build", "hello")
    pcrs = invoke("pcr", "0", "1", "2", *chosen, "--json").json["pcrs"]
    document = invoke("attest", "--nonce", "00" * 32, *chosen).stdout
    root = (tmp_path / "enclave" / "root.pem").read_bytes()
    assert (tmp_path / "enclave" / "throwaway.seed").stat().st_mode & 0o777 == 0o600
    build = Build(name="hello", pcrs={int(index): bytes.fromhex(pcr["data"]) for index, pcr in pcrs.items()})
    policy = Policy(name="hello", builds=(build,), nonce=NonceMode.CALLER)
    fingerprint = invoke("describe", *chosen).stderr.split("sha256 ")[1].strip()
    verifier = Verifier(anchors=(load_anchor(root, name="throwaway", sha256=fingerprint),))
    result = verifier.appraise(document, policy=policy, nonce=bytes(32), at=datetime.now(UTC))
    assert isinstance(result, Affirmed), result


def test_without_a_folder_every_run_has_a_root_of_its_own(invoke: Invoke) -> None:
    """A default key would be a key that everybody has."""
    assert invoke("describe", *SOFTWARE).stderr != invoke("describe", *SOFTWARE).stderr


@pytest.mark.parametrize(("kind", "code"), [("bug", 3), ("stop", 130), ("pipe", 141), ("timeout", 1), ("refusal", 1)])
def test_other_failures_have_codes_of_their_own(invoke: Invoke, failing: None, kind: str, code: int) -> None:
    """A bug could pass for a refusal."""
    outcome = invoke("fail", kind)
    assert outcome.code == code
    assert "Traceback" not in outcome.stderr
    assert "\x1b" not in outcome.stderr


def test_a_bug_says_that_it_is_one_and_shows_where_only_when_asked(invoke: Invoke, failing: None) -> None:
    """Users would be shown a traceback, or those who look for the bug would not."""
    outcome = invoke("fail", "bug")
    assert "this is a bug (ZeroDivisionError)" in outcome.stderr
    assert "secret" not in outcome.stderr
    assert "Traceback" in invoke("fail", "bug", NITRO_ISSUER_DEBUG="1").stderr


def test_a_command_that_ends_without_a_code_is_a_bug_and_not_a_success(invoke: Invoke, failing: None) -> None:
    """Silence would pass for done."""
    assert invoke("silent").code == 3


def test_the_version_is_the_distributions(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug report could not say what it is about; a checkout that is not installed says that it is none."""
    assert invoke("--version").stdout.startswith(b"nitro-issuer 0.")
    monkeypatch.setattr(cli, "DISTRIBUTION", "no-such-distribution")
    assert b"(not installed)" in invoke("--version").stdout


def test_bytes_are_not_written_to_a_terminal() -> None:
    """A document would clear the screen and type commands."""
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "issuer.cli", "attest", *SOFTWARE]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(theirs)
    os.close(mine)
    assert done.returncode == 2
    assert b"send it to a file" in done.stderr


def test_a_reader_of_notes_that_goes_away_is_no_failure_of_pythons() -> None:
    """`2>&1 | head` would end in exit code 120, which no page names, when it is a note that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "issuer.cli", "random", "65536", *SOFTWARE]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=writing, check=False, timeout=60, env=buffered)
    os.close(writing)
    assert done.returncode == 141


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "issuer.cli", "random", "65536", *SOFTWARE),
        ("-m", "issuer.cli", "--version"),
        ("-c", PRINTS_WITHOUT_FLUSHING),
    ],
    ids=["bytes", "version", "buffered"],
)
def test_a_reader_that_goes_away_is_no_refusal_and_no_traceback(arguments: tuple[str, ...]) -> None:
    """`| head -c 1` would end in a traceback, or in exit code 0."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 141
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors


def test_output_may_be_any_text_file() -> None:
    """In a notebook stdout is no stream of the system's."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()):
        assert cli.run(["random", *SOFTWARE]) == 0
    assert len(out.getvalue()) == 65


def test_every_module_that_is_a_command_is_one(invoke: Invoke) -> None:
    """A colleague's command would be there and not be found."""
    names = {"attest", "describe", "pcr", "extend", "lock", "random"}
    assert names <= set(cli.commands.commands)
    assert {"display", "inputs", "exits", "backends"}.isdisjoint(cli.commands.commands)
    assert backends.SEED_FILE == "throwaway.seed"  # nitro_demo's folders are the same
