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


def test_a_refused_policy_has_the_codes_of_the_mistakes_that_are_common(invoke: Invoke, world: World) -> None:
    """A beginner would be told what is wrong, and not why."""
    outcome = invoke("policy", "lint", world.write("one.toml", f'[[build]]\npcrs = {{ 0 = "{"aa" * 48}" }}\n'))
    assert outcome.code == 2
    assert "error pcr0-alone: build 1: PCR0 without both PCR1 and PCR2 -> A changed application" in outcome.text
    assert "error policy-invalid: policy one: build 'build-1': PCR1 and PCR2 missing" in outcome.text
    binary = invoke("policy", "lint", world.write("binary.toml", b"\xff"))
    assert (binary.code, "not UTF-8" in binary.text) == (2, True)


def test_lints_are_told_to_machines(invoke: Invoke, world: World) -> None:
    """CI would read what is meant for people."""
    world.policy.write_text('nonce = "none"\n' + world.policy.read_text())
    outcome = invoke("policy", "lint", world.policy, "--json")
    body = json.loads(outcome.stdout)
    assert (outcome.code, body["clean"]) == (1, False)
    (file,) = body["files"]
    assert file["file"] == str(world.policy)
    assert [(each["code"], each["severity"]) for each in file["lints"]] == [("nonce-none", "warning")]
    assert file["lints"][0]["advice"].startswith("A document can be shown again")


def test_windows_are_judged_as_of_the_time_that_is_asked_for(invoke: Invoke, world: World) -> None:
    """Nobody could see today what will expire next week."""
    world.policy.write_text(world.policy.read_text() + "not_after = 2100-01-01T00:00:00Z\n")
    assert invoke("policy", "lint", world.policy).code == 0
    assert invoke("policy", "lint", world.policy, "--at", "2100-01-02T00:00:00Z").code == 1
    assert invoke("policy", "lint", world.policy, "--at", "2100-01-02").code == 2


def test_a_folder_is_looked_over_as_the_service_loads_it(invoke: Invoke, world: World) -> None:
    """The service would refuse to start with policies that were clean one by one."""
    folder = world.folder / "policies"
    folder.mkdir()
    text = world.policy.read_text()
    for name in ("payments.tests.toml", ".payments.toml", "notes.md"):
        (folder / name).write_text("no policy")
    empty = invoke("policy", "lint", folder)
    (folder / "payments.toml").write_text(text)
    (folder / "next.toml").write_text('shadow_of = "payments"\n' + text)
    good = invoke("policy", "lint", folder)
    (folder / "twin.toml").write_text('name = "payments"\n' + text)
    (folder / "lost.toml").write_text('shadow_of = "nobody"\n' + text)
    (folder / "broken.toml").write_text("[")
    bad = invoke("policy", "lint", folder)
    assert (empty.code, "no policies" in empty.text) == (2, True)
    assert (good.code, good.text.count("clean")) == (0, 2)
    assert bad.code == 2
    assert "another file holds a policy of the name 'payments' already" in bad.text
    assert "the policy 'nobody' is not there" in bad.text


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
