"""Builds and policies that are tried: what they would have said, and that they decide nothing."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from tests.support.core import AT, NONCE, PCRS, SIGNED_AT_MS, build, document, policy, reasons, verifier
from tests.unit.verifier.policy.test_findings import Once, service
from verifier import Affirmed, AttestationResult, ConfigurationError, Policy, Reason
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.model import Build, DebugMode, DeniedBuild, NonceMode
from verifier.policy.shadows import ShadowChange, ShadowOutcome, arrange_shadows

V1 = {index: PCRS[index] for index in (0, 1, 2)}
V2 = dict.fromkeys((0, 1, 2), b"\x02" * 48)
V2_DOCUMENT = {**PCRS, **V2}
NEXT = Build(name="v2", pcrs=V2)
TRYING = policy(shadows=(NEXT,))
TPM_BUILD = Build(name="ami", pcrs={4: PCRS[4], 12: bytes(48)})


def shadow(**changes: Any) -> Policy:  # noqa: ANN401 - the fields of a policy
    """A policy that shadows the usual one."""
    return policy(**({"name": "payments-next", "shadow_of": "payments"} | changes))


def appraise(by: Policy, *shadows: Policy, nonce: bytes | None = NONCE, **changes: Any) -> AttestationResult:  # noqa: ANN401
    return verifier().appraise(document(**changes), policy=by, shadows=shadows, nonce=nonce, at=AT)


def only(result: AttestationResult) -> ShadowOutcome:
    (outcome,) = result.shadows
    return outcome


def test_a_shadow_build_would_be_affirmed_and_is_not() -> None:
    """A build that is only being tried would be let in."""
    result = appraise(TRYING, pcrs=V2_DOCUMENT)
    assert reasons(result) == (Reason.MEASUREMENT_PCR_MISMATCH,)
    assert only(result) == ShadowOutcome(
        policy="payments", sha256=TRYING.sha256, change=ShadowChange.WOULD_AFFIRM, build="v2", reasons=()
    )


def test_a_shadow_build_changes_nothing_for_the_builds_in_force() -> None:
    """Trying a build would disturb those that run."""
    result = appraise(TRYING)
    assert isinstance(result, Affirmed)
    assert (result.build, only(result).change, only(result).build) == ("v1", ShadowChange.BOTH_AFFIRM, "v1")
    usual = appraise(policy())
    assert isinstance(usual, Affirmed)
    assert structs.replace(result, shadows=(), policy=usual.policy) == usual


def test_a_shadow_build_is_held_to_all_the_rest() -> None:
    """The count would promise affirmations that would not come."""
    denying = replace(TRYING, denied=(DeniedBuild(name="bad", pcrs={0: V2[0]}),))
    ended = replace(TRYING, shadows=(replace(NEXT, not_after=AT.replace(year=2025)),))
    expected = {
        Reason.FRESHNESS_NONCE_MISMATCH: appraise(TRYING, pcrs=V2_DOCUMENT, nonce=b"another"),
        Reason.MEASUREMENT_BUILD_DENIED: appraise(denying, pcrs=V2_DOCUMENT),
        Reason.MEASUREMENT_BUILD_EXPIRED: appraise(ended, pcrs=V2_DOCUMENT),
    }
    for reason, result in expected.items():
        assert (only(result).change, only(result).reasons) == (ShadowChange.BOTH_REJECT, (reason,))


def test_a_shadow_policy_that_is_stricter_shuts_nobody_out() -> None:
    """A rule that is only being tried would be an outage."""
    strict = shadow(max_age_ms=1000)
    result = appraise(policy(), strict)
    assert isinstance(result, Affirmed)
    assert only(result) == ShadowOutcome(
        policy="payments-next",
        sha256=strict.sha256,
        change=ShadowChange.WOULD_REJECT,
        build="v1",
        reasons=(Reason.FRESHNESS_TOO_OLD,),
    )


def test_a_shadow_policy_that_is_laxer_lets_nobody_in() -> None:
    """The worst there is: an affirmation that no policy in force gives."""
    lax = shadow(builds=(NEXT,), nonce=NonceMode.NONE, debug=DebugMode.ALLOW, max_age_ms=10**9)
    for pcrs in (V2_DOCUMENT, {**PCRS, **dict.fromkeys(range(3), bytes(48))}):
        result = appraise(policy(), lax, pcrs=pcrs)
        assert not isinstance(result, Affirmed)
        assert only(result).change is ShadowChange.WOULD_AFFIRM


def test_several_shadows_are_told_apart() -> None:
    """An operator would not know which change did what."""
    result = appraise(TRYING, shadow(), shadow(name="another", max_age_ms=1), pcrs=V2_DOCUMENT)
    assert [(outcome.policy, outcome.change) for outcome in result.shadows] == [
        ("payments", ShadowChange.WOULD_AFFIRM),
        ("payments-next", ShadowChange.BOTH_REJECT),
        ("another", ShadowChange.BOTH_REJECT),
    ]


def test_a_forged_document_is_shown_to_no_shadow() -> None:
    """A stranger would fill the operator's counters."""
    result = verifier().appraise(document()[:-1] + b"\0", policy=TRYING, shadows=(shadow(),), nonce=NONCE, at=AT)
    assert result.shadows == ()


def test_a_policy_without_shadows_says_nothing_of_them() -> None:
    """Every result would grow."""
    assert appraise(policy()).shadows == ()


@pytest.mark.parametrize(
    "by", [shadow(), policy(name="payments-next")], ids=["a shadow in force", "a stranger's shadow"]
)
def test_a_shadow_cannot_be_put_in_force_nor_beside_a_stranger(by: Policy) -> None:
    """A caller's slip would make what is only tried decide."""
    with pytest.raises(ValueError, match="shadow"):
        verifier().appraise(document(), policy=by, shadows=(shadow(),), nonce=NONCE, at=AT)


def test_a_shadow_reads_the_nonces_of_the_policy_in_force_and_uses_none_up() -> None:
    """Every shadow policy would report nonce-unknown, or the real verification would be called a replay."""
    guard = Once()
    nonces = service(guard)
    issued = nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments")
    strict = policy(nonce=NonceMode.REQUIRED, builds=(build(pcrs=V2),), shadows=(build(name="v1-again"),))
    tried = shadow(nonce=NonceMode.REQUIRED)
    judge = verifier(nonces=nonces)

    refused = judge.appraise(document(nonce=issued.value), policy=strict, shadows=(tried,), at=AT)
    used = guard.used.copy()
    first, second = (
        judge.appraise(document(nonce=issued.value), policy=replace(tried, name="payments", shadow_of=None), at=AT)
        for _ in range(2)
    )

    assert [outcome.change for outcome in refused.shadows] == [ShadowChange.WOULD_AFFIRM] * 2
    assert (used, isinstance(first, Affirmed), reasons(second)) == ({}, True, (Reason.FRESHNESS_NONCE_REPLAYED,))


def test_a_replay_is_one_to_a_shadow_as_well() -> None:
    """Every replay would be counted as something that the shadow lets in."""
    nonces = service(Once())
    issued = nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments")
    strict, tried = policy(nonce=NonceMode.REQUIRED), shadow(nonce=NonceMode.REQUIRED)
    without = shadow(name="no-nonce", nonce=NonceMode.NONE)
    judge = verifier(nonces=nonces)
    results = [
        judge.appraise(document(nonce=issued.value), policy=strict, shadows=(tried, without), at=AT) for _ in range(2)
    ]
    assert [outcome.change for outcome in results[0].shadows] == [ShadowChange.BOTH_AFFIRM] * 2
    assert [(outcome.change, outcome.reasons) for outcome in results[1].shadows] == [
        (ShadowChange.BOTH_REJECT, (Reason.FRESHNESS_NONCE_REPLAYED,)),
        (ShadowChange.WOULD_AFFIRM, ()),
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"shadow_of": "payments-next"}, "shadow_of must name another policy"),
        ({"shadow_of": "a b"}, "shadow_of must name another policy"),
        ({"shadows": (NEXT,)}, r"write its \[\[shadow\]\] builds as \[\[build\]\]"),
        ({"shadow_of": None, "shadows": (build(),)}, "two builds are named 'v1'"),
    ],
)
def test_a_shadow_that_cannot_be_meant_is_a_mistake(changes: dict[str, Any], problem: str) -> None:
    """A shadow would be loaded that is never evaluated, or never told from what is in force."""
    with pytest.raises(ConfigurationError, match=problem):
        shadow(**changes)


def arranged(*policies: Policy) -> tuple[dict[str, Policy], dict[str, tuple[Policy, ...]]]:
    return arrange_shadows({policy.name: policy for policy in policies})


def test_shadows_are_parted_from_what_is_in_force() -> None:
    """A shadow could be named in a request."""
    one, other, strict = shadow(), shadow(name="b"), policy()
    assert arranged(one, strict, other) == ({"payments": strict}, {"payments": (one, other)})
    assert arranged(strict) == ({"payments": strict}, {})
    assert arranged() == ({}, {})


@pytest.mark.parametrize(
    ("policies", "problem"),
    [
        ((policy(name="other"), shadow()), "'payments' is not there"),
        ((policy(), shadow(), shadow(name="b", shadow_of="payments-next")), "'payments-next' is itself a shadow"),
        ((shadow(),), "none is in force"),
        (
            (policy(), shadow(evidence=EvidenceKind.NITRO_TPM, builds=(TPM_BUILD,))),
            "payments is for evidence of another kind",
        ),
    ],
)
def test_a_shadow_of_nothing_is_a_mistake(policies: tuple[Policy, ...], problem: str) -> None:
    """A rollout would be watched that never happens."""
    with pytest.raises(ConfigurationError, match=problem):
        arranged(*policies)
