from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from issuer.nsm import issue_chain
from tests.support.core import (
    AT,
    NONCE,
    anchor,
    appraise,
    build,
    document,
    document_under,
    policy,
    reasons,
    specs,
    verifier,
)
from verifier import Affirmed, ConfigurationError, EngineName, PathCache, Reason, Rejected, Stage, Verifier
from verifier.trust.ecdsa import ORDER

ALL_STAGES = list(Stage)


def stages(evidence: bytes, *, nonce: bytes | None = NONCE) -> list[Stage]:
    """The stages that ended well."""
    seen: list[Stage] = []
    verifier().appraise(evidence, policy=policy(), nonce=nonce, at=AT, on_stage=seen.append)
    return seen


@pytest.mark.parametrize("style", ["definite", "indefinite"])
@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("engine", EngineName)
def test_a_right_document_is_affirmed(style: str, tagged: bool, engine: EngineName) -> None:  # noqa: FBT001 - columns
    """Nothing would be affirmed at all."""
    judge = Verifier(anchors=[anchor()], engine=engine)
    evidence = document(style="definite" if style == "definite" else "indefinite", tagged=tagged)
    result = judge.appraise(evidence, policy=policy(), nonce=NONCE, at=AT)
    assert isinstance(result, Affirmed)
    assert judge.engine is engine


def leaf_of_another() -> bytes:
    attacker = replace(specs()[-1], issuer_key=specs()[-1].key)
    return document_under(issue_chain([*specs()[:-1], attacker]))


def test_each_stage_is_told_once_it_ended_well() -> None:
    """A metric would time a stage that never ran."""
    payload_end = document().index(b"\x58\x60")
    assert stages(document()) == ALL_STAGES
    assert stages(document(), nonce=b"another") == ALL_STAGES
    assert stages(document()[:-1] + b"\x00") == ALL_STAGES[:3]
    assert stages(leaf_of_another()) == ALL_STAGES[:2]
    assert stages(document(module_id="")) == ALL_STAGES[:1]
    assert stages(document()[:payload_end]) == []


def test_without_a_policy_nothing_is_affirmed() -> None:
    """A missing policy would mean "anything"."""
    result = verifier().appraise(document(), policy=None, nonce=NONCE, at=AT)
    assert isinstance(result, Rejected)
    assert result.reasons == (Reason.MEASUREMENT_NO_POLICY,)
    assert (result.policy, result.freshness) == (None, None)
    assert result.unaffirmed_claims is not None


def test_without_a_policy_a_forged_document_is_still_forged() -> None:
    """A missing policy would hide a forgery."""
    result = verifier().appraise(document()[:-1] + b"\x00", policy=None, at=AT)
    assert reasons(result) == (Reason.SIGNATURE_INVALID,)
    assert result.policy is None


@pytest.mark.parametrize("evidence", [b"", b"\x00", b"\xd2" * 20_000, b"\x84" * 100, b"hEShATgioFk"])
def test_bytes_that_are_no_document_give_a_result(evidence: bytes) -> None:
    """An unauthenticated sender could cause a 500."""
    result = appraise(evidence)
    assert isinstance(result, Rejected)
    assert len(result.findings) == 1
    assert (result.unaffirmed_claims, result.freshness) == (None, None)
    assert result.policy is not None


def test_the_twin_of_a_signature_is_the_same_document() -> None:
    """The twin is valid ECDSA: whoever keys anything on a document's bytes must know it."""
    evidence = document()
    twin = evidence[:-48] + (ORDER - int.from_bytes(evidence[-48:])).to_bytes(48)
    assert twin != evidence
    assert reasons(appraise(twin)) == ()


def test_the_throwaway_root_is_not_trusted_by_default() -> None:
    """A software NSM would pass for a genuine one."""
    judge = Verifier()
    result = judge.appraise(document(), policy=policy(), nonce=NONCE, at=AT)
    assert reasons(result) == (Reason.PATH_ROOT_UNTRUSTED,)
    assert [entry.name for entry in judge.anchors] == ["aws-nitro-root-g1"]
    assert all(entry.is_aws for entry in judge.anchors)


def test_a_verifier_without_anchors_is_a_configuration_error() -> None:
    """It would refuse everything, and look healthy."""
    with pytest.raises(ConfigurationError):
        Verifier(anchors=[])


def test_a_clock_a_little_slow_is_forgiven_and_one_ahead_is_not() -> None:
    """Leeway at the wrong end would accept expired certificates."""
    lax = policy(max_age_ms=366 * 86_400_000)
    begin, end = AT - timedelta(seconds=8), AT + timedelta(hours=3, seconds=-5)
    assert reasons(appraise(document(), lax, at=begin - timedelta(seconds=27))) == ()
    assert reasons(appraise(document(), lax, at=begin - timedelta(seconds=31))) == (Reason.PATH_NOT_YET_VALID,)
    assert reasons(appraise(document(), lax, at=end)) == ()
    assert reasons(appraise(document(), lax, at=end + timedelta(milliseconds=1))) == (Reason.PATH_EXPIRED,)


def test_the_policys_skew_is_the_leeway() -> None:
    """A policy that allows no skew would get thirty seconds."""
    exact = policy(clock_skew_ms=0)
    assert reasons(appraise(document(), exact, at=AT - timedelta(seconds=9))) == (Reason.PATH_NOT_YET_VALID,)


@pytest.mark.parametrize("case", ["affirmed", "forged", "mismatch", "no policy"])
@pytest.mark.parametrize("historical", [False, True])
def test_every_result_says_whether_its_time_was_chosen(case: str, historical: bool) -> None:  # noqa: FBT001 - a column
    """Some way to a verdict would lose the label, and history would pass for now."""
    evidence = document()[:-1] + b"\x00" if case == "forged" else document()
    result = verifier().appraise(
        evidence,
        policy=None if case == "no policy" else policy(),
        nonce=b"another" if case == "mismatch" else NONCE,
        at=AT,
        historical=historical,
    )
    assert isinstance(result, Affirmed) == (case == "affirmed")
    assert result.historical is historical


class NoOffset(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        """Not known."""

    dst = utcoffset

    def tzname(self, _: datetime | None) -> None:
        """Not known either."""


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        (datetime(2026, 1, 1), "needs a time zone"),  # noqa: DTZ001 - that is the fault
        (datetime(2026, 1, 1, tzinfo=NoOffset()), "needs a time zone"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "outside the calendar"),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))), "outside the calendar"),
    ],
)
def test_a_time_that_means_nothing_is_the_callers_mistake(at: datetime, problem: str) -> None:
    """A local time would be taken for UTC, and expired documents for valid ones."""
    with pytest.raises(ValueError, match=problem):
        appraise(document(), at=at)


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    """A caller elsewhere would be refused."""
    local = AT.astimezone(timezone(timedelta(hours=-8)))
    result = appraise(document(), at=local)
    assert isinstance(result, Affirmed)
    assert result.evaluated_at == AT
    assert result.evaluated_at.tzinfo is UTC


def test_a_cache_may_be_brought_along() -> None:
    """Memory could not be bounded."""
    cache = PathCache(leaves=1)
    judge = Verifier(anchors=[anchor()], cache=cache)
    judge.appraise(document(), policy=policy(), nonce=NONCE, at=AT)
    judge.appraise(document(), policy=policy(), nonce=NONCE, at=AT)
    assert judge.cache is cache
    assert cache.counts()["leaf"].hits == 1


def test_the_build_that_matched_is_named() -> None:
    """An operator could not see which build runs."""
    by = policy(builds=(build(name="v0", pcrs=dict.fromkeys((0, 1, 2), b"\x01" * 48)), build(name="v1")))
    result = appraise(document(), by)
    assert isinstance(result, Affirmed)
    assert result.build == "v1"
