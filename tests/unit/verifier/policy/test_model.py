from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.core import PCRS, ROLE_ARN, build, policy
from verifier.policy.model import (
    Build,
    DebugMode,
    DeniedBuild,
    KeyKind,
    MeasurementMode,
    Policy,
    PublicKeyRule,
    Requirements,
)
from verifier.reasons import ConfigurationError

IMAGE = {index: PCRS[index] for index in (0, 1, 2)}
SIGNED = {8: PCRS[8]}
ZERO = bytes(48)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def problems(**changes: Any) -> tuple[str, ...]:  # noqa: ANN401 - the fields of a policy, whatever they are
    """Everything that is wrong with the usual policy so changed."""
    try:
        policy(**changes)
    except ConfigurationError as error:
        return error.problems
    return ()


def with_build(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {"builds": (build(**changes),)}


def require(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {"require": Requirements(**changes)}


def key_rule(kind: KeyKind, **sizes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return require(public_key=PublicKeyRule(kind=kind, **sizes))


SIGNER = {"mode": MeasurementMode.SIGNER}
RIGHT: dict[str, dict[str, Any]] = {
    "the usual one": {},
    "a name of 64": {"name": "p" * 64},
    "the longest times": {"max_age_ms": 366 * 86_400_000, "clock_skew_ms": 3_600_000},
    "the shortest times": {"max_age_ms": 1, "clock_skew_ms": 0},
    "zeroes where debug is allowed": {"debug": DebugMode.ALLOW, **with_build(pcrs=dict.fromkeys((0, 1, 2), ZERO))},
    "a signer": {**SIGNER, **with_build(pcrs=SIGNED)},
    "a signer of one image": {**SIGNER, **with_build(pcrs=SIGNED | IMAGE)},
    "a build of all registers": with_build(pcrs=dict.fromkeys(range(32), b"\x01" * 48)),
    "a window": with_build(not_before=NOON, not_after=NOON + timedelta(seconds=1)),
    "an open window": with_build(not_after=NOON),
    "a denied build by one register": {"denied": (DeniedBuild(name="bad", pcrs={0: PCRS[0]}),)},
    "everything required": require(
        pcr3_role_arn=(ROLE_ARN, "arn:aws-us-gov:iam::123456789012:role/path/name"),
        pcr4_instance_id=("i-0123456789abcdef0", "i-01234567"),
        pcr8=(PCRS[8],),
        user_data_sha256=(bytes(32),),
        known_fields_only=True,
    ),
    "RSA": key_rule(KeyKind.RSA, bits=(2048, 8192)),
    "EC": key_rule(KeyKind.EC, curves=("secp256r1", "secp384r1", "secp521r1", "secp256k1")),
    "raw": key_rule(KeyKind.RAW, lengths=(1, 1024)),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_policy_that_means_something_is_constructed(case: str) -> None:
    """An operator could not say what they mean."""
    assert problems(**RIGHT[case]) == ()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "the name must be"),
    "a name of 65": ({"name": "p" * 65}, "the name must be"),
    "a name with a slash": ({"name": "a/b"}, "the name must be"),
    "a name that begins with a dot": ({"name": ".a"}, "the name must be"),
    "a name with a line end": ({"name": "a\n"}, "the name must be"),
    "no age": ({"max_age_ms": 0}, "max_age"),
    "too old": ({"max_age_ms": 366 * 86_400_000 + 1}, "max_age"),
    "a negative skew": ({"clock_skew_ms": -1}, "clock_skew"),
    "too skewed": ({"clock_skew_ms": 3_600_001}, "clock_skew"),
    "no build": ({"builds": ()}, "nothing would ever match"),
    "two builds of one name": ({"builds": (build(), build())}, "two builds are named 'v1'"),
    "a build without a name": (with_build(name=""), "printable"),
    "a build with a long name": (with_build(name="v" * 129), "printable"),
    "a build with an escape in its name": (with_build(name="v\x1b1"), "printable"),
    "a build without PCRs": (with_build(pcrs={}), "match everything"),
    "PCR32": (with_build(pcrs=IMAGE | {32: ZERO}), "PCR32 must be"),
    "a negative index": (with_build(pcrs=IMAGE | {-1: ZERO}), "PCR-1 must be"),
    "a short value": (with_build(pcrs=IMAGE | {4: bytes(47)}), "PCR4 must be"),
    "PCR0 alone": (with_build(pcrs={0: PCRS[0]}), "PCR1 and PCR2 missing"),
    "PCR8 alone without signer mode": (with_build(pcrs=SIGNED), "PCR0 and PCR1 and PCR2 missing"),
    "a zero PCR1": (with_build(pcrs=IMAGE | {1: ZERO}), "PCR1 is all zero"),
    "a zero PCR0 in signer mode": (SIGNER | with_build(pcrs=SIGNED | {0: ZERO}), "PCR0 is all zero"),
    "signer mode without PCR8": (SIGNER, 'mode = "signer" needs PCR8'),
    "signer mode with a zero PCR8": (SIGNER | with_build(pcrs={8: ZERO}), 'mode = "signer" needs PCR8'),
    "a window that ends before it begins": (with_build(not_before=NOON, not_after=NOON), "not earlier"),
    "a window without a zone": (with_build(not_after=datetime(2026, 1, 1)), "need a time zone"),  # noqa: DTZ001
    "a window without a zone at one end": (
        with_build(not_before=datetime(2026, 1, 1), not_after=NOON),  # noqa: DTZ001 - that is the fault
        "need a time zone",
    ),
    "a window beyond the calendar": (
        with_build(not_after=datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))),
        "need a time zone",
    ),
    "a denied build without PCRs": ({"denied": (DeniedBuild(name="bad", pcrs={}),)}, "match everything"),
    "a denied build of PCR32": ({"denied": (DeniedBuild(name="bad", pcrs={32: ZERO}),)}, "PCR32"),
    "no role": (require(pcr3_role_arn=()), "pcr3_role_arn: an empty list"),
    "no instance": (require(pcr4_instance_id=()), "pcr4_instance_id: an empty list"),
    "no signer": (require(pcr8=()), "pcr8: an empty list"),
    "no user_data": (require(user_data_sha256=()), "user_data.sha256: an empty list"),
    "an instance profile": (
        require(pcr3_role_arn=("arn:aws:iam::123456789012:instance-profile/x",)),
        "not the ARN of an IAM role",
    ),
    "a role of a short account": (require(pcr3_role_arn=("arn:aws:iam::1:role/x",)), "not the ARN"),
    "an instance id in capitals": (require(pcr4_instance_id=("i-0123456789ABCDEF0",)), "not an EC2 instance id"),
    "a short instance id": (require(pcr4_instance_id=("i-012345678",)), "not an EC2 instance id"),
    "a zero signer": (require(pcr8=(ZERO,)), "require.pcr8"),
    "a short signer": (require(pcr8=(b"\x01",)), "require.pcr8"),
    "a digest of another size": (require(user_data_sha256=(bytes(48),)), "64 hex digits"),
    "RSA without bits": (key_rule(KeyKind.RSA), 'kind "rsa" needs bits'),
    "EC without curves": (key_rule(KeyKind.EC), 'kind "ec" needs curves'),
    "raw without lengths": (key_rule(KeyKind.RAW), 'kind "raw" needs lengths'),
    "RSA with curves": (key_rule(KeyKind.RSA, bits=(2048,), curves=("secp256r1",)), "curves does not belong"),
    "EC with bits": (key_rule(KeyKind.EC, bits=(2048,), curves=("secp256r1",)), "bits does not belong"),
    "short RSA": (key_rule(KeyKind.RSA, bits=(1024,)), "bits must be 2048"),
    "long RSA": (key_rule(KeyKind.RSA, bits=(16384,)), "bits must be 2048"),
    "a length of zero": (key_rule(KeyKind.RAW, lengths=(0,)), "lengths are in bytes"),
    "a length that no document has": (key_rule(KeyKind.RAW, lengths=(1025,)), "lengths are in bytes"),
    "another name for a curve": (key_rule(KeyKind.EC, curves=("P-384",)), "unknown curve 'P-384'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_policy_that_means_nothing_is_never_constructed(case: str) -> None:
    """It would accept anything, or nothing, and nobody would know before an appraisal."""
    changes, problem = WRONG[case]
    found = problems(**changes)
    assert any(problem in entry for entry in found), found
    assert all(entry.startswith("policy ") for entry in found)


def test_every_problem_is_named_at_once() -> None:
    """An operator would fix a policy in four rounds."""
    found = problems(name="", max_age_ms=0, builds=(), require=Requirements(pcr8=()))
    assert len(found) == 4


def test_a_policy_is_equal_to_another_that_says_the_same() -> None:
    """Reloading an unchanged file would look like a change."""
    same = Policy(name="payments", builds=(Build(name="v1", pcrs=dict(IMAGE)),), nonce=policy().nonce)
    assert same == policy()
    assert same.sha256 == policy().sha256
    assert policy(max_age_ms=1).sha256 != policy().sha256
