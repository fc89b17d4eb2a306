"""Policies, looked over and shown."""

import hashlib
import json

import pytest

from tests.unit.verifier.cli.world import Invoke, World


def test_a_policy_without_lints_is_clean(invoke: Invoke, world: World) -> None:
    """CI would fail on good policies."""
    outcome = invoke("policy", "lint", world.policy)
    assert outcome.code == 0
    assert "clean" in outcome.text


def test_lints_have_code_detail_and_advice_and_exit_1(invoke: Invoke, world: World) -> None:
    """CI would pass a policy that lets debug mode through."""
    world.policy.write_text('debug = "allow"\n' + world.policy.read_text())
    outcome = invoke("policy", "lint", world.policy)
    assert outcome.code == 1
    assert "lint debug-allowed: debug mode is allowed -> For development only" in outcome.text
    assert "clean" not in outcome.text


def test_notes_leave_the_policy_clean_unless_strict(invoke: Invoke, world: World) -> None:
    """Good advice would break CI, or CI could not ask for it."""
    world.policy.write_text(world.policy.read_text() + '[require]\npcr4_instance_id = ["i-0123456789abcdef0"]\n')
    outcome = invoke("policy", "lint", world.policy)
    assert outcome.code == 0
    assert "note instance-pinned" in outcome.text
    assert invoke("policy", "lint", "--strict", world.policy).code == 1


def test_every_mistake_of_every_file_is_named_at_once(invoke: Invoke, world: World) -> None:
    """Each run would show one mistake more."""
    broken = world.write("broken.toml", 'max_age = "5"\nfoo = 1\n[[build]]\npcrs = {0 = "zz"}\n')
    outcome = invoke("policy", "lint", broken, world.policy, world.folder / "missing.toml")
    assert outcome.code == 2
    for part in ("max_age: '5' is not a duration", "unknown key 'foo'", "PCR0 must be", "clean", "No such file"):
        assert part in outcome.text


def test_the_worst_of_several_files_is_the_exit_code(invoke: Invoke, world: World) -> None:
    """A lint in the first file would be lost behind a clean second one."""
    linted = world.write("dev.toml", 'nonce = "none"\n' + world.policy.read_text())
    assert invoke("policy", "lint", linted, world.policy).code == 1


def test_show_prints_the_text_that_the_digest_is_of(invoke: Invoke, world: World) -> None:
    """Nobody could tell which policy a result means."""
    body = json.loads(invoke("policy", "show", world.policy, "--json").stdout)
    assert body["name"] == "payments"
    assert hashlib.sha256(body["toml"].encode()).hexdigest() == body["sha256"]
    shown = invoke("policy", "show", world.policy)
    assert shown.stdout.decode() == f"# sha256 {body['sha256']}\n{body['toml']}"


@pytest.mark.parametrize("command", [["policy", "show"], ["policy", "lint"], ["policy"], ["policy", "frob"]])
def test_incomplete_commands_exit_2(invoke: Invoke, command: list[str]) -> None:
    """A mistyped command in CI would pass."""
    assert invoke(*command).code == 2
