"""KMS key policies, printed and looked over."""

import json
from pathlib import Path

import pytest

from tests.unit.verifier.cli.standalone import call
from verifier.cli.policy_kms_command import kms

A, B = "aa" * 48, "bb" * 48
ROLE = "arn:aws:iam::123456789012:role/Web"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy of one build."""
    path = tmp_path / "payments.toml"
    path.write_text(f'[[build]]\nname = "v1"\npcrs = {{ 0 = "{A}", 1 = "{A}", 2 = "{A}" }}\n')
    return path


def test_statements_are_printed_as_a_key_policy(policy: Path) -> None:
    """What is printed could not be given to KMS."""
    outcome = call(kms, policy, "--principal", ROLE)
    body = json.loads(outcome.stdout)
    assert outcome.code == 0
    assert body["Version"] == "2012-10-17"
    assert body["Statement"][0]["Principal"] == {"AWS": ROLE}
    assert body["Statement"][0]["Condition"]["StringEqualsIgnoreCase"]["kms:RecipientAttestation:PCR0"] == A
    assert "not in a key policy: nonce" in outcome.stderr
    assert "--principal" not in outcome.stderr


def test_a_missing_principal_is_said(policy: Path) -> None:
    """The placeholder would be found out only by KMS."""
    assert "no --principal was given" in call(kms, policy).stderr


def test_what_was_printed_is_clean(policy: Path, tmp_path: Path) -> None:
    """The command would object to its own work."""
    path = tmp_path / "key.json"
    path.write_bytes(call(kms, policy, "--principal", ROLE).stdout)
    outcome = call(kms, policy, "--lint", path)
    assert outcome.code == 0
    assert "clean" in outcome.text


def test_lints_have_code_place_and_advice_and_exit_1(policy: Path, tmp_path: Path) -> None:
    """CI would pass a key that anyone can use."""
    path = tmp_path / "key.json"
    path.write_text('{"Statement": [{"Sid": "\\u001b[2J", "Effect": "Allow", "Action": "kms:*"}]}')
    outcome = call(kms, policy, "--lint", path)
    assert outcome.code == 1
    assert "lint kms-unattested: statement 1 (\\x1b[2J): no attestation condition" in outcome.text
    assert "-> Whoever it allows needs no enclave" in outcome.text
    assert "note kms-build-absent: build v1" in outcome.text


def test_notes_count_only_when_strict(policy: Path, tmp_path: Path) -> None:
    """Good advice would break CI, or CI could not ask for it."""
    path = tmp_path / "key.json"
    path.write_text('{"Statement": []}')
    assert call(kms, policy, "--lint", path).code == 0
    assert call(kms, policy, "--strict", "--lint", path).code == 1


@pytest.mark.parametrize("content", ["", "[]", '{"Statement": 1}', "\x00"])
def test_what_is_no_key_policy_exits_2(policy: Path, tmp_path: Path, content: str) -> None:
    """A file that was not understood would be called clean."""
    path = tmp_path / "key.json"
    path.write_text(content)
    assert call(kms, policy, "--lint", path).code == 2
    assert call(kms, policy, "--lint", tmp_path / "missing.json").code == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--strict",), "--strict goes with --lint"),
        (("--lint", "key.json", "--principal", "arn:aws:iam::123456789012:role/a"), "--principal is for printing"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(policy: Path, arguments: tuple[str, ...], problem: str) -> None:
    """A reader would believe that a key policy was held to the principal, or looked over at all."""
    outcome = call(kms, policy, *arguments)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert problem in outcome.stderr


def test_no_key_is_looked_over_by_the_rules_of_another_kind_of_evidence(tmp_path: Path) -> None:
    """A key for instances would be called open, or one for enclaves closed."""
    path = tmp_path / "ami.toml"
    path.write_text(f'evidence = "nitro-tpm"\n[[build]]\npcrs = {{ 4 = "{A}", 12 = "{A}" }}\n')
    outcome = call(kms, path, "--lint", path)
    assert (outcome.code, "another kind of evidence" in outcome.stderr) == (2, True)
