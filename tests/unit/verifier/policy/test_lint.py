"""Policies that say more than their authors may have meant."""

from datetime import UTC, datetime, timedelta

import pytest

from verifier.policy.lint import LintCode, lint_policy
from verifier.policy.reader import read_policy

AT = datetime(2026, 6, 1, tzinfo=UTC)
A, B, ZERO = "aa" * 48, "bb" * 48, "00" * 48
IMAGE = f'0 = "{A}", 1 = "{A}", 2 = "{A}"'


def build(name: str = "v1", pcrs: str = IMAGE, more: str = "") -> str:
    return f'[[build]]\nname = "{name}"\npcrs = {{ {pcrs} }}\n{more}\n'


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
    "a PCR3 of no role": (build(pcrs=f'{IMAGE}, 3 = "{ZERO}"'), []),
}


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
    met = {code for _, expected in CASES.values() for code in expected}
    assert met == {code.value for code in LintCode}
    assert all(code.advice.endswith(".") for code in LintCode)
    assert {code for code in LintCode if code.is_note} == {
        LintCode.BUILD_EXPIRES_SOON,
        LintCode.INSTANCE_PINNED,
        LintCode.ROLE_OPAQUE,
    }
