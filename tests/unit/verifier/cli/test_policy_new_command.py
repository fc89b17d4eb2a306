"""Policies written from builds."""

from pathlib import Path

import pytest

from tests.support.eif_writer import signed_sections, write_eif
from tests.unit.verifier.cli.standalone import call
from tests.unit.verifier.reference_values.outputs import BUILD_LOG, PCRS, build_enclave, describe_eif, enclave, printed
from verifier import Policy, read_policy
from verifier.cli.policy_new_command import new

ROLE, INSTANCE = "arn:aws:iam::123456789012:role/Web", "i-0123456789abcdef0"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def policy_of(stdout: bytes) -> Policy:
    return read_policy(stdout.decode())


def test_an_image_becomes_a_policy(tmp_path: Path) -> None:
    """Whoever builds an image would copy numbers by hand."""
    outcome = call(new, "--eif", write(tmp_path, "payments v1.eif", write_eif(signed_sections())))
    policy = policy_of(outcome.stdout)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (policy.name, policy.builds[0].name) == ("payments-v1", "payments-v1")
    assert sorted(policy.builds[0].pcrs) == [0, 1, 2, 8]
    assert outcome.stdout.startswith(b"# Measurements: eif.\n")


def test_the_output_of_build_enclave_becomes_a_policy_with_everything_asked_for(tmp_path: Path) -> None:
    """A wish would be taken and not written down."""
    path = write(tmp_path, "build.json", BUILD_LOG + printed(build_enclave()))
    args = ("--name", "payments", "--build", "v1", "--role-arn", ROLE, "--instance-id", INSTANCE)
    outcome = call(new, "--nitro-cli", path, *args, "--not-after", "2027-01-31T00:00:00Z")
    policy = policy_of(outcome.stdout)
    assert outcome.stderr == ""
    assert (policy.name, policy.builds[0].name, policy.builds[0].pcrs) == ("payments", "v1", PCRS)
    assert policy.require.pcr3_role_arn == (ROLE,)
    assert policy.require.pcr4_instance_id == (INSTANCE,)
    assert policy.builds[0].not_after is not None


def test_a_policy_by_signer(tmp_path: Path) -> None:
    """Each release would need a new policy."""
    outcome = call(new, "--signer", "--eif", write(tmp_path, "a.eif", write_eif(signed_sections())))
    assert sorted(policy_of(outcome.stdout).builds[0].pcrs) == [8]


@pytest.mark.parametrize("output", [printed(describe_eif()), printed([enclave()])])
def test_what_is_not_authoritative_is_said_twice(tmp_path: Path, output: str) -> None:
    """Measurements of a stranger's file would become a policy without a word."""
    outcome = call(new, "--nitro-cli", write(tmp_path, "x.json", output))
    assert outcome.code == 0
    assert "not authoritative" in outcome.stderr
    assert b"# NOT AUTHORITATIVE" in outcome.stdout


def test_one_of_several_enclaves_is_chosen(tmp_path: Path) -> None:
    """A policy would be made of whichever enclave comes first."""
    path = write(tmp_path, "x.json", printed([enclave(Flags="DEBUG_MODE"), enclave(EnclaveName="b", EnclaveID="i-b")]))
    assert call(new, "--nitro-cli", path).code == 2
    assert call(new, "--nitro-cli", path, "--enclave", "b").code == 0
    refused = call(new, "--nitro-cli", path, "--enclave", "app")
    assert (refused.code, refused.stdout) == (2, b"")
    assert "without debug mode" in refused.stderr


def test_an_image_that_is_refused_makes_no_policy(tmp_path: Path) -> None:
    """A crafted image would be trusted."""
    outcome = call(new, "--eif", write(tmp_path, "a.eif", write_eif(tail=b"x")), "-o", tmp_path / "new.toml")
    assert (outcome.code, outcome.stdout) == (1, b"")
    assert "eif.trailing-bytes" in outcome.stderr
    assert not (tmp_path / "new.toml").exists()


def test_a_new_file_is_written_and_an_old_one_is_left_alone(tmp_path: Path) -> None:
    """A policy that somebody has edited would be lost."""
    image, target = write(tmp_path, "a.eif", write_eif()), tmp_path / "new.toml"
    assert call(new, "--eif", image, "--output", target).code == 0
    text = target.read_text()
    assert read_policy(text).name == "a"
    again = call(new, "--eif", image, "--name", "other", "--output", target)
    assert again.code == 2
    assert "File exists" in again.stderr
    assert target.read_text() == text


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--eif", "a.eif", "--nitro-cli", "a.json"),
        ("--eif", "a.eif", "--enclave", "x"),
        ("--enclave", "x"),
        ("--eif", "missing.eif"),
        ("--nitro-cli", "missing.json"),
    ],
)
def test_incomplete_commands_exit_2(args: tuple[str, ...]) -> None:
    """A mistyped command in CI would pass."""
    assert call(new, *args).code == 2


@pytest.mark.parametrize("content", [b"\xff" * 10, b" " * (1024 * 1024 + 1), b"{}"])
def test_what_is_no_output_of_nitro_cli_exits_2(tmp_path: Path, content: bytes) -> None:
    """An image given as nitro-cli's output would look like a bug."""
    assert call(new, "--nitro-cli", write(tmp_path, "x.json", content)).code == 2


@pytest.mark.parametrize("name", ["._.eif", "é.eif"])
def test_a_file_with_a_strange_name_makes_a_policy_all_the_same(tmp_path: Path, name: str) -> None:
    """The policy would have a name that nothing accepts."""
    assert call(new, "--eif", write(tmp_path, name, write_eif())).code == 0
