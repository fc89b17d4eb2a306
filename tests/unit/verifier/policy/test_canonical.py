from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.support.core import PCRS, ROLE_ARN, build, policy
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.canonical import write_duration, write_policy
from verifier.policy.model import (
    DebugMode,
    DeniedBuild,
    KeyKind,
    MeasurementMode,
    Policy,
    PublicKeyRule,
    Requirements,
)
from verifier.policy.reader import parse_duration, read_policy

ZONE = timezone(timedelta(hours=2))
POLICIES = {
    "the usual one": policy(),
    "windows": policy(
        builds=(
            build(
                not_before=datetime(2026, 1, 1, tzinfo=UTC), not_after=datetime(2026, 6, 1, 12, 30, 1, 5, tzinfo=ZONE)
            ),
            build(name='"quoted"  \\ ünï — 名', not_after=datetime(2027, 1, 1, tzinfo=UTC)),
        )
    ),
    "denied": policy(denied=(DeniedBuild(name="old", pcrs={31: PCRS[0], 0: PCRS[1]}),)),
    "a signer": policy(mode=MeasurementMode.SIGNER, debug=DebugMode.ALLOW, builds=(build(pcrs={8: PCRS[8]}),)),
    "requirements": policy(
        require=Requirements(
            pcr3_role_arn=(ROLE_ARN, ROLE_ARN + '"\\'),
            pcr4_instance_id=("i-01234567",),
            pcr8=(PCRS[8],),
            public_key=PublicKeyRule(kind=KeyKind.RSA, bits=(2048, 3072)),
            user_data_sha256=(bytes(32), b"\x01" * 32),
            known_fields_only=True,
        )
    ),
    "shadow builds": policy(
        shadows=(build(name="next"), build(name="last", not_before=datetime(2026, 1, 1, tzinfo=UTC)))
    ),
    "a shadow policy": policy(shadow_of="production"),
    "a NitroTPM's": policy(
        evidence=EvidenceKind.NITRO_TPM, builds=(build(pcrs={4: PCRS[4], 12: PCRS[8]}),), shadows=()
    ),
    "an EC key": policy(require=Requirements(public_key=PublicKeyRule(kind=KeyKind.EC, curves=("secp384r1",)))),
    "a raw key": policy(require=Requirements(public_key=PublicKeyRule(kind=KeyKind.RAW, lengths=(32,)))),
}


@pytest.mark.parametrize("case", POLICIES)
def test_a_policy_survives_being_written_and_read(case: str) -> None:
    """`policy show` would print another policy than the one that was applied."""
    written = write_policy(POLICIES[case])
    read = read_policy(written)
    assert read == POLICIES[case]
    assert read.sha256 == POLICIES[case].sha256
    assert write_policy(read) == written


def test_two_texts_of_one_meaning_have_one_digest() -> None:
    """A comment or another order of keys would look like another policy in every result."""
    written = write_policy(POLICIES["windows"])
    other = "# a comment\n" + "\n".join(reversed(written.split("\n\n[[build]]")[0].splitlines()))
    rest = written.split("\n\n[[build]]", 1)[1]
    assert read_policy(f"{other}\n\n[[build]]{rest}").sha256 == POLICIES["windows"].sha256


def test_another_time_zone_is_the_same_moment() -> None:
    """A policy written elsewhere would have another digest."""
    noon = datetime(2026, 6, 1, 12, tzinfo=ZONE)
    assert (
        policy(builds=(build(not_after=noon),)).sha256 == policy(builds=(build(not_after=noon.astimezone(UTC)),)).sha256
    )


def test_each_change_of_meaning_changes_the_digest() -> None:
    """Two different policies could not be told apart in a result."""
    digests = {entry.sha256 for entry in POLICIES.values()}
    assert len(digests) == len(POLICIES)


@pytest.mark.parametrize("milliseconds", [0, 1, 999, 1000, 1001, 60_000, 90_000, 3_600_000, 86_400_000, 90_000_001])
def test_a_duration_survives_being_written_and_read(milliseconds: int) -> None:
    """An age would change each time a policy is written."""
    assert parse_duration(write_duration(milliseconds)) == milliseconds


def test_durations_are_written_as_people_write_them() -> None:
    """`policy show` would print 300000ms."""
    written = [write_duration(value) for value in (0, 250, 30_000, 300_000, 10_800_000, 172_800_000)]
    assert written == ["0s", "250ms", "30s", "5m", "3h", "2d"]
    assert isinstance(POLICIES["the usual one"], Policy)
