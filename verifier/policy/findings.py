"""Appraisal: authentic evidence against one policy, everything that is wrong and not only the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from verifier.evidence.pcrs import EvidenceKind
from verifier.nonces import IssuedNonce, SingleUse
from verifier.policy.bindings import check_bindings
from verifier.policy.freshness import Freshness, check_nonce, check_times
from verifier.policy.measurements import check_measurements
from verifier.policy.shadows import ShadowOutcome, compare_verdicts
from verifier.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from verifier.evidence.document import AttestationDocument
    from verifier.nonces import NonceService
    from verifier.policy.freshness import NonceCheck
    from verifier.policy.model import Policy
    from verifier.trust.authenticity import AuthenticEvidence
    from verifier.trust.certificate import Certificate


_OTHER_KIND = {
    EvidenceKind.NITRO_TPM: Rejection(Reason.DOCUMENT_NITRO_TPM, "it is a NitroTPM's, and the policy is for enclaves"),
    EvidenceKind.ENCLAVE: Rejection(Reason.DOCUMENT_ENCLAVE, "it is an enclave's, and the policy is for NitroTPMs"),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    reason: Reason
    detail: str
    """For people; may change. Quotes nothing that was not authenticated."""


_USED_BEFORE = Finding(reason=Reason.FRESHNESS_NONCE_REPLAYED, detail="the nonce was used before")


class Appraisal(msgspec.Struct, frozen=True, kw_only=True):
    """What came of comparing authentic evidence with a policy."""

    findings: tuple[Finding, ...]
    build: str | None
    freshness: Freshness
    to_use: IssuedNonce | None = None
    """The nonce of which the single-use guard has yet to tell whether this is its first use; ``None`` if it is not to
    be asked."""

    def replayed(self) -> Appraisal:
        """Give this with the one finding more that a guard makes: the nonce was used before."""
        return replace(self, findings=(*self.findings, _USED_BEFORE), to_use=None)


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
    """Appraise evidence by a policy, up to the question whether its nonce was used before.

    The single-use guard is to be asked last, and only when nothing else is wrong: a document that would be refused
    anyway must not use up the nonce of one that would not. A historical appraisal never asks it, and so promises no
    single use: it could neither spend a nonce that is still good nor tell a replay of then from the first use.
    """
    build, found, check = compare_document(
        evidence.document, evidence.path.leaf, policy, nonce=nonce, service=service, at=at, at_ms=at_ms
    )
    return Appraisal(
        to_use=None if found or historical or service is None or service.guard is None else check.issued,
        findings=tuple([Finding(reason=rejection.reason, detail=rejection.detail) for rejection in found]),
        build=build,
        freshness=Freshness(
            mode=check.mode,
            age_ms=at_ms - evidence.document.timestamp_ms,
            single_use=SingleUse.OFF if historical else check.single_use,
        ),
    )


def appraise_by_shadows(  # noqa: PLR0913 - what appraise_evidence takes, and two more
    evidence: AuthenticEvidence,
    policy: Policy,
    enforced: Appraisal,
    shadows: Iterable[Policy],
    *,
    nonce: bytes | None,
    service: NonceService | None,
    at: datetime,
    at_ms: int,
) -> tuple[ShadowOutcome, ...]:
    """Say what a policy's own shadow builds, and then each policy that shadows it, would have made of evidence.

    The single-use guard is not asked: a shadow uses nothing up. What ``enforced`` found out from it holds here, too.
    """
    outcomes = []
    for shadow in (*([] if policy.trial is None else [policy.trial]), *shadows):
        build, found, check = compare_document(
            evidence.document, evidence.path.leaf, shadow, nonce=nonce, service=service, at=at, at_ms=at_ms
        )
        reasons = tuple(rejection.reason for rejection in found)
        if check.issued is not None:
            reasons += tuple(finding.reason for finding in enforced.findings if finding == _USED_BEFORE)
        outcomes.append(
            ShadowOutcome(
                policy=shadow.name,
                sha256=policy.sha256 if shadow is policy.trial else shadow.sha256,
                change=compare_verdicts(enforced=not enforced.findings, shadow=not reasons),
                build=build,
                reasons=reasons,
            )
        )
    return tuple(outcomes)


def compare_document(  # noqa: PLR0913 - each is an input of its own
    document: AttestationDocument,
    leaf: Certificate | None,
    policy: Policy,
    *,
    nonce: bytes | None,
    service: NonceService | None,
    at: datetime,
    at_ms: int,
) -> tuple[str | None, list[Rejection], NonceCheck]:
    """Find everything that can be found without using anything up.

    Also of a document that nobody has proven, for explanations: ``leaf`` is ``None`` when that cannot even be read.
    """
    if document.kind is policy.evidence:
        build, found = check_measurements(document.pcrs, policy, at)
    else:
        # Nothing is compared: the same index is of another thing.
        build, found = None, [_OTHER_KIND[document.kind]]
    if policy.requires_more:
        found += check_bindings(document, policy.require)
    if leaf is not None:
        found += check_times(document, leaf, policy, at_ms)
    check = check_nonce(document, policy, expected=nonce, service=service, at=at_ms)
    found += check.found
    return build, found, check
