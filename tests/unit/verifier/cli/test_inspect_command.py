"""A document shown, believed by nobody."""

import base64
import json
from pathlib import Path

import pytest

from issuer.nsm import CborValue
from tests.unit.verifier.cli.world import BOOT, NONCE, Invoke, World

AT = BOOT.isoformat()


def test_every_section_says_that_nothing_was_verified(invoke: Invoke, world: World) -> None:
    """A forged document's page would be taken for a finding."""
    outcome = invoke("inspect", world.document, "--at", AT)
    assert outcome.code == 0
    sections = ("envelope", "claims", "measurements", "certificates", "identity")
    assert [outcome.text.count(f"{section} unverified") for section in sections] == [1] * 5
    assert "Nothing below was verified" in outcome.text
    for fact in ("ES384", "untagged", world.nsm().module_id, "kernel and boot", "all zero: PCR 5-15", "debug mode no"):
        assert fact in outcome.text


def test_nothing_on_the_page_is_green(invoke: Invoke, world: World) -> None:
    """Colour would say what the words do not."""
    outcome = invoke("inspect", world.document, "--at", AT, NO_COLOR="", FORCE_COLOR="1", TERM="xterm-256color")
    assert b"\x1b[" in outcome.stdout
    assert b"32m" not in outcome.stdout


def test_escape_sequences_in_a_document_do_not_reach_the_terminal(invoke: Invoke, world: World) -> None:
    """Whoever wrote the document could clear the screen and write a verdict."""
    world.document.write_bytes(
        world.sign({"user_data": b"\x1b[2J\x1b]0;x\x07", "\x1b[31mred[bold]\u202e": 1, "public_key": b"[red]"})
    )
    outcome = invoke("inspect", world.document)
    assert b"\x1b" not in outcome.stdout
    assert b"\x07" not in outcome.stdout
    assert "\\x1b[31mred[bold]\\u202e" in outcome.text
    assert "[red]" in outcome.text


def test_optional_fields_are_null_or_empty_or_bytes(invoke: Invoke, world: World) -> None:
    """Absent and empty are different things, and long fields would fill the screen."""
    fields: dict[str, CborValue] = {"nonce": b"", "user_data": None, "public_key": bytes(range(256))}
    world.document.write_bytes(world.sign(fields, tagged=True))
    outcome = invoke("inspect", world.document)
    assert "nonce 0 bytes (empty, which is not null)" in outcome.text
    assert "user_data null" in outcome.text
    assert "public_key 256 bytes 00 01 02" in outcome.text
    assert "and 192 bytes more" in outcome.text
    assert "COSE_Sign1 tag 18" in outcome.text


def test_debug_mode_is_said_in_words(invoke: Invoke, world: World) -> None:
    """Three folded zeros are easily overlooked."""
    world.document.write_bytes(world.nsm(debug=True).attestation())
    assert "debug mode yes: PCR0, PCR1 and PCR2 are all zero" in invoke("inspect", world.document).text


@pytest.mark.parametrize(
    ("at", "age", "leaf"),
    [
        ("2026-01-31T12:00:00Z", "0 s old", "3 h left"),
        ("2026-01-31T10:00:00Z", "2 h in the future", "valid in 119 min"),
        ("2028-02-01T12:00:00Z", "2 years old", "expired 730 days ago"),
    ],
)
def test_the_bars_show_where_the_given_time_lies(invoke: Invoke, world: World, at: str, age: str, leaf: str) -> None:
    """An operator could not see which certificate ran out."""
    outcome = invoke("inspect", world.document, "--at", at)
    assert age in outcome.text
    assert leaf in outcome.text
    assert ("●" in outcome.text.rpartition("leaf ")[0]) is True


def test_copies_of_the_identity_are_compared(invoke: Invoke, world: World) -> None:
    """A document pieced together from others would look whole."""
    outcome = invoke("inspect", world.document)
    assert "agrees PCR4 is the hash of module_id's instance" in outcome.text
    assert "differs leaf is named <module_id>.<region>.aws" in outcome.text  # the throwaway PKI says not-aws
    assert "agrees leaf's serial is the enclave's id and its time of issue" in outcome.text


def test_a_certificate_that_cannot_be_read_is_named_and_the_rest_shown(invoke: Invoke, world: World) -> None:
    """One bad certificate would hide everything else."""
    world.document.write_bytes(world.sign({"certificate": b"no certificate", "cabundle": (b"\x30\x00",)}))
    outcome = invoke("inspect", world.document)
    assert outcome.code == 0
    assert outcome.text.count("path.certificate-malformed") == 2
    assert "the leaf cannot be read" in outcome.text
    assert "the leaf has no common name" in outcome.text


@pytest.mark.parametrize(
    ("right", "odd"),
    [
        (b"\x0c\x07Seattle", b"\x0c\x07\xff\xfeattle"),  # no UTF-8
        (b"\x0c\x07Seattle", b"\x03\x07\x00eattle"),  # a BIT STRING
    ],
)
def test_a_name_that_cannot_be_shown_hides_nothing_else(invoke: Invoke, world: World, right: bytes, odd: bytes) -> None:
    """A name that is not text would end in exit code 3."""
    chain = world.pki.issue(enclave_id=world.nsm().enclave_id, at=BOOT)
    leaf = chain.certificate.replace(right, odd)
    world.document.write_bytes(world.sign({"certificate": leaf, "pcrs": {0: b"\x01" * 48}}))
    outcome = invoke("inspect", world.document)
    assert outcome.code == 0
    assert "its name cannot be shown" in outcome.text
    assert "all zero" not in outcome.text


@pytest.mark.parametrize("at", ["yesterday", "document", "2026-01-31", "2026-01-31T12:00:00"])
def test_a_time_that_is_none_is_wrong_usage(invoke: Invoke, world: World, at: str) -> None:
    """A mistyped time would be now."""
    assert invoke("inspect", world.document, "--at", at).code == 2


def test_a_bundle_of_another_length_has_issuers_without_names(invoke: Invoke, world: World) -> None:
    """A certificate would be called what it is not."""
    root = world.pki.root_der
    world.document.write_bytes(world.sign({"cabundle": (root, root, root)}))
    roles = [certificate["role"] for certificate in _inspected(invoke, world.document)["certificates"]]
    assert roles == ["root", "issuer", "issuer", "leaf"]


def test_json_says_unverified_and_carries_every_byte(invoke: Invoke, world: World) -> None:
    """Programs would have to parse pages made for people, or take claims for verified."""
    outcome = invoke("inspect", world.document, "--json")
    body = json.loads(outcome.stdout)
    assert (body["verified"], body["kind"], body["problem"]) == (False, "enclave", None)
    assert base64.urlsafe_b64decode(body["document"]["nonce"] + "=") == NONCE
    assert len(body["document"]["pcrs"]) == 16
    assert body["document"]["certificates"][0]["known_as"] is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "evidence.empty"),
        (b"\x00", "envelope.malformed"),
        (b"\x80\x01" * 32, "envelope."),
        (b"\x84" + b"\x44\xa1\x01\x38\x22" + b"\xa0\x41\x00" + b"\x58\x60" + bytes(96), "document.key-invalid"),
        (b"\xff" * 20_000, "evidence.too-large"),
    ],
)
def test_what_cannot_be_read_has_a_reason_and_a_hint(invoke: Invoke, world: World, content: bytes, reason: str) -> None:
    """A newcomer would get a traceback instead of an answer."""
    outcome = invoke("inspect", world.write("rubbish", content))
    assert outcome.code == 1
    assert reason in outcome.text
    assert "-> " in outcome.text
    assert outcome.stderr == ""


def test_a_nitro_tpm_document_is_recognised(invoke: Invoke, world: World) -> None:
    """Its owner would look for a fault where there is none."""
    world.document.write_bytes(world.sign_tpm({4: b"\x04" * 48, 7: b"\x07" * 48}))
    outcome = invoke("inspect", world.document)
    assert outcome.code == 0
    assert "a NitroTPM document, not an enclave's" in outcome.text
    assert "COSE_Sign1 untagged" in outcome.text
    assert "boot binaries" in outcome.text
    assert "instance id of the parent" not in outcome.text
    assert "debug mode" not in outcome.text
    assert json.loads(invoke("inspect", world.document, "--json").stdout)["kind"] == "nitro-tpm"


def test_every_genuine_document_can_be_inspected_and_its_identities_agree(
    invoke: Invoke, genuine_documents: list[Path]
) -> None:
    """The page was drawn for make-believe documents only."""
    for path in genuine_documents:
        body = _inspected(invoke, path)
        assert [tie["outcome"] for tie in body["identity"]] == ["agrees"] * 3, path.name
        assert body["certificates"][0]["known_as"] == "aws-nitro-root-g1"
        assert invoke("inspect", path).code == 0


def _inspected(invoke: Invoke, path: Path) -> dict[str, list[dict[str, str]]]:
    document: dict[str, list[dict[str, str]]] = json.loads(invoke("inspect", path, "--json").stdout)["document"]
    return document
