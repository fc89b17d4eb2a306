"""Every way of failing has its exit code, and none of them a traceback."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from tests.unit.verifier.cli.world import Invoke, World
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


def test_a_stream_that_is_no_file_is_taken_as_it_is() -> None:
    """Programs that call the command in their own process would fail."""
    with contextlib.redirect_stdout(io.StringIO()) as stream, pytest.raises(SystemExit) as ended:
        entry.main(["nonce", "--hex"])
    assert ended.value.code == 0
    assert len(stream.getvalue()) == 65
