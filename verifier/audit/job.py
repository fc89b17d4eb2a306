"""What all entries of one audit are checked by, as plain values that travel to other processes and machines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from verifier.pipeline import Verifier
from verifier.policy.canonical import write_policy
from verifier.policy.reader import read_policy
from verifier.service.notation import read_chosen_time
from verifier.trust.anchors import load_anchor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verifier.history import ChosenTime
    from verifier.policy.model import Policy
    from verifier.trust.anchors import TrustAnchor


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """Trust anchors, policies and the time of verification."""

    anchors: tuple[tuple[str, bytes, str], ...]
    """Of each its name, its DER and its fingerprint."""
    policies: tuple[str, ...]
    """Their canonical texts."""
    at: str
    """``document`` or an RFC 3339 time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """A job, ready to check."""

    verifier: Verifier
    policies: Mapping[str, Policy]
    at: ChosenTime

    def find_policy(self, name: str | None) -> Policy | None:
        """Give the policy that an entry names; the only one, if it names none; ``None`` without any policy.

        Raises:
            ValueError: there is none of that name, or several to choose from.
        """
        if name is None:
            if len(self.policies) > 1:
                msg = "the entry names no policy, and there are several"
                raise ValueError(msg)
            return next(iter(self.policies.values()), None)
        policy = self.policies.get(name)
        if policy is None:
            msg = "the entry names a policy that was not given"
            raise ValueError(msg)
        return policy


def make_job(anchors: Iterable[TrustAnchor], policies: Iterable[Policy], at: str) -> AuditJob:
    """Write a job."""
    return AuditJob(
        anchors=tuple((anchor.name, anchor.certificate.der, anchor.sha256) for anchor in anchors),
        policies=tuple(write_policy(policy) for policy in policies),
        at=at,
    )


@lru_cache(maxsize=4)
def checker_of(job: AuditJob) -> Checker:
    """Make a job ready, once in each process: its cache of verified paths then serves every chunk."""
    policies = [read_policy(text) for text in job.policies]
    anchors = [load_anchor(der, name=name, sha256=sha256) for name, der, sha256 in job.anchors]
    return Checker(
        verifier=Verifier(anchors=anchors),
        policies={policy.name: policy for policy in policies},
        at=read_chosen_time(job.at),
    )
