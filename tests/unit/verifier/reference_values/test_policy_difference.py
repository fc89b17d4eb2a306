"""Everything that two policies ask for otherwise, and which way it goes."""

from dataclasses import replace

import pytest

from tests.support.core import build, policy
from verifier import Policy, read_policy
from verifier.policy.canonical import write_policy
from verifier.policy.model import Build
from verifier.reference_values.difference import compare_policies
from verifier.reference_values.policy_difference import Effect, changed_settings, effect_on_build

A, B, C = ("aa" * 48, "bb" * 48, "cc" * 48)
IMAGE = f'pcrs = {{ 0 = "{A}", 1 = "{A}", 2 = "{A}" }}\n'
BUILD = f'[[build]]\nname = "v1"\n{IMAGE}'
ROLE = '[require]\npcr3_role_arn = ["arn:aws:iam::123456789012:role/{}"]\n'
DIGEST = f'[require]\nuser_data = {{ sha256 = ["{"bb" * 32}"] }}\n'
END = "not_after = 2027-01-01T00:00:00Z\n"
NEXT = f'[[shadow]]\nname = "v2"\npcrs = {{ 0 = "{B}", 1 = "{B}", 2 = "{B}" }}\n'


def deny(*pcrs: str) -> str:
    return '[[deny]]\nname = "old"\npcrs = { ' + ", ".join(pcrs) + " }\n"


def key(rule: str) -> str:
    return f"[require]\npublic_key = {{ {rule} }}\n"


# From the first to the second text, each after one build: what is named, and what it does; the way back is the reverse.
PAIRS = {
    "max_age": ('max_age = "1m"\n' + BUILD, 'max_age = "2m"\n' + BUILD, "max_age"),
    "clock_skew": ('clock_skew = "1s"\n' + BUILD, 'clock_skew = "2s"\n' + BUILD, "clock_skew"),
    "nonce": ('nonce = "required"\n' + BUILD, 'nonce = "caller"\n' + BUILD, "nonce"),
    "no nonce": ('nonce = "caller"\n' + BUILD, 'nonce = "none"\n' + BUILD, "nonce"),
    "debug": (BUILD, 'debug = "allow"\n' + BUILD, "debug"),
    "an end": (BUILD + "not_after = 2027-01-01T00:00:00Z\n", BUILD, "build v1: not_after"),
    "a later end": (
        BUILD + "not_after = 2027-01-01T00:00:00Z\n",
        BUILD + "not_after = 2027-01-01T00:00:00-01:00\n",
        "build v1: not_after",
    ),
    "a beginning": (BUILD + "not_before = 2027-01-01T00:00:00Z\n", BUILD, "build v1: not_before"),
    "an earlier beginning": (
        BUILD + "not_before = 2027-01-02T00:00:00Z\n",
        BUILD + "not_before = 2027-01-01T00:00:00Z\n",
        "build v1: not_before",
    ),
    "a deny entry": (BUILD + deny(f'0 = "{B}"'), BUILD, "deny old"),
    "a deny entry that asks for more": (
        BUILD + deny(f'0 = "{B}"'),
        BUILD + deny(f'0 = "{B}"', f'1 = "{B}"'),
        "deny old",
    ),
    "a second deny entry of one name": (
        BUILD + deny(f'0 = "{B}"') + deny(f'0 = "{C}"'),
        BUILD + deny(f'0 = "{B}"'),
        "deny old",
    ),
    "a role": (BUILD + ROLE.format("a"), BUILD, "require.pcr3_role_arn"),
    "a role more": (
        BUILD + ROLE.format("a"),
        BUILD + ROLE.format('a", "arn:aws:iam::123456789012:role/b'),
        "require.pcr3_role_arn",
    ),
    "an instance": (BUILD + '[require]\npcr4_instance_id = ["i-01234567"]\n', BUILD, "require.pcr4_instance_id"),
    "a signer": (BUILD + f'[require]\npcr8 = ["{B}"]\n', BUILD, "require.pcr8"),
    "a key": (BUILD + key('kind = "raw", lengths = [32]'), BUILD, "require.public_key"),
    "a key's sizes": (
        BUILD + key('kind = "rsa", bits = [4096]'),
        BUILD + key('kind = "rsa", bits = [2048, 4096]'),
        "require.public_key",
    ),
    "user data": (BUILD + DIGEST, BUILD, "require.user_data.sha256"),
    "known fields": (BUILD + "[require]\nknown_fields_only = true\n", BUILD, "require.known_fields_only"),
    "a shadow policy that comes into force": ('shadow_of = "q"\n' + BUILD, BUILD, "shadow_of"),
}  # fmt: skip
BOTH_WAYS = {
    "another role": (BUILD + ROLE.format("a"), BUILD + ROLE.format("b"), "require.pcr3_role_arn"),
    "another kind of key": (
        BUILD + key('kind = "rsa", bits = [2048]'),
        BUILD + key('kind = "ec", curves = ["secp384r1"]'),
        "require.public_key",
    ),
    "another denied build": (BUILD + deny(f'0 = "{B}"'), BUILD + deny(f'0 = "{C}"'), "deny old"),
}
NEITHER_WAY = {
    "a shadow build": (BUILD, BUILD + NEXT, "shadow v2"),
    "a shadow build's PCRs": (BUILD + NEXT, BUILD + NEXT.replace(B, C), "shadow v2"),
    "a shadow build's window": (BUILD + NEXT, BUILD + NEXT + END, "shadow v2: not_after"),
    "a name": (BUILD, 'name = "q"\n' + BUILD, "name"),
    "a build's name": (BUILD, BUILD.replace("v1", "v2"), "order and names"),
    "whom it shadows": ('shadow_of = "q"\n' + BUILD, 'shadow_of = "r"\n' + BUILD, "shadow_of"),
}  # fmt: skip
REVERSE = {Effect.LOOSER: Effect.TIGHTER, Effect.BOTH: Effect.BOTH, Effect.NONE: Effect.NONE}


def changes(before: Policy, after: Policy) -> list[tuple[str, Effect]]:
    builds = compare_policies(
        {build.name: build.pcrs for build in before.builds}, {build.name: build.pcrs for build in after.builds}
    )
    found = changed_settings(before, after, builds)
    assert all(change.before != change.after for change in found)
    return [(change.key, change.effect) for change in found]


@pytest.mark.parametrize(
    ("before", "after", "name", "effect"),
    [(*pair, Effect.LOOSER) for pair in PAIRS.values()]
    + [(*pair, Effect.BOTH) for pair in BOTH_WAYS.values()]
    + [(*pair, Effect.NONE) for pair in NEITHER_WAY.values()],
    ids=[*PAIRS, *BOTH_WAYS, *NEITHER_WAY],
)
def test_a_change_is_named_with_its_direction(before: str, after: str, name: str, effect: Effect) -> None:
    """A policy that was made lax would be shown as the same, or as stricter."""
    old, new = read_policy(before, name="p"), read_policy(after, name="p")
    assert changes(old, new) == [(name, effect)]
    assert changes(new, old) == [(name, REVERSE[effect])]
    assert changes(old, old) == []


def test_another_mode_or_kind_of_evidence_is_named() -> None:
    """The rules by which all builds are known would change unseen."""
    both = {0: b"\1" * 48, 1: b"\1" * 48, 2: b"\1" * 48, 4: b"\1" * 48, 8: b"\1" * 48, 12: b"\1" * 48}
    image = policy(builds=(Build(name="v1", pcrs=both),))
    text = write_policy(image)
    signer = read_policy(text.replace('mode = "image"', 'mode = "signer"'))
    tpm = read_policy(text.replace('evidence = "enclave"', 'evidence = "nitro-tpm"'))
    assert changes(image, signer) == [("mode", Effect.LOOSER)]
    assert changes(signer, image) == [("mode", Effect.TIGHTER)]
    assert changes(image, tpm) == [("evidence", Effect.BOTH)]


def test_another_order_of_builds_is_named() -> None:
    """A result would name another build, and nobody would know why."""
    one, other = build(name="a"), build(name="b")
    swapped = policy(builds=(other, one))
    assert changes(policy(builds=(one, other)), swapped) == [("order of builds", Effect.NONE)]
    assert changes(policy(builds=(one, other)), replace(swapped, builds=(other,))) == []


def test_other_pcrs_of_a_build_have_a_direction() -> None:
    """A build that asks for less would pass for another build."""
    image, signed = {0: b"0", 1: b"1"}, {0: b"0", 1: b"1", 8: b"8"}
    assert effect_on_build(signed, image) is Effect.LOOSER
    assert effect_on_build(image, signed) is Effect.TIGHTER
    assert effect_on_build(image, {0: b"1", 1: b"1"}) is Effect.BOTH
    assert effect_on_build(image, dict(image)) is Effect.NONE
