"""No shadow, whatever it says, changes anything about a verdict: held against every vector."""

from dataclasses import replace as with_fields

import pytest
from msgspec.structs import replace

from tests.support.cases import VectorCase, vector_cases
from verifier import ConfigurationError, Policy, Verifier, read_policy
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.model import Build, DebugMode, NonceMode
from verifier.policy.shadows import ShadowChange

CASES = [case for case in vector_cases() if case.policy is not None]


def lax_shadow(policy: Policy) -> Policy:
    """Shadow a policy with the laxest that can be written of its builds."""
    debug = DebugMode.ALLOW if policy.evidence is EvidenceKind.ENCLAVE else DebugMode.REJECT
    return with_fields(
        policy,
        name=f"{policy.name[:50]}-lax",
        shadow_of=policy.name,
        shadows=(),
        denied=(),
        nonce=NonceMode.NONE,
        debug=debug,
        max_age_ms=366 * 24 * 3600 * 1000,
        builds=tuple(Build(name=build.name, pcrs=build.pcrs) for build in policy.builds),
    )


def trying(policy: Policy) -> Policy:
    """Let a policy try each of its builds once more, without the windows."""
    tried = tuple(Build(name=f"tried {at}", pcrs=build.pcrs) for at, build in enumerate(policy.builds))
    return with_fields(policy, shadows=tried)


def read(case: VectorCase) -> Policy:
    assert case.policy is not None
    return read_policy(case.policy)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_shadow_changes_nothing_about_a_verdict(case: VectorCase) -> None:
    """What is only tried would let somebody in, or shut somebody out."""
    policy, judge = read(case), Verifier(anchors=case.anchors)
    plain = judge.appraise(case.evidence, policy=policy, nonce=case.nonce, at=case.at)
    tried = judge.appraise(
        case.evidence, policy=trying(policy), shadows=(lax_shadow(policy),), nonce=case.nonce, at=case.at
    )

    assert replace(tried, shadows=(), policy=plain.policy) == replace(plain, shadows=())
    assert len(tried.shadows) == (0 if plain.freshness is None else 2)
    for outcome in tried.shadows:
        affirms = outcome.change in (ShadowChange.BOTH_AFFIRM, ShadowChange.WOULD_AFFIRM)
        assert affirms is (not outcome.reasons)
        assert (outcome.change in (ShadowChange.BOTH_AFFIRM, ShadowChange.WOULD_REJECT)) is (
            plain.verdict == "affirmed"
        )


def test_the_vectors_meet_every_outcome() -> None:
    """The property above would hold because nothing happens."""
    met = set()
    for case in CASES:
        policy, judge = read(case), Verifier(anchors=case.anchors)
        strict = with_fields(lax_shadow(policy), max_age_ms=1)
        result = judge.appraise(
            case.evidence, policy=policy, shadows=(lax_shadow(policy), strict), nonce=case.nonce, at=case.at
        )
        met |= {outcome.change for outcome in result.shadows}
    assert met == set(ShadowChange)


def test_a_shadow_policy_is_refused_in_force_whatever_it_says() -> None:
    """A slip of a caller would put it in force."""
    for text in {case.policy for case in CASES if case.policy is not None}:
        policy = read_policy(text)
        if policy.shadows:
            with pytest.raises(ConfigurationError):
                with_fields(policy, shadow_of="another")
            continue
        with pytest.raises(ValueError, match="decides nothing"):
            Verifier().appraise(b"", policy=with_fields(policy, shadow_of="another"), at=CASES[0].at)
