"""Every way of failing has its exit code, and none of them a traceback."""

import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from tests.unit.verifier.cli.world import NONCE, Invoke, World
from verifier.cli import entry
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_SHA256

COMMANDS: tuple[list[str], ...] = (
    [],
    ["serve"],
    ["verify"],
    ["inspect"],
    ["nonce"],
    ["policy"],
    ["policy", "lint"],
    ["policy", "show"],
    ["demo"],
)


FULL_DISK = "the output cannot be written: No space left on device"


@pytest.fixture
def failing() -> Iterator[click.Group]:
    """Commands that go wrong in ways the others should not."""

    @click.command()
    @click.argument("kind")
    def fail(kind: str) -> None:
        raise {"bug": ZeroDivisionError("secret"), "stop": KeyboardInterrupt(), "pipe": BrokenPipeError()}[kind]

    @click.command()
    def silent() -> None:
        """End without an exit code."""

    entry.commands.add_command(fail)
    entry.commands.add_command(silent)
    yield entry.commands
    del entry.commands.commands["fail"], entry.commands.commands["silent"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_help_text_says_what_the_exit_codes_mean(invoke: Invoke, command: list[str], option: str) -> None:
    """Scripts would be written by trial and error."""
    outcome = invoke(*command, option)
    assert outcome.code == 0
    assert "Exit codes: 0 " in outcome.text


def test_version_names_engine_and_root(invoke: Invoke) -> None:
    """Nobody could tell what a deployed verifier trusts."""
    outcome = invoke("--version")
    assert outcome.code == 0
    assert "engine" in outcome.text
    assert AWS_NITRO_ROOT_G1_SHA256 in outcome.text


def test_without_a_command_usage_is_shown_with_exit_code_2(invoke: Invoke) -> None:
    """A script whose variable is empty would succeed."""
    outcome = invoke()
    assert outcome.code == 2
    assert "Usage:" in outcome.stderr


@pytest.mark.parametrize(("kind", "code"), [("bug", 3), ("stop", 130), ("pipe", 141)])
def test_other_failures_have_codes_of_their_own(invoke: Invoke, failing: click.Group, kind: str, code: int) -> None:
    """A bug could pass for a rejection."""
    outcome = invoke("fail", kind)
    assert outcome.code == code
    assert "Traceback" not in outcome.stderr


def test_a_bug_says_that_it_is_one_and_shows_where_only_when_asked(invoke: Invoke, failing: click.Group) -> None:
    """Users would be shown a traceback, or those who look for the bug would not."""
    outcome = invoke("fail", "bug")
    assert "this is a bug (ZeroDivisionError)" in outcome.stderr
    assert "secret" not in outcome.stderr
    assert "Traceback" in invoke("fail", "bug", NITRO_VERIFIER_DEBUG="1").stderr


def test_a_command_that_ends_without_a_code_is_a_bug_and_not_a_success(invoke: Invoke, failing: click.Group) -> None:
    """Silence would pass for affirmed."""
    assert invoke("silent").code == 3


def test_a_checkout_that_is_not_installed_still_runs(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running from a checkout would fail on --version alone."""
    monkeypatch.setattr(entry, "PROGRAM", "no-such-distribution")
    assert "(not installed)" in invoke("--version").text


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "verifier.cli", *arguments]


def test_a_reader_that_goes_away_is_no_verdict_and_no_traceback(world: World) -> None:
    """`| head` would end in a traceback, or in exit code 0."""
    process = subprocess.Popen(command("inspect", str(world.document)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 141
    assert errors == b""


def test_a_terminal_without_unicode_gets_escapes(world: World) -> None:
    """An operator on an old console would get exit code 3 instead of a verdict."""
    done = subprocess.run(
        command("inspect", str(world.document)),
        capture_output=True,
        check=False,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert done.returncode == 0
    assert b"unverified" in done.stdout


def test_output_that_nobody_reads_any_more_leaves_the_interpreter_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would complain on its way out, with an exit code of its own."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor, not a path
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as ended:
            entry.main(["nonce"])
    assert ended.value.code == 141


CLOSED = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-"}
FULL = {"stdout": ">/dev/full", "both": ">/dev/full 2>/dev/full"}


def shell(redirection: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command as a script runs it."""
    words = shlex.join(map(str, command(*map(str, arguments))))
    return subprocess.run(
        ["/bin/sh", "-c", f"{words} {redirection}"], capture_output=True, check=False, text=True, timeout=60
    )


def verdict(world: World, *more: object) -> list[object]:
    """Arguments that get the good document affirmed."""
    options = ["--policy", world.policy, "--anchor", world.pinned_root, "--nonce", NONCE.hex()]
    return ["verify", world.document, *options, "--at", "2026-01-31T12:00:01Z", *more]


@pytest.mark.parametrize("streams", CLOSED)
def test_where_nobody_wants_the_output_the_exit_code_is_the_verdict(world: World, streams: str) -> None:
    """A wrapper that closes what it does not need would be told that a good document was rejected."""
    done = shell(CLOSED[streams], *verdict(world))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("streams", FULL)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_output_that_cannot_be_written_is_no_verdict(world: World, streams: str, form: list[str]) -> None:
    """A full disk would pass for a rejection, or for a bug of ours."""
    done = shell(FULL[streams], *verdict(world, *form))
    assert done.returncode == 2
    assert done.stderr.endswith("" if streams == "both" else f"nitro-verifier: {FULL_DISK}\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["serve", "--port", "99999"], ["verify"], ["policy", "lint", "/nope"]])
def test_messages_that_cannot_be_shown_change_no_exit_code(arguments: list[str]) -> None:
    """A wrong usage would pass for a rejection where the log's disk is full."""
    assert shell("2>/dev/full", *arguments).returncode == 2


def test_a_rejection_stays_one_where_its_messages_cannot_be_shown(world: World) -> None:
    """Python would try again to write them on its way out, and have an exit code of its own for it."""
    world.document.write_bytes(b"no document")
    assert shell("2>/dev/full", *verdict(world, "--quiet")).returncode == 1


def test_a_closed_stdin_is_not_an_empty_document(world: World) -> None:
    """It would be judged, and rejected."""
    _, _, *options = verdict(world)
    done = shell("<&-", "verify", "-", *options)
    assert done.returncode == 2
    assert "standard input is closed" in done.stderr


def test_the_first_file_that_is_opened_is_not_taken_for_a_closed_stderr() -> None:
    """Log lines would be written into the file of used nonces."""
    script = "import os; from verifier.cli.streams import fill_closed_streams as fill; fill(); print(os.dup(1))"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.join([sys.executable, '-c', script])} <&- 2>&-"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) == 3


@pytest.mark.parametrize(("code", "ended"), [(0, 2), (1, 2), (3, 3)])
def test_what_is_left_in_a_buffer_is_written_or_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, ended: int
) -> None:
    """A result that never arrived would end like one that did."""

    @click.command()
    def late() -> int:
        sys.stdout.write("the result")
        return code

    entry.commands.add_command(late)
    try:
        with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a text stream
            monkeypatch.setattr(sys, "stdout", full)
            with pytest.raises(SystemExit) as exited:
                entry.main(["late"])
    finally:
        del entry.commands.commands["late"]
    assert exited.value.code == ended
    assert (FULL_DISK in capsys.readouterr().err) == (ended == 2)


def test_a_stream_that_is_no_file_is_taken_as_it_is() -> None:
    """Programs that call the command in their own process would fail."""
    with contextlib.redirect_stdout(io.StringIO()) as stream, pytest.raises(SystemExit) as ended:
        entry.main(["nonce", "--hex"])
    assert ended.value.code == 0
    assert len(stream.getvalue()) == 65
