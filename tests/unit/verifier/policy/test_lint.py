"""Policies that say more than their authors may have meant."""

from datetime import UTC, datetime, timedelta

import pytest

from verifier.policy.lint import lint_policy
from verifier.policy.lint_codes import LintCode, Severity
from verifier.policy.lint_text import lint_text
from verifier.policy.reader import read_policy

AT = datetime(2026, 6, 1, tzinfo=UTC)
A, B, ZERO = "aa" * 48, "bb" * 48, "00" * 48
TPM = 'evidence = "nitro-tpm"\n'
IMAGE = f'0 = "{A}", 1 = "{A}", 2 = "{A}"'


def build(name: str = "v1", pcrs: str = IMAGE, more: str = "") -> str:
    return f'[[build]]\nname = "{name}"\npcrs = {{ {pcrs} }}\n{more}\n'


def shadow(pcrs: str = f'0 = "{B}", 1 = "{A}", 2 = "{A}"', more: str = "") -> str:
    return f'[[shadow]]\nname = "next"\npcrs = {{ {pcrs} }}\n{more}\n'


def codes(text: str) -> list[str]:
    return [lint.code.value for lint in lint_policy(read_policy(text, name="p"), AT)]


CASES = {
    "a strict policy": (build(), []),
    "debug mode, and a build that debug mode cannot tell from others": (
        'debug = "allow"\n' + build(),
        ["debug-allowed", "debug-matches-any"],
    ),
    "debug mode of one's own role only": (
        'debug = "allow"\n' + build() + '[require]\npcr3_role_arn = ["arn:aws:iam::123456789012:role/Web"]\n',
        ["debug-allowed"],
    ),
    "debug mode with a build that names its signer": (
        'debug = "allow"\n' + build(pcrs=f'{IMAGE}, 8 = "{A}"'),
        ["debug-allowed"],
    ),
    "no nonce": ('nonce = "none"\n' + build(), ["nonce-none"]),
    "a caller's nonce": ('nonce = "caller"\n' + build(), []),
    "an age of an hour": ('max_age = "1h"\n' + build(), []),
    "an age of more than an hour": ('max_age = "61m"\n' + build(), ["max-age-long"]),
    "an age that outlives every certificate": ('max_age = "3h"\n' + build(), ["max-age-void"]),
    "a skew of five minutes": ('clock_skew = "5m"\n' + build(), []),
    "a skew of more than five minutes": ('clock_skew = "301s"\n' + build(), ["clock-skew-long"]),
    "the only build expired": (
        build(more="not_after = 2026-05-31T00:00:00Z"),
        ["build-expired", "all-builds-expired"],
    ),
    "one of two builds expired": (
        build("v1", more="not_after = 2026-05-31T00:00:00Z") + build("v2", f'0 = "{B}", 1 = "{A}", 2 = "{A}"'),
        ["build-expired"],
    ),
    "a build that expires in a week": (build(more="not_after = 2026-06-08T00:00:00Z"), ["build-expires-soon"]),
    "a build that expires in a month": (build(more="not_after = 2026-07-01T00:00:00Z"), []),
    "a build that is trusted from tomorrow on": (
        build(more="not_before = 2026-06-02T00:00:00Z"),
        ["build-not-yet-valid"],
    ),
    "a build that another one hides": (build("v1") + build("v2", f'{IMAGE}, 8 = "{B}"'), ["build-hidden"]),
    "a build that outlives the one that hides it": (
        build("v1", more="not_after = 2027-01-01T00:00:00Z") + build("v2", f'{IMAGE}, 8 = "{B}"'),
        [],
    ),
    "a build that is older than the one that hides it": (
        build("v1", more="not_before = 2026-01-01T00:00:00Z") + build("v2", f'{IMAGE}, 8 = "{B}"'),
        [],
    ),
    "a build inside the window of the one that hides it": (
        build("v1", more="not_before = 2026-01-01T00:00:00Z\nnot_after = 2028-01-01T00:00:00Z")
        + build(
            "v2",
            f'{IMAGE}, 8 = "{B}"',
            "not_before = 2026-02-01T00:00:00Z\nnot_after = 2027-01-01T00:00:00Z",
        ),
        ["build-hidden"],
    ),
    "the narrower build first": (build("v1", f'{IMAGE}, 8 = "{B}"') + build("v2"), []),
    "a deny entry of zeros": (
        build() + f'[[deny]]\nname = "unsigned"\npcrs = {{ 8 = "{ZERO}" }}\n',
        ["deny-unmeasured"],
    ),
    "a deny entry of debug mode": (build() + f'[[deny]]\nname = "debug"\npcrs = {{ 0 = "{ZERO}" }}\n', []),
    "a shadow build": (build() + shadow(), []),
    "a shadow build that is in force": (build() + shadow(pcrs=IMAGE), ["shadow-in-force"]),
    "a shadow build of a build that has ended": (
        build(more="not_after = 2026-05-31T00:00:00Z")
        + build("v3", f'0 = "{A}", 1 = "{B}", 2 = "{B}"')
        + shadow(pcrs=IMAGE),
        ["build-expired"],
    ),
    "a shadow build that is denied, and has ended": (
        build() + shadow(more="not_after = 2026-05-31T00:00:00Z") + f'[[deny]]\nname = "bad"\npcrs = {{ 0 = "{B}" }}\n',
        ["shadow-unreachable"],
    ),
    "a shadow build whose signer is not the required one": (
        build() + shadow(pcrs=f'0 = "{B}", 1 = "{A}", 2 = "{A}", 8 = "{A}"') + f'[require]\npcr8 = ["{B}"]\n',
        ["shadow-unreachable"],
    ),
    "an instance by its boot": (TPM + build(pcrs=f'4 = "{A}", 12 = "{ZERO}"'), []),
    "an instance by what it can reset": (
        TPM + build(pcrs=f'4 = "{A}", 12 = "{ZERO}", 0 = "{A}", 23 = "{A}"'),
        ["tpm-resettable", "tpm-firmware-pinned"],
    ),
    "a deny entry of an instance with no command line": (
        TPM + build(pcrs=f'4 = "{A}", 12 = "{B}"') + f'[[deny]]\nname = "bare"\npcrs = {{ 12 = "{ZERO}" }}\n',
        [],
    ),
    "two builds with the same PCRs": (build("v1") + build("v2"), ["build-duplicate"]),
    "a build that is denied by one of its PCRs": (
        build() + f'[[deny]]\nname = "bad"\npcrs = {{ 0 = "{A}" }}\n',
        ["build-denied"],
    ),
    "a denied build that is no other": (build() + f'[[deny]]\nname = "bad"\npcrs = {{ 0 = "{B}" }}\n', []),
    "a build whose signer is not the required one": (
        build(pcrs=f'{IMAGE}, 8 = "{A}"') + f'[require]\npcr8 = ["{B}"]\n',
        ["build-contradicted"],
    ),
    "a build whose signer is the required one": (
        build(pcrs=f'{IMAGE}, 8 = "{A}"') + f'[require]\npcr8 = ["{A}"]\n',
        [],
    ),
    "a build whose role and instance are not the required ones": (
        build(pcrs=f'{IMAGE}, 3 = "{A}", 4 = "{A}"')
        + '[require]\npcr3_role_arn = ["arn:aws:iam::123456789012:role/Web"]\n'
        + 'pcr4_instance_id = ["i-0123456789abcdef0"]\n',
        ["build-contradicted", "build-contradicted", "instance-pinned", "role-opaque", "instance-pinned"],
    ),
    "any image of a signer": ('mode = "signer"\n' + build(pcrs=f'8 = "{A}"'), ["signer-any-image"]),
    "any image of a signer but the denied": (
        'mode = "signer"\n' + build(pcrs=f'8 = "{A}"') + f'[[deny]]\nname = "bad"\npcrs = {{ 0 = "{B}" }}\n',
        [],
    ),
    "an image of a signer, named in part": (
        'mode = "signer"\n' + build(pcrs=f'8 = "{A}", 0 = "{A}"'),
        ["build-image-partly"],
    ),
    "an image of a signer": ('mode = "signer"\n' + build(pcrs=f'{IMAGE}, 8 = "{A}"'), []),
    "a PCR3 of no role": (build(pcrs=f'{IMAGE}, 3 = "{ZERO}"'), []),
}


TEXTS = {
    "a policy": (build(), []),
    "a policy with a lint": ('nonce = "none"\n' + build(), ["nonce-none"]),
    "values of describe-eif": ("# Measurements: nitro-cli describe-eif.\n" + build(), ["measured-by-describe-eif"]),
    "values of build-enclave": ("# Measurements: nitro-cli build-enclave.\n" + build(), []),
    "PCR0 alone": (build(pcrs=f'0 = "{A}"'), ["pcr0-alone", "policy-invalid"]),
    "PCR0 alone in a shadow build": (build() + shadow(pcrs=f'0 = "{B}"'), ["pcr0-alone", "policy-invalid"]),
    "PCR1 and PCR2 alone": (build(pcrs=f'1 = "{A}", 2 = "{A}"'), ["policy-invalid"]),
    "zeros": (build(pcrs=f'0 = "{ZERO}", 1 = "{A}", 2 = "{ZERO}"'), ["pcr-zero", "policy-invalid", "policy-invalid"]),
    "zeros beside another mistake, where debug mode is allowed": (
        'x = 1\ndebug = "allow"\n' + build(pcrs=f'0 = "{ZERO}", 1 = "{ZERO}", 2 = "{ZERO}"'),
        ["policy-invalid"],
    ),
    "PCR0 alone of a signer, beside another mistake": (
        'x = 1\nmode = "signer"\n' + build(pcrs=f'0 = "{A}", 8 = "{A}"'),
        ["policy-invalid"],
    ),
    "PCR0 alone of an instance": (TPM + build(pcrs=f'0 = "{ZERO}"'), ["policy-invalid"]),
    "a wish not to check the path": ("skip_chain = true\n" + build(), ["path-not-optional", "policy-invalid"]),
    "the same in [require]": (
        build() + "[require]\nroot_certificate = 1\n",
        ["path-not-optional", "policy-invalid"],
    ),
    "builds that are none": ("build = 1\nshadow = [1, {}, { pcrs = 1 }]\n", ["policy-invalid"] * 3),
    "no TOML": ("[", ["policy-invalid"]),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_text_has_exactly_these_lints(text: str, expected: list[str]) -> None:
    """A mistake that has a page of its own would be one of many, or a policy that is refused would be clean."""
    found = lint_text(text, name="p", at=AT)
    assert [lint.code.value for lint in found] == expected
    assert all(lint.detail for lint in found)


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_policy_has_exactly_these_lints(text: str, expected: list[str]) -> None:
    """A policy that lets too much through would look fine, or a good one would be nagged about."""
    assert codes(text) == expected


def test_the_end_of_a_build_s_window_is_judged_at_the_given_time() -> None:
    """A lint would depend on a clock that nobody set."""
    policy = read_policy(build(more="not_after = 2026-06-01T00:00:00Z"), name="p")
    assert [lint.code for lint in lint_policy(policy, AT)] == [LintCode.BUILD_EXPIRES_SOON]
    late = lint_policy(policy, AT + timedelta(milliseconds=1))
    assert [lint.code for lint in late] == [LintCode.BUILD_EXPIRED, LintCode.ALL_BUILDS_EXPIRED]


def test_every_code_is_met_by_a_case_and_has_advice() -> None:
    """A code could be unreachable, or leave its reader without an answer."""
    met = {code for _, expected in (*CASES.values(), *TEXTS.values()) for code in expected}
    assert met == {code.value for code in LintCode}
    assert all(code.advice.endswith(".") for code in LintCode)
    assert {code for code in LintCode if code.severity is Severity.NOTE} == {
        LintCode.BUILD_EXPIRES_SOON,
        LintCode.BUILD_NOT_YET_VALID,
        LintCode.TPM_FIRMWARE_PINNED,
        LintCode.INSTANCE_PINNED,
        LintCode.ROLE_OPAQUE,
    }
    assert {code for _, expected in CASES.values() for code in expected} == {
        code.value for code in LintCode if code.severity is not Severity.ERROR
    } - {"measured-by-describe-eif"}
