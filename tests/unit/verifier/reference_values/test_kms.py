"""Policies as conditions of a KMS key policy."""

import json
from datetime import UTC, datetime

import pytest

from verifier import ConfigurationError, Policy, read_policy
from verifier.policy.measurements import pcr_of_text
from verifier.reference_values.key_policy import read_key_policy
from verifier.reference_values.kms import PLACEHOLDER_PRINCIPAL, KeyPolicy, Statement, key_policy
from verifier.reference_values.kms_lint import lint_key_policy

A, B, ZERO = "aa" * 48, "bb" * 48, "00" * 48
IMAGE = f'pcrs = {{ 0 = "{A}", 1 = "{A}", 2 = "{A}" }}\n'
BUILD = f'[[build]]\nname = "v1.4.2"\n{IMAGE}'
ROLE, OTHER_ROLE = (f"arn:aws:iam::123456789012:role/{name}" for name in ("payments", "other"))
KEY = "kms:RecipientAttestation:PCR"


def policy(text: str) -> Policy:
    return read_policy(text, name="payments")


def only(written: KeyPolicy) -> Statement:
    (statement,) = written.statements
    return statement


def test_a_build_becomes_a_statement_on_its_three_pcrs() -> None:
    """A key would be given to another image than the policy trusts."""
    assert only(key_policy(policy(BUILD), (ROLE,))) == {
        "Sid": "Allow v1 4 2",
        "Effect": "Allow",
        "Principal": {"AWS": ROLE},
        "Action": ["kms:Decrypt", "kms:DeriveSharedSecret", "kms:GenerateDataKey", "kms:GenerateDataKeyPair"],
        "Resource": "*",
        "Condition": {"StringEqualsIgnoreCase": {f"{KEY}0": A, f"{KEY}1": A, f"{KEY}2": A}},
    }


def test_each_build_has_a_statement_of_its_own() -> None:
    """One build's image would be served with another's signer."""
    other = BUILD.replace("v1.4.2", "v2").replace(A, B)
    statements = key_policy(policy(BUILD + other)).statements
    assert [statement["Sid"] for statement in statements] == ["Allow v1 4 2", "Allow v2"]


CONDITIONS: dict[str, tuple[str, dict[str, dict[str, object]]]] = {
    "a role": (
        BUILD + f'[require]\npcr3_role_arn = ["{ROLE}"]\n',
        {"StringEqualsIgnoreCase": {f"{KEY}3": pcr_of_text(ROLE).hex()}},
    ),
    "one of two roles": (
        BUILD + f'[require]\npcr3_role_arn = ["{ROLE}", "{OTHER_ROLE}"]\n',
        {"StringEqualsIgnoreCase": {f"{KEY}3": [pcr_of_text(ROLE).hex(), pcr_of_text(OTHER_ROLE).hex()]}},
    ),
    "an instance": (
        BUILD + '[require]\npcr4_instance_id = ["i-0123456789abcdef0"]\n',
        {"StringEqualsIgnoreCase": {f"{KEY}4": pcr_of_text("i-0123456789abcdef0").hex()}},
    ),
    "a signer": (BUILD + f'[require]\npcr8 = ["{B}"]\n', {"StringEqualsIgnoreCase": {f"{KEY}8": B}}),
    "the build's signer, of two that are required": (
        BUILD.replace(" }", f', 8 = "{B}" }}') + f'[require]\npcr8 = ["{A}", "{B}"]\n',
        {"StringEqualsIgnoreCase": {f"{KEY}8": B}},
    ),
    "a window": (
        BUILD.replace("pcrs", "not_before = 2026-01-01T01:00:00+01:00\nnot_after = 2027-01-31T00:00:00Z\npcrs"),
        {
            "DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-01T00:00:00Z"},
            "DateLessThanEquals": {"aws:CurrentTime": "2027-01-31T00:00:00Z"},
        },
    ),
    "a signer alone, and no debug mode": (
        f'mode = "signer"\n[[build]]\npcrs = {{ 8 = "{B}" }}\n',
        {
            "StringEqualsIgnoreCase": {f"{KEY}8": B},
            "StringNotEqualsIgnoreCase": {f"{KEY}0": ZERO, f"{KEY}1": ZERO, f"{KEY}2": ZERO},
        },
    ),
}


@pytest.mark.parametrize(("text", "expected"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_what_the_policy_requires_is_in_the_condition(text: str, expected: dict[str, dict[str, object]]) -> None:
    """A key policy that seems to say the same would say less."""
    condition = only(key_policy(policy(text)))["Condition"]
    assert isinstance(condition, dict)
    for operator, keys in expected.items():
        assert condition[operator].items() >= keys.items()


def test_a_signers_statement_without_an_image_that_names_all_pcrs_has_no_empty_condition() -> None:
    """KMS would refuse the key policy."""
    text = f'mode = "signer"\n[[build]]\npcrs = {{ 0 = "{A}", 1 = "{A}", 2 = "{A}", 8 = "{B}" }}\n'
    assert only(key_policy(policy(text)))["Condition"] == {
        "StringEqualsIgnoreCase": {f"{KEY}0": A, f"{KEY}1": A, f"{KEY}2": A, f"{KEY}8": B}
    }


def test_a_denied_build_is_denied_to_everybody() -> None:
    """A revoked build would still get its secrets."""
    denied = f'[[deny]]\nname = "leaky"\npcrs = {{ 0 = "{B}" }}\n'
    _, statement = key_policy(policy(BUILD + denied)).statements
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Condition"] == {"StringEqualsIgnoreCase": {f"{KEY}0": B}}


@pytest.mark.parametrize(
    ("text", "principals", "expected"),
    [
        (BUILD, (), PLACEHOLDER_PRINCIPAL),
        (BUILD, (ROLE, OTHER_ROLE), [ROLE, OTHER_ROLE]),
        (BUILD + f'[require]\npcr3_role_arn = ["{ROLE}"]\n', (), ROLE),
        (BUILD + f'[require]\npcr3_role_arn = ["{ROLE}"]\n', (OTHER_ROLE,), OTHER_ROLE),
    ],
)
def test_principals_are_those_given_or_the_required_roles(
    text: str, principals: tuple[str, ...], expected: object
) -> None:
    """A statement would allow everybody, or somebody nobody named."""
    assert only(key_policy(policy(text), principals))["Principal"] == {"AWS": expected}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'debug = "allow"\n[[build]]\npcrs = {{ 0 = "{ZERO}", 1 = "{A}", 2 = "{A}" }}\n', "expects zeros"),
        (BUILD.replace(" }", f', 8 = "{B}" }}') + f'[require]\npcr8 = ["{A}"]\n', "does not allow"),
    ],
)
def test_a_build_that_no_statement_may_stand_for_is_refused(text: str, problem: str) -> None:
    """Debug enclaves of anybody would be given the key."""
    with pytest.raises(ConfigurationError, match=problem):
        key_policy(policy(text))


EVERYTHING = (
    'debug = "allow"\n'
    + BUILD
    + '[require]\npublic_key = { kind = "raw", lengths = [32] }\nuser_data = { sha256 = ["'
    + "bb" * 32
    + '"] }\nknown_fields_only = true\n'
)


@pytest.mark.parametrize(
    ("text", "unsaid"),
    [
        (BUILD, ["max_age", "nonce"]),
        ('nonce = "none"\n' + BUILD, ["max_age"]),
        (
            EVERYTHING,
            [
                "max_age",
                "nonce",
                "require.public_key",
                "require.user_data",
                "require.known_fields_only",
                'debug = "allow"',
            ],
        ),
    ],
)
def test_what_kms_cannot_compare_is_named(text: str, unsaid: list[str]) -> None:
    """Somebody would count on KMS for freshness."""
    assert [line.partition(":")[0] for line in key_policy(policy(text)).unsaid] == unsaid


@pytest.mark.parametrize("text", [BUILD, *(text for text, _ in CONDITIONS.values())])
def test_what_is_printed_here_has_no_lints(text: str) -> None:
    """The two halves of the command would contradict each other."""
    trusted = policy(text)
    printed = json.dumps({"Version": "2012-10-17", "Statement": key_policy(trusted, (ROLE,)).statements})
    assert lint_key_policy(read_key_policy(printed), trusted) == ()


def test_a_moment_is_written_in_utc() -> None:
    """A build would be served an hour too long."""
    text = BUILD.replace("pcrs", "not_after = 2026-06-30T23:00:00-03:00\npcrs")
    condition = only(key_policy(policy(text)))["Condition"]
    assert isinstance(condition, dict)
    written = condition["DateLessThanEquals"]["aws:CurrentTime"]
    assert datetime.fromisoformat(written) == datetime(2026, 7, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mode", "pcrs"), [("image", {4: A, 12: ZERO}), ("signer", {7: A})], ids=["by boot", "by Secure Boot"]
)
def test_a_nitro_tpm_s_pcrs_have_keys_of_their_own(mode: str, pcrs: dict[int, str]) -> None:
    """An enclave with that PCR would be given an instance's key, or nobody would."""
    table = ", ".join(f'{index} = "{value}"' for index, value in pcrs.items())
    text = (
        f'evidence = "nitro-tpm"\nmode = "{mode}"\n[[build]]\npcrs = {{ {table} }}\n[[deny]]\npcrs = {{ 4 = "{B}" }}\n'
    )
    allow, deny = key_policy(policy(text)).statements
    prefix = "kms:RecipientAttestation:NitroTPMPCR"
    assert allow["Condition"] == {
        "StringEqualsIgnoreCase": {f"{prefix}{index}": value for index, value in pcrs.items()}
    }
    assert deny["Condition"] == {"StringEqualsIgnoreCase": {f"{prefix}4": B}}
