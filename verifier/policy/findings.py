"""Appraisal: authentic evidence against one policy, everything that is wrong and not only the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.nonces import SingleUse
from verifier.policy.bindings import check_bindings
from verifier.policy.freshness import Freshness, check_nonce, check_times
from verifier.policy.measurements import check_measurements
from verifier.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.nonces import IssuedNonce, NonceService
    from verifier.policy.model import Policy
    from verifier.trust.authenticity import AuthenticEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    reason: Reason
    detail: str
    """For people; may change. Quotes nothing that was not authenticated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """What came of comparing authentic evidence with a policy."""

    findings: tuple[Finding, ...]
    build: str | None
    freshness: Freshness


def appraise_evidence(  # noqa: PLR0913 - each is an input of its own
    evidence: AuthenticEvidence,
    policy: Policy,
    *,
    nonce: bytes | None,
    service: NonceService | None,
    at: datetime,
    at_ms: int,
    historical: bool,
) -> Appraisal:
    """Appraise evidence by a policy.

    The single-use guard is asked last, and only when nothing else is wrong: a document that would be refused anyway
    must not use up the nonce of one that would not. A historical appraisal never asks it, and so promises no single
    use: it could neither spend a nonce that is still good nor tell a replay of then from the first use.

    Raises:
        GuardUnavailableError: the guard cannot tell whether the nonce was used.
    """
    build, found = check_measurements(evidence.document.pcrs, policy, at)
    found.extend(check_bindings(evidence.document, policy.require))
    found.extend(check_times(evidence, policy, at_ms))
    check = check_nonce(evidence, policy, expected=nonce, service=service, at=at_ms)
    found.extend(check.found)
    if check.issued is not None and not found and not historical and not _is_first_use(check.issued, service, at_ms):
        found.append(Rejection(Reason.FRESHNESS_NONCE_REPLAYED, "the nonce was used before"))
    return Appraisal(
        findings=tuple(Finding(reason=rejection.reason, detail=rejection.detail) for rejection in found),
        build=build,
        freshness=Freshness(
            mode=check.mode,
            age_ms=at_ms - evidence.document.timestamp_ms,
            single_use=SingleUse.OFF if historical else check.single_use,
        ),
    )


def _is_first_use(nonce: IssuedNonce, service: NonceService | None, at: int) -> bool:
    if service is None or service.guard is None:
        return True
    return service.guard.consume(nonce.value, expires_at=nonce.expires_at, at=at)
