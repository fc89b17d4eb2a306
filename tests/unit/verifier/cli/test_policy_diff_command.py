"""Two builds, compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.eif_writer import sections, write_eif
from tests.unit.verifier.cli.standalone import call
from tests.unit.verifier.reference_values.outputs import ONE, TWO, build_enclave, enclave, printed
from verifier.cli.policy_diff_command import diff
from verifier.cli.policy_new_command import new

FILES: dict[str, bytes | str] = {
    "one.eif": write_eif(),
    "kernel.eif": write_eif(sections(kernel=b"L")),
    "app.eif": write_eif(sections(ramdisks=(b"boot-ramdisk", b"x"))),
    "metadata.eif": write_eif(sections(metadata=b"{}")),
    "bad.eif": write_eif(tail=b"x"),
    "build.json": printed(build_enclave()),
    "rebuild.json": printed(build_enclave(PCR0=TWO, PCR2=ONE)),
    "enclaves.json": printed(
        [enclave(), enclave(EnclaveID="i-x", Measurements=build_enclave(PCR0=TWO)["Measurements"])]
    ),
    "empty.toml": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images, outputs and policies made of them."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in ("one", "app"):
        assert call(new, "--eif", tmp_path / f"{name}.eif", "-o", tmp_path / f"{name}.toml").code == 0
    assert call(new, "--nitro-cli", tmp_path / "build.json", "-o", tmp_path / "build.toml").code == 0
    two = (tmp_path / "one.toml").read_text() + "\n" + (tmp_path / "app.toml").read_text().partition("\n\n")[2]
    (tmp_path / "two.toml").write_text(two)
    (tmp_path / "lax.toml").write_text((tmp_path / "one.toml").read_text().replace('"required"', '"none"'))
    return tmp_path


CASES = {
    "the same image": ("one.eif", "one.eif", 0, []),
    "other metadata": ("one.eif", "metadata.eif", 0, []),
    "another kernel": ("one.eif", "kernel.eif", 1, ["kernel, command line or boot ramdisk"]),
    "another application": ("one.eif", "app.eif", 1, ["application"]),
    "an image and its policy": ("one.eif", "one.toml", 0, []),
    "a policy and its image, among others": ("two.toml", "app.eif", 0, []),
    "an image and another's policy": ("app.eif", "one.toml", 1, ["application"]),
    "two outputs": ("build.json", "rebuild.json", 1, ["application"]),
    "an output and its policy": ("build.json", "build.toml", 0, []),
    "an enclave of several and its policy": ("enclaves.json", "build.toml", 0, []),
}


@pytest.mark.parametrize(("before", "after", "code", "parts"), CASES.values(), ids=CASES.keys())
def test_the_changed_part_is_named(folder: Path, before: str, after: str, code: int, parts: list[str]) -> None:
    """A release could not be reviewed by what it changes."""
    outcome = call(diff, folder / before, folder / after, "--json")
    body = json.loads(outcome.stdout)
    assert outcome.code == code
    assert body["same"] is (code == 0)
    assert [part for build in body["builds"] for part in build["parts"]] == parts


def body_of(folder: Path, before: str, after: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(call(diff, folder / before, folder / after, "--json").stdout)
    return body


def test_two_images_show_their_sections(folder: Path) -> None:
    """Kernel, command line and boot ramdisk share a PCR and would stay one."""
    assert body_of(folder, "one.eif", "kernel.eif")["sections"] == ["kernel"]
    assert body_of(folder, "one.eif", "one.toml")["sections"] is None


def test_policies_show_removed_and_added_builds_and_settings(folder: Path) -> None:
    """A policy that became lax would look the same."""
    assert body_of(folder, "one.toml", "two.toml")["added"] == ["app"]
    assert body_of(folder, "two.toml", "one.toml")["removed"] == ["app"]
    assert body_of(folder, "one.toml", "lax.toml")["settings"] == [
        {"key": "nonce", "before": "required", "after": "none", "effect": "looser"}
    ]
    assert [body_of(folder, *names)["looser"] for names in (("one.toml", "two.toml"), ("two.toml", "one.toml"))] == [
        True,
        False,
    ]
    assert body_of(folder, "one.eif", "app.eif")["looser"] is False
    assert call(diff, folder / "one.toml", folder / "lax.toml").code == 1


def test_people_see_it_in_words(folder: Path) -> None:
    """A reviewer would read JSON."""
    text = call(diff, folder / "one.eif", folder / "kernel.eif").text
    assert "one -> kernel: kernel, command line or boot ramdisk" in text
    assert "PCR1 (kernel and boot ramdisk) - 44bea3bc" in text
    assert "sections that differ: kernel" in text
    assert "one: the same" in call(diff, folder / "one.eif", folder / "one.eif").text
    assert "+ build app" in call(diff, folder / "one.toml", folder / "two.toml").text
    assert "- build app" in call(diff, folder / "two.toml", folder / "one.toml").text
    lax = call(diff, folder / "one.toml", folder / "lax.toml").text
    assert "nonce: required -> none LOOSER" in lax
    assert "LOOSER: something is accepted that was not" in lax
    strict = call(diff, folder / "lax.toml", folder / "one.toml").text
    assert "nonce: none -> required tighter" in strict
    assert "LOOSER" not in strict


def test_the_parts_of_an_instance_have_its_names(tmp_path: Path) -> None:
    """A changed boot loader would be shown as a changed instance."""
    pcrs = '[[build]]\nname = "ami"\npcrs = {{ 4 = "{}", 7 = "{}", 12 = "{}", 23 = "{}" }}\n'
    for name, value in (("old", "aa"), ("new", "bb")):
        text = 'evidence = "nitro-tpm"\n' + pcrs.format(*[value * 48] * 4)
        (tmp_path / f"{name}.toml").write_text(text)
    (build,) = body_of(tmp_path, "old.toml", "new.toml")["builds"]
    assert build["parts"] == ["boot binaries", "Secure Boot policy", "command line", "another PCR"]
    assert build["pcrs"][0]["name"] == "boot binaries"
    assert build["effect"] == "looser-and-tighter"


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [("one.eif", "bad.eif", 1), ("one.eif", "missing", 2), ("empty.toml", "one.eif", 2), ("one.eif", ".", 2)],
)
def test_what_cannot_be_read_is_no_difference(folder: Path, before: str, after: str, code: int) -> None:
    """A missing file would look like a change, and a crafted one like a release."""
    outcome = call(diff, folder / before, folder / after)
    assert (outcome.code, outcome.stdout) == (code, b"")
    assert outcome.stderr
