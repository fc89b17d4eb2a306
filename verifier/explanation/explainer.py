"""Explain one document: prove its origin as far as that goes, then compare it with the policy whatever came of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.explanation.appraisal import Comparison, compare, not_compared, without_policy
from verifier.explanation.certificates import common_name
from verifier.explanation.checks import CheckName, CheckOutcome, Origin
from verifier.explanation.facts import Question
from verifier.explanation.origin import examine
from verifier.explanation.ties import compare_identities
from verifier.pipeline import in_utc, milliseconds_since_1970
from verifier.policy.model import DEFAULT_CLOCK_SKEW_MS
from verifier.result import reference_to

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.evidence.document import AttestationDocument
    from verifier.explanation.builds import BuildsComparison
    from verifier.explanation.certificates import CertificateWindow
    from verifier.explanation.checks import Check
    from verifier.explanation.origin import Examination
    from verifier.explanation.ties import Tie
    from verifier.nonces import IssuedNonce
    from verifier.pipeline import Verifier
    from verifier.policy.model import Policy
    from verifier.reasons import Reason
    from verifier.result import PolicyReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that can be said about one document. No Attestation Result: it affirms nothing."""

    at: datetime
    historical: bool
    evidence_bytes: int
    evidence_sha256: str
    origin: Origin
    checks: tuple[Check, ...]
    document: AttestationDocument | None
    """What the bytes say; believed only as far as ``origin`` says."""
    certificates: tuple[CertificateWindow, ...]
    ties: tuple[Tie, ...]
    policy: PolicyReference | None
    builds: BuildsComparison | None
    issued: IssuedNonce | None

    @property
    def failed(self) -> tuple[CheckName, ...]:
        """The checks that failed, in order."""
        return tuple(check.name for check in self.checks if check.outcome is CheckOutcome.FAILED)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The code of every finding, in order."""
        return tuple(finding.reason for check in self.checks for finding in check.findings)


def explain(
    verifier: Verifier,
    evidence: bytes,
    *,
    policy: Policy | None,
    nonce: bytes | None = None,
    at: datetime,
    historical: bool = False,
) -> Explanation:
    """Explain one document; any bytes at all give an explanation.

    It costs little more than an appraisal, asks no single-use guard and uses no nonce up. Arguments are those of
    ``Verifier.appraise``.

    Raises:
        ValueError: ``at`` has no time zone, or is outside the calendar in UTC.
    """
    at = in_utc(at)
    at_ms = milliseconds_since_1970(at)
    leeway = DEFAULT_CLOCK_SKEW_MS if policy is None else policy.clock_skew_ms
    found = examine(verifier, evidence, at=at_ms, leeway=leeway)
    asked = None
    if policy is not None:
        asked = Question(policy=policy, nonce=nonce, service=verifier.nonces, at=at, at_ms=at_ms)
    comparison = _compare(found, asked)
    return Explanation(
        at=at,
        historical=historical,
        evidence_bytes=len(evidence),
        evidence_sha256=hashlib.sha256(evidence).hexdigest(),
        origin=found.origin,
        checks=(*found.checks, *comparison.checks),
        document=found.document,
        certificates=found.windows,
        ties=_ties(found),
        policy=None if policy is None else reference_to(policy),
        builds=comparison.builds,
        issued=comparison.issued,
    )


def _compare(found: Examination, asked: Question | None) -> Comparison:
    if asked is None:
        return Comparison(checks=without_policy())
    if found.document is None:
        return not_compared(asked)
    return compare(found.document, found.leaf, asked, unproven=found.origin is Origin.UNPROVEN)


def _ties(found: Examination) -> tuple[Tie, ...]:
    if found.document is None:
        return ()
    name = None if found.leaf is None else common_name(found.leaf)
    return tuple(compare_identities(found.document, found.leaf, name))
