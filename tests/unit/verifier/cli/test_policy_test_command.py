"""Policies beside their own documents and expected verdicts."""

import json
from pathlib import Path

import pytest

from tests.unit.verifier.cli.world import NONCE, Invoke, World

AT = "2026-01-31T12:00:01Z"
RELEASE = f"""
[[test]]
name = "the release"
document = "document.cbor"
nonce = "{NONCE.hex()}"
at = {AT}
verdict = "affirmed"
build = "hello"
"""
DEBUG = f"""
[[test]]
name = "debug mode"
document = "debug.cbor"
nonce = "{NONCE.hex()}"
at = "document"
verdict = "rejected"
reasons = ["measurement.debug-mode"]
"""


@pytest.fixture
def tests(world: World) -> Path:
    """A policy's file of tests, all of which it passes."""
    world.write("debug.cbor", world.nsm(debug=True).attestation(nonce=NONCE))
    return write(world, RELEASE + DEBUG)


def write(world: World, text: str, name: str = "payments.tests.toml") -> Path:
    anchor = f'file = "{world.root.name}", sha256 = "{world.pki.root_sha256.hex()}"'
    return world.write(name, f"anchors = [{{ {anchor} }}]\n{text}")


def test_a_policy_that_says_what_was_expected_passes(invoke: Invoke, world: World, tests: Path) -> None:
    """CI would stop a good policy."""
    for target in (tests, world.policy, world.folder):
        outcome = invoke("policy", "test", target)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert "policy payments pass the release pass debug mode 2 tests, 0 failed" in outcome.text


EXPIRED = RELEASE.replace("affirmed", "rejected").replace('build = "hello"', 'reasons = ["path.expired"]')
FAILING = {
    "another verdict": (EXPIRED, [
        "expected rejected path.expired",
        "got affirmed, build hello",
    ]),
    "another build": (RELEASE.replace('"hello"', '"other"'), [
        "expected affirmed, build other",
        "got affirmed, build hello",
    ]),
    "a reason more": (DEBUG.replace('mode"]', 'mode", "path.expired"]'), [
        "expected rejected measurement.debug-mode path.expired",
        "got rejected measurement.debug-mode",
    ]),
    "a reason less": (DEBUG.replace(NONCE.hex(), "00"), [
        "expected rejected measurement.debug-mode",
        "got rejected measurement.debug-mode freshness.nonce-mismatch",
    ]),
    "a shadow where there is none": (RELEASE + 'shadow = "both-affirm"\n', [
        "expected shadow both-affirm",
        "got shadow no shadow builds, or no authentic document",
    ]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "differences"), FAILING.values(), ids=FAILING)
def test_what_was_not_expected_is_said_and_exits_1(
    invoke: Invoke, world: World, tests: Path, text: str, differences: list[str]
) -> None:
    """CI would pass a policy that means something else."""
    write(world, text)
    outcome = invoke("policy", "test", tests)
    assert outcome.code == 1
    assert "FAIL" in outcome.text
    assert all(difference in outcome.text for difference in differences)
    body = json.loads(invoke("policy", "test", tests, "--json").stdout)
    assert (body["passed"], body["files"][0]["tests"][0]["passed"]) == (False, False)
    assert body["files"][0]["tests"][0]["differences"] == differences


def test_a_build_that_no_test_affirms_is_noted(invoke: Invoke, world: World, tests: Path) -> None:
    """A build could be mistyped, and all its tests be green."""
    write(world, DEBUG)
    noted = invoke("policy", "test", tests)
    assert (noted.code, "note no test affirms build hello" in noted.text) == (0, True)
    assert invoke("policy", "test", tests, "--strict").code == 1
    body = json.loads(invoke("policy", "test", tests, "--json", "--strict").stdout)
    assert (body["passed"], body["files"][0]["untested"]) == (False, ["hello"])


def test_shadow_builds_and_shadow_policies_have_tests_too(invoke: Invoke, world: World, tests: Path) -> None:
    """What is tried could not be tested before it is."""
    hello = world.policy.read_text()
    other = hello.replace("hello", "next").replace('0 = "', f'16 = "{"aa" * 48}", 0 = "')
    world.policy.write_text(other + hello.replace("[[build]]", "[[shadow]]"))
    world.write("payments-next.toml", 'shadow_of = "payments"\n' + hello)
    tried = RELEASE.replace('verdict = "affirmed"\nbuild = "hello"', 'verdict = "rejected"')
    write(world, tried + 'reasons = ["measurement.pcr-absent"]\nshadow = "would-affirm"\n')
    write(world, RELEASE, "payments-next.tests.toml")
    write(world, f'policy = "payments-next.toml"\n{RELEASE}', "elsewhere.tests.toml")
    outcome = invoke("policy", "test", world.folder)
    assert (outcome.code, "3 tests, 0 failed" in outcome.text) == (0, True)


MISTAKES = {
    "no tests": ("", "no [[test]]"),
    "no TOML": ("[", "payments.tests.toml"),
    "no time": (RELEASE.replace(f"at = {AT}\n", ""), "missing required field `at`"),
    "a time without a zone": (RELEASE.replace(AT, AT[:-1]), "at must be a time with its zone"),
    "a word for a time": (RELEASE.replace(AT, '"now"'), "at must be a time"),
    "an unknown key": (RELEASE + "reason = 1\n", "unknown field `reason`"),
    "an unknown verdict": (RELEASE.replace('"affirmed"', '"good"'), "verdict"),
    "an unknown reason": (DEBUG.replace('debug-mode"', 'debug"'), "'measurement.debug' is no reason"),
    "reasons of an affirmation": (RELEASE + 'reasons = ["path.expired"]\n', "an affirmed document has no reasons"),
    "a rejection without reasons": (DEBUG.replace('reasons = ["measurement.debug-mode"]', ""), "name them all"),
    "a rejection with a build": (DEBUG + 'build = "hello"\n', "a rejected document has no build"),
    "a time before time": (RELEASE.replace(AT, "0001-01-01T00:00:00+14:00"), "at must be a time"),
    "too deep": ("x = " + "[" * 5000 + "]" * 5000, "payments.tests.toml"),
    "too many digits": ("x = " + "9" * 5000, "payments.tests.toml"),
    "an empty nonce": (RELEASE.replace(NONCE.hex(), ""), "nonce is neither hex nor base64"),
    "no nonce": (RELEASE.replace(NONCE.hex(), "?"), "nonce is neither hex nor base64"),
    "one name twice": (RELEASE + RELEASE, "two tests are named 'the release'"),
    "standard input": (RELEASE.replace("document.cbor", "-"), "No such file"),
    "no document": (RELEASE.replace("document.cbor", "lost.cbor"), "No such file"),
    "no policy": ('policy = "lost.toml"\n' + RELEASE, "No such file"),
}


@pytest.mark.parametrize(("text", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_file_of_tests_is_no_verdict(
    invoke: Invoke, world: World, tests: Path, text: str, problem: str
) -> None:
    """Tests that test nothing would pass."""
    write(world, text)
    outcome = invoke("policy", "test", tests)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert problem in " ".join(outcome.stderr.split())


def test_a_folder_or_policy_without_tests_does_not_pass(invoke: Invoke, world: World) -> None:
    """CI would test nothing, and pass."""
    folder = invoke("policy", "test", world.folder)
    assert (folder.code, "no tests (*.tests.toml)" in folder.stderr) == (2, True)
    untested = invoke("policy", "test", world.policy)
    assert (untested.code, "no tests for it: write payments.tests.toml" in untested.stderr) == (2, True)
    assert invoke("policy", "test").code == 2
