"""Key policies, read and looked over."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import ConfigurationError, Policy, read_policy
from verifier.reference_values.key_policy import MAX_KEY_POLICY_BYTES, read_key_policy
from verifier.reference_values.kms_lint import KmsLintCode, lint_key_policy

A, B, ZERO = "aa" * 48, "bb" * 48, "00" * 48
PREFIX = "kms:RecipientAttestation:"
POLICY = read_policy(f'name = "payments"\n[[build]]\nname = "v1"\npcrs = {{ 0 = "{A}", 1 = "{A}", 2 = "{A}" }}\n')
SIGNER_POLICY = read_policy(f'name = "any"\nmode = "signer"\n[[build]]\nname = "s"\npcrs = {{ 8 = "{B}" }}\n')
ALL = {"PCR0": A, "PCR1": A, "PCR2": A}
EQUALS = "StringEqualsIgnoreCase"


def keys(values: dict[str, Any]) -> dict[str, Any]:
    return {PREFIX + key: value for key, value in values.items()}


def allow(condition: dict[str, Any] | None = None, **changes: object) -> dict[str, Any]:
    """Give a statement that allows decryption, by default only to the build of the policy."""
    usual = {"Effect": "Allow", "Principal": {"AWS": "arn:x"}, "Action": "kms:Decrypt", "Resource": "*"}
    return usual | {"Condition": {EQUALS: keys(ALL)} if condition is None else condition} | changes


def equals(**values: object) -> dict[str, Any]:
    return allow({EQUALS: keys(ALL | values)})


def codes(*statements: dict[str, Any], policy: Policy = POLICY) -> list[str]:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return [lint.code.value for lint in lint_key_policy(read_key_policy(text), policy)]


ABSENT = KmsLintCode.BUILD_ABSENT.value
ADMIN = allow({}, Action=["kms:Describe*", "kms:PutKeyPolicy"])
CASES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "exactly the build": ([allow()], []),
    "the build, in another case where case is not heeded": ([equals(PCR0=A.upper())], []),
    "the build, under its other name alone": (
        [allow({EQUALS: keys({"ImageSha384": A, "PCR1": A, "PCR2": A})})],
        [],
    ),
    "key names in another case": ([allow({EQUALS: {key.upper(): A for key in keys(ALL)}})], []),
    "StringEquals": ([allow({"StringEquals": keys(ALL)})], []),
    "StringLike without a wildcard": ([allow({"StringLike": keys(ALL)})], []),
    "ForAnyValue, which needs a value": ([allow({f"ForAnyValue:{EQUALS}": keys(ALL)})], []),
    "one of several values": ([equals(PCR1=[A, B])], []),
    "other conditions beside it": ([allow({EQUALS: keys(ALL), "Bool": {"aws:SecureTransport": True}})], []),
    "actions that open nothing": ([allow(), ADMIN], []),
    "a Deny, which is not judged": ([allow(), allow({}, Effect="Deny", Action="*")], []),
    "no condition": ([allow(), allow({})], ["kms-unattested"]),
    "no Condition at all": (
        [allow(), {"Effect": "Allow", "Action": "kms:*", "Principal": "*", "Resource": "*"}],
        ["kms-unattested"],
    ),
    "all actions": ([allow(), allow({}, Action="*")], ["kms-unattested"]),
    "some actions by a pattern": ([allow(), allow({}, Action=["kms:Describe*", "kms:Gen*Pair"])], ["kms-unattested"]),
    "an action with a bracket": ([allow(), allow({}, Action="kms:[D]ecrypt")], []),
    "all actions but a few": ([allow(), allow({}, Action=None, NotAction="kms:Decrypt")], ["kms-unattested"]),
    "re-encryption": ([allow(), allow({}, Action="kms:ReEncrypt*")], ["kms-unattested"]),
    "grants": ([allow(), allow({}, Action="kms:CreateGrant")], ["kms-unattested"]),
    "a condition on something else": (
        [allow(), allow({"StringEquals": {"kms:ViaService": "s3"}})],
        ["kms-unattested"],
    ),
    "a negated condition": ([allow(), allow({"StringNotEquals": keys({"PCR0": ZERO})})], ["kms-unattested"]),
    "only PCR0": ([allow({EQUALS: keys({"PCR0": A})})], ["kms-pcr-missing"]),
    "only ImageSha384": ([allow({EQUALS: keys({"ImageSha384": A})})], ["kms-pcr-missing"]),
    "no PCR2": ([allow({EQUALS: keys({"PCR0": A, "PCR1": A})})], ["kms-pcr-missing"]),
    "only the role": ([allow(), allow({EQUALS: keys({"PCR3": A})})], ["kms-any-image"]),
    "only the signer": ([allow(), allow({EQUALS: keys({"PCR8": A})})], ["kms-any-image"]),
    "ImageSha384 beside PCR0": ([equals(ImageSha384=A)], ["kms-image-sha384-and-pcr0"]),
    "zeros": ([equals(PCR0=[A, ZERO])], ["kms-all-zero"]),
    "zeros in PCR8": ([equals(PCR8=ZERO)], ["kms-all-zero"]),
    "a wildcard": (
        [allow({"StringLike": keys(ALL | {"PCR2": "aa*"})})],
        ["kms-operator", "kms-pcr-missing"],
    ),
    "a wildcard of one character": (
        [allow({"StringLike": keys(ALL | {"PCR2": "?" * 96})})],
        ["kms-operator", "kms-pcr-missing"],
    ),
    "a star that is none": ([equals(PCR2="*")], ["kms-value", "kms-pcr-missing"]),
    "if it exists": (
        [allow({f"{EQUALS}IfExists": keys(ALL)})],
        ["kms-operator", "kms-operator", "kms-operator", "kms-unattested", ABSENT],
    ),
    "for all values, of which there may be none": (
        [allow({f"ForAllValues:{EQUALS}": keys({"PCR0": A})})],
        ["kms-operator", "kms-unattested", ABSENT],
    ),
    "that it exists": (
        [allow(), allow({"Null": keys({"PCR0": False})})],
        ["kms-operator", "kms-unattested"],
    ),
    "a value that is too short": ([equals(PCR8="aa" * 32)], ["kms-value"]),
    "a value that is no hex": ([equals(PCR8="zz" * 48)], ["kms-value"]),
    "a value with a prefix": ([equals(PCR8="0x" + A)], ["kms-value"]),
    "two faults of one condition": ([equals(PCR8=["x", "y", ZERO])], ["kms-value", "kms-all-zero"]),
    "upper case where case is heeded": ([allow({"StringEquals": keys(ALL | {"PCR2": A.upper()})})], ["kms-case"]),
    "a PCR that does not exist": ([equals(PCR32=A)], ["kms-key-unknown"]),
    "a PCR with a zero before it": ([equals(PCR08=A)], ["kms-key-unknown"]),
    "a key of NitroTPM": ([equals(NitroTPMPCR4=A)], ["kms-key-unknown"]),
    "another build": ([allow(), allow({EQUALS: keys(dict.fromkeys(ALL, B))})], ["kms-build-unknown"]),
    "another build instead": ([allow({EQUALS: keys(dict.fromkeys(ALL, B))})], ["kms-build-unknown", ABSENT]),
    "nothing": ([], [ABSENT]),
    "values where nothing is opened": (
        [allow(), allow({EQUALS: keys({"PCR0": ZERO})}, Action="kms:Tag*")],
        ["kms-all-zero"],
    ),
}


@pytest.mark.parametrize(("statements", "expected"), CASES.values(), ids=CASES.keys())
def test_each_trap_is_named(statements: list[dict[str, Any]], expected: list[str]) -> None:
    """A key that anyone can use would pass for one that only the enclave can."""
    for statement in statements:
        if statement.get("Action", "") is None:
            del statement["Action"]
    assert codes(*statements) == expected


def test_a_policy_by_signer_is_met_by_a_key_policy_by_signer() -> None:
    """What the policy means would be called a mistake."""
    assert codes(allow({EQUALS: keys({"PCR8": B})}), policy=SIGNER_POLICY) == []
    assert codes(allow({EQUALS: keys({"PCR3": B})}), policy=SIGNER_POLICY) == ["kms-any-image"]


def test_lints_say_where_and_what() -> None:
    """Nobody would find the statement in a long key policy."""
    statements = read_key_policy(json.dumps({"Statement": [allow({}, Sid="Enable IAM"), allow()]}))
    (lint,) = lint_key_policy(statements, POLICY)
    assert (lint.code, lint.where) == (KmsLintCode.UNATTESTED, "statement 1 (Enable IAM)")
    assert lint.detail
    assert all(code.advice for code in KmsLintCode)
    assert [code for code in KmsLintCode if code.is_note] == [KmsLintCode.BUILD_ABSENT]


def test_every_code_has_a_case() -> None:
    """A lint could stop working unnoticed."""
    assert {code for _, expected in CASES.values() for code in expected} == {code.value for code in KmsLintCode}


def test_what_aws_prints_is_read() -> None:
    """Operators would have to unpack the policy by hand."""
    printed = json.dumps({"Policy": json.dumps({"Statement": allow()}), "PolicyName": "default"})
    assert lint_key_policy(read_key_policy(printed), POLICY) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not one JSON value"),
        ("[]", "the policy is not an object"),
        ("{}", "no Statement"),
        ('{"Policy": "{}"}', "no Statement"),
        ('{"Policy": "["}', "not one JSON value"),
        ('{"Statement": ["x"]}', "statement 1 is not an object"),
        ('{"Statement": {"Effect": "allow", "Action": "*"}}', "Effect"),
        ('{"Statement": {"Effect": ["Allow"], "Action": "*"}}', "Effect"),
        ('{"Statement": {"Effect": "Allow"}}', "Action and NotAction"),
        ('{"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*"}}', "Action and NotAction"),
        ('{"Statement": {"Effect": "Allow", "Action": []}}', "list of texts"),
        ('{"Statement": {"Effect": "Allow", "Action": [1]}}', "list of texts"),
        ('{"Statement": {"Effect": "Allow", "Action": "*", "Condition": []}}', "Condition is not an object"),
        ('{"Statement": {"Effect": "Allow", "Action": "*", "Condition": {"x": 1}}}', "x is not an object"),
        (
            json.dumps({"Statement": allow({"x": keys({"PCR0": None})})}),
            "list of texts",
        ),
        ('{"Statement": [], "Statement": []}', "a key occurs twice"),
        (" " * (MAX_KEY_POLICY_BYTES + 1), "longer than"),
    ],
)
def test_what_is_no_key_policy_is_refused_with_a_sentence(text: str, problem: str) -> None:
    """A file that was not understood would be called clean."""
    with pytest.raises(ConfigurationError, match=problem):
        read_key_policy(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["Allow", "*", "kms:Decrypt", A, PREFIX + "PCR0", EQUALS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Statement", "Effect", "Action", "Condition", EQUALS, PREFIX + "PCR0", "Policy"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_linted_or_refused(value: object) -> None:
    """A strange key policy would end in a traceback."""
    try:
        statements = read_key_policy(json.dumps(value))
    except ConfigurationError:
        return
    lint_key_policy(statements, POLICY)
