"""What is not called looser lets nothing in: every pair of the vectors' policies, every document that any affirms."""

from functools import cache
from itertools import permutations

from tests.support.cases import VECTORS, VectorCase, vector_cases
from verifier import Affirmed, Policy, TrustAnchor, Verifier, read_policy
from verifier.reference_values.difference import compare_policies
from verifier.reference_values.policy_difference import changed_settings, effect_on_build

POLICIES = [read_policy(path.read_text()) for path in sorted((VECTORS / "policies").glob("*.toml"))]


@cache
def judge(anchors: tuple[TrustAnchor, ...]) -> Verifier:
    """One verifier for all that share anchors, so that paths are verified once."""
    return Verifier(anchors=anchors)


def admits(policy: Policy, case: VectorCase) -> bool:
    """Whether a policy affirms a vector's document."""
    result = judge(case.anchors).appraise(case.evidence, policy=policy, nonce=case.nonce, at=case.at)
    return isinstance(result, Affirmed)


def loosens(before: Policy, after: Policy) -> bool:
    """Whether the difference says that something is let in."""
    old, new = ({build.name: build.pcrs for build in policy.builds} for policy in (before, after))
    builds = compare_policies(old, new)
    return (
        bool(builds.added)
        or any(effect_on_build(old[change.before], new[change.after]).loosens for change in builds.changes)
        or any(change.effect.loosens for change in changed_settings(before, after, builds))
    )


def test_what_is_not_called_looser_lets_nothing_in() -> None:
    """A reviewer would wave through what opens the door."""
    documents = {case.evidence: case for case in vector_cases() if not case.reasons and case.policy is not None}
    cases = list(documents.values())
    admitted = {policy.name: {case.id for case in cases if admits(policy, case)} for policy in POLICIES}
    calm = [pair for pair in permutations(POLICIES, 2) if not loosens(*pair)]
    for before, after in calm:
        assert admitted[after.name] <= admitted[before.name], (before.name, after.name)
    assert len(calm) > 100
    assert any(admitted[after.name] < admitted[before.name] for before, after in calm)
