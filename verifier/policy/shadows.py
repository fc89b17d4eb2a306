"""Shadows: builds and whole policies that are evaluated and counted, and decide nothing.

A shadow is how a change of policy is tried on real traffic. It sees authentic documents only, reads the nonces that
were issued for the policy it shadows, and never uses one up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from verifier.policy.model import Policy
    from verifier.reasons import Reason


class ShadowChange(StrEnum):
    """What would become of a verdict, were the shadow in force.

    No value is a verdict's word, lest one be taken for it.
    """

    BOTH_AFFIRM = "both-affirm"
    BOTH_REJECT = "both-reject"
    WOULD_AFFIRM = "would-affirm"
    """Refused now: this is what the shadow would let in."""
    WOULD_REJECT = "would-reject"
    """Affirmed now: this is what the shadow would shut out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOutcome:
    """What one shadow would have said of one document."""

    policy: str
    """The shadow policy, or the policy that holds the shadow builds."""
    sha256: str
    change: ShadowChange
    build: str | None
    """The build that would have been named, a shadow build or another."""
    reasons: tuple[Reason, ...]
    """Why it would have been refused."""


def compare_verdicts(*, enforced: bool, shadow: bool) -> ShadowChange:
    """Name the difference between two verdicts; true stands for affirming."""
    if enforced:
        return ShadowChange.BOTH_AFFIRM if shadow else ShadowChange.WOULD_REJECT
    return ShadowChange.WOULD_AFFIRM if shadow else ShadowChange.BOTH_REJECT


def arrange_shadows(policies: Mapping[str, Policy]) -> tuple[dict[str, Policy], dict[str, tuple[Policy, ...]]]:
    """Part policies that are in force from those that shadow one, which are given by the name of that one.

    Raises:
        ConfigurationError: a policy shadows none, another shadow, or one for another kind of evidence; or none is left
            that is in force.
    """
    enforced = {name: policy for name, policy in policies.items() if policy.shadow_of is None}
    problems = [*_problems(policies, enforced)]
    if problems:
        raise ConfigurationError(*problems)
    shadows: dict[str, tuple[Policy, ...]] = defaultdict(tuple)
    for policy in policies.values():
        if policy.shadow_of is not None:
            shadows[policy.shadow_of] += (policy,)
    return enforced, dict(shadows)


def _problems(policies: Mapping[str, Policy], enforced: Mapping[str, Policy]) -> Iterator[str]:
    if policies and not enforced:
        yield "every policy shadows another, so none is in force"
    for policy in policies.values():
        if policy.shadow_of is None:
            continue
        shadowed = enforced.get(policy.shadow_of)
        if shadowed is None:
            what = "itself a shadow" if policy.shadow_of in policies else "not there"
            yield f"policy {policy.name}: shadow_of: the policy {policy.shadow_of!r} is {what}"
        elif shadowed.evidence is not policy.evidence:
            yield f"policy {policy.name}: shadow_of: {shadowed.name} is for evidence of another kind"
