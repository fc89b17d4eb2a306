"""One document, every check, and an exit code that is no verdict."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuer.nsm import SoftwareNsm, ThrowawayPki
from tests.unit.verifier.cli.world import BOOT, NONCE, Invoke, World
from verifier import Keyring, NonceKey, NonceService

AT = "2026-01-31T12:00:01Z"
KEY = bytes(range(32))


def options(world: World) -> list[str | Path]:
    return ["--policy", world.policy, "--anchor", world.pinned_root, "--nonce", NONCE.hex(), "--at", AT]


def test_nothing_wrong_exits_0_and_says_that_it_is_no_verdict(invoke: Invoke, world: World) -> None:
    """A script would take an explanation for an affirmation, or find a mistake where there is none."""
    outcome = invoke("explain", world.document, *options(world), COLUMNS="80")
    assert outcome.code == 0
    assert "explanation, not a verdict" in outcome.text
    assert "nothing is wrong in 14 checks" in outcome.text
    assert "affirmed" not in outcome.text
    assert max(map(len, outcome.stdout.decode().splitlines())) <= 80


def test_a_failed_check_exits_1_with_what_differs_and_what_to_do(invoke: Invoke, world: World) -> None:
    """An operator would have to compare hexadecimal digits by eye."""
    other = SoftwareNsm(clock=lambda: BOOT, pki=world.pki, build="another")
    world.document.write_bytes(other.attestation(nonce=b"another"))
    outcome = invoke("explain", world.document, *options(world))
    assert outcome.code == 1
    assert "2 of 14 checks failed: build, nonce" in outcome.text
    assert "nearest is build hello; what differs: the whole image" in outcome.text
    assert "-> The image was rebuilt" in outcome.text


def test_what_is_not_proven_is_marked_all_the_way_down(invoke: Invoke, world: World) -> None:
    """A forger's measurements would look like an enclave's."""
    stranger = SoftwareNsm(clock=lambda: BOOT, pki=ThrowawayPki(seed=bytes(32)), build="hello")
    world.document.write_bytes(stranger.attestation(nonce=NONCE))
    text = invoke("explain", world.document, *options(world)).text
    assert "Who made this is NOT proven" in text
    assert "(of an unproven document)" in text
    for section in ("beside the policy's builds unproven", "certificates unproven", "identity unproven"):
        assert section in text


def test_what_cannot_be_read_is_explained_too(invoke: Invoke, world: World) -> None:
    """Whoever sends the wrong bytes would be told of nothing at all."""
    world.document.write_bytes(b"noise")
    outcome = invoke("explain", world.document, *options(world))
    assert outcome.code == 1
    assert "envelope.malformed" in outcome.text
    assert "- build" in outcome.text


def test_an_expired_document_is_told_from_a_forged_one(invoke: Invoke, world: World) -> None:
    """Somebody would look for an attacker where there is an old file."""
    outcome = invoke("explain", world.document, *options(world)[:-2])
    assert "but its certificates are not valid at this time" in outcome.text
    assert "not now: the time was given" not in outcome.text
    own_time = invoke("explain", world.document, *options(world)[:-1], "document")
    assert (own_time.code, "not now: the time was given" in own_time.text) == (0, True)


def test_without_a_policy_the_origin_is_explained_and_the_policy_missed(invoke: Invoke, world: World) -> None:
    """Whoever has no policy yet could not look at a document."""
    outcome = invoke("explain", world.document, "--anchor", world.pinned_root, "--at", AT)
    assert outcome.code == 1
    assert "checks failed: policy" in outcome.text


def test_json_is_what_the_service_answers_and_cannot_drive_a_terminal(invoke: Invoke, world: World) -> None:
    """Programs would need two readers, or a document's texts would reach the terminal."""
    world.document.write_bytes(world.sign({"\x9b31m\u202e\x1b[2J": 1}))
    outcome = invoke("explain", world.document, *options(world), "--json")
    facts = json.loads(outcome.stdout)["explanation"]
    assert outcome.stdout.decode("ascii").strip().isprintable()
    assert facts["unaffirmed"]["unrecognised_fields"] == ["\\x9b31m\\u202e\\x1b[2J"]


def test_builds_beside_one_another_are_few_and_all_are_counted(invoke: Invoke, world: World) -> None:
    """A policy of many builds would fill the screen, or hide that there are more."""
    table = world.policy.read_text()
    others = "".join(
        f'\n[[build]]\nname = "b{number}"\nnot_after = 2020-01-01T00:00:00Z\n'
        f'pcrs = {{ 0 = "{number:02x}{"11" * 47}", 1 = "{"22" * 48}", 2 = "{"33" * 48}", 8 = "{"44" * 48}" }}\n'
        for number in range(1, 6)
    )
    world.policy.write_text(table + others)
    outcome = invoke("explain", world.document, *options(world), COLUMNS="80")
    assert outcome.code == 0
    assert "the nearest 3 of 6 builds" in outcome.text
    assert "window open closed closed" in outcome.text


def test_a_service_s_key_shows_when_its_nonce_ends(invoke: Invoke, world: World) -> None:
    """Whether a nonce was too old could be found out in the service alone."""
    key_file = world.write("nonce.key", KEY.hex())
    key_file.chmod(0o600)
    nonces = NonceService(Keyring(current=NonceKey(id=1, secret=KEY)), audience="nitro-verifier")
    at = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
    issued = nonces.issue(at=at - 5000, ttl=6, policy="payments").value
    world.document.write_bytes(world.nsm().attestation(nonce=issued))
    common = ["--policy", world.policy, "--anchor", world.pinned_root, "--nonce-key-file", key_file]
    good = invoke("explain", world.document, *common, "--at", "2026-01-31T12:00:00Z")
    late = invoke("explain", world.document, *common, "--at", "2026-01-31T12:00:02Z")
    assert (good.code, late.code) == (0, 1)
    assert "nonce good until 2026-01-31 12:00:01Z 1 s before" in late.text
    assert "1 s after" in good.text


@pytest.mark.parametrize(
    "arguments",
    [["/nonexistent"], ["{document}", "--nonce", "!"], ["{document}", "--at", "x"], ["{document}", "--audience", "a"]],
)
def test_wrong_usage_exits_2(invoke: Invoke, world: World, arguments: list[str]) -> None:
    """A mistyped command would look like a failed check."""
    outcome = invoke("explain", *(argument.format(document=world.document) for argument in arguments))
    assert (outcome.code, outcome.stdout) == (2, b"")
