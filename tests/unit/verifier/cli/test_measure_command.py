"""Images, measured and shown."""

import json
from pathlib import Path

import pytest

from tests.support.eif_writer import EifHeader, pcr, sections, signed_sections, signer, write_eif
from tests.unit.verifier.cli.standalone import call
from verifier.cli.measure_command import measure
from verifier.reference_values.formulas import instance_pcr, role_pcr, signer_pcr

PCR0 = "07e91d3412c4923fa65651497f4cec9a572779472d622944fbe59327cda16f85d29011ed5ef2c758d880fc010387a5ae"
ROLE, INSTANCE = "arn:aws:iam::123456789012:role/Webserver", "i-1234567890abcdef0"


def image(folder: Path, content: bytes) -> Path:
    path = folder / "app.eif"
    path.write_bytes(content)
    return path


def test_an_images_measurements_and_parts_are_shown(tmp_path: Path) -> None:
    """An operator could not compare a build with a policy."""
    outcome = call(measure, image(tmp_path, write_eif(signed_sections())), columns=140)
    assert outcome.code == 0
    for part in (
        "Enclave image, version 4, x86_64",
        f"PCR0 {PCR0} enclave image",
        f"PCR8 {signer_pcr(signer().der).hex()} image signing certificate",
        "kernel 100 bytes at 548",
        "kernel arguments reboot=k",
        "signed by CN=image signer\\, throwaway test",
        "certificate ES384, 2026-01-01 00:00:00+00:00 to 2027-01-01",
        'metadata, which is not measured: anyone can have written it {"ImageName": "app"',
    ):
        assert part in outcome.text


def test_an_unsigned_image_says_so(tmp_path: Path) -> None:
    """An image that lost its signature would look like any other."""
    outcome = call(measure, image(tmp_path, write_eif(sections(metadata=b"\xff"))))
    assert "signature none" in outcome.text
    assert "metadata, which" not in outcome.text


def test_long_metadata_is_cut(tmp_path: Path) -> None:
    """The measurements would scroll away."""
    metadata = json.dumps({"ImageName": "x" * 2000}).encode()
    outcome = call(measure, image(tmp_path, write_eif(sections(metadata=metadata))))
    assert "x" * 1001 not in outcome.text
    assert "--json shows all of it" in outcome.text


def test_json_has_everything(tmp_path: Path) -> None:
    """A pipeline that makes policies would have to read a table."""
    outcome = call(measure, image(tmp_path, write_eif(signed_sections())), "--json")
    body = json.loads(outcome.stdout)
    assert outcome.code == 0
    assert body["pcrs"]["0"] == PCR0
    assert sorted(body["pcrs"]) == ["0", "1", "2", "8"]
    assert body["signer"]["algorithm"] == "ES384"
    assert body["signer"]["not_after"] == "2027-01-01T00:00:00Z"
    assert body["sections"][0] == {"kind": "kernel", "offset": 548, "size": 100}
    assert (body["command_line"], body["architecture"], body["version"]) == ("reboot=k", "x86_64", 4)
    assert (body["default_memory"], body["default_cpus"]) == (1 << 30, 2)
    assert body["untrusted_metadata"]["ImageName"] == "app"


def test_json_of_an_unsigned_image_without_metadata(tmp_path: Path) -> None:
    """Old images could not be measured by a pipeline."""
    outcome = call(measure, image(tmp_path, write_eif(sections(metadata=None), EifHeader(version=3))), "--json")
    body = json.loads(outcome.stdout)
    assert (body["signer"], body["untrusted_metadata"]) == (None, None)


def test_pcr3_and_pcr4_are_computed_on_request(tmp_path: Path) -> None:
    """An operator would compute them by hand, and hash the line end too."""
    path = image(tmp_path, write_eif())
    body = json.loads(call(measure, path, "--json", "--role-arn", ROLE, "--instance-id", INSTANCE).stdout)
    assert (body["pcrs"]["3"], body["pcrs"]["4"]) == (role_pcr(ROLE).hex(), instance_pcr(INSTANCE).hex())


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--role-arn", "arn:aws:iam::123456789012:instance-profile/Webserver"),
        ("--role-arn", "Webserver"),
        ("--role-arn", ""),
        ("--role-arn", f"{ROLE}\n"),
        ("--instance-id", "i-123"),
        ("--instance-id", f"{INSTANCE} "),
    ],
)
def test_what_no_parent_has_is_not_measured(option: str, text: str, tmp_path: Path) -> None:
    """Any text has a hash: an instance profile's would go into a policy that no enclave ever matches."""
    outcome = call(measure, image(tmp_path, write_eif()), option, text)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert option in outcome.stderr


def test_an_image_is_read_from_stdin() -> None:
    """An image in a pipeline would have to be written to a disk first."""
    outcome = call(measure, "-", "--json", stdin=write_eif())
    assert json.loads(outcome.stdout)["pcrs"]["0"] == PCR0


def test_hostile_text_does_not_reach_the_terminal(tmp_path: Path) -> None:
    """An image could write measurements of its own choice to the screen."""
    content = sections(cmdline=b"\x1b[2Jx\xff\n", metadata=json.dumps({"a": "\x1b\x9b"}, ensure_ascii=False).encode())
    raw = sections(cmdline=b"\x1b[2Jx\xff\n", metadata='{"a": "\x9b2J"}'.encode())
    for parts in (content, raw):
        path = image(tmp_path, write_eif(parts))
        for args in ((), ("--json",)):
            stdout = call(measure, path, *args).stdout
            assert b"\x1b" not in stdout
            assert "\x9b".encode() not in stdout


def test_an_ambiguous_image_is_refused_and_shows_no_measurement(tmp_path: Path) -> None:
    """Somebody would copy the numbers all the same."""
    path = image(tmp_path, write_eif(tail=b"x"))
    outcome = call(measure, path)
    assert (outcome.code, outcome.stdout) == (1, b"")
    assert outcome.stderr.startswith("refused: eif.trailing-bytes: ")
    assert "-> Bytes after the last section" in outcome.stderr
    as_json = call(measure, path, "--json")
    assert as_json.code == 1
    assert as_json.stderr == ""
    assert json.loads(as_json.stdout)["refused"]["code"] == "eif.trailing-bytes"


@pytest.mark.parametrize("name", ["missing.eif", "."])
def test_what_cannot_be_opened_exits_2(tmp_path: Path, name: str) -> None:
    """A mistyped name would look like a judgement, or like a bug."""
    assert call(measure, tmp_path / name).code == 2


def test_measurements_are_those_of_the_formula(tmp_path: Path) -> None:
    """The command could show something else than the library computes."""
    body = json.loads(call(measure, image(tmp_path, write_eif()), "--json").stdout)
    assert body["pcrs"]["1"] == pcr(b"K" * 100, b"reboot=k", b"boot-ramdisk").hex()
