"""Attestation Results (RFC 9334 section 8.4): ``Affirmed`` or ``Rejected``, and nothing in between.

Only ``Affirmed`` has ``claims``. A rejected result of an authentic document carries the same facts as
``unaffirmed_claims``, under a name that no careless caller will mistake; one of a forged document carries none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from verifier.evidence.document import DIGEST
from verifier.evidence.pcrs import EvidenceKind, is_debug
from verifier.nonces import SingleUse
from verifier.policy.findings import Finding
from verifier.policy.freshness import Freshness
from verifier.policy.model import DebugMode
from verifier.policy.shadows import ShadowOutcome
from verifier.reasons import Reason

if TYPE_CHECKING:
    from verifier.policy.findings import Appraisal
    from verifier.policy.model import Policy
    from verifier.reasons import Rejection
    from verifier.trust.authenticity import AuthenticEvidence


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Verdict(StrEnum):
    """The one word that a result comes down to, the same everywhere."""

    AFFIRMED = "affirmed"
    REJECTED = "rejected"


class AnchorReference(msgspec.Struct, frozen=True, kw_only=True):
    """The trust anchor that a document's path begins with."""

    name: str
    sha256: str


class PolicyReference(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that a document was appraised by."""

    name: str
    sha256: str
    debug: DebugMode
    """Shown in every result, so that a policy for development is noticed."""
    evidence: EvidenceKind = EvidenceKind.ENCLAVE
    pins_instance: bool = False
    """Whether it says which EC2 instances may run the enclave."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an authentic document says.

    The NSM vouches for all of it but user_data, public_key and nonce, which are what the enclave asked it to sign.
    """

    module_id: str
    timestamp: datetime
    digest: str
    pcrs: Mapping[int, bytes]
    user_data: bytes | None
    public_key: bytes | None
    nonce: bytes | None
    not_before: datetime
    """Start of the path's validity: the latest of its certificates'."""
    not_after: datetime
    """End of the path's validity: the earliest of its certificates'."""
    debug: bool
    unrecognised: tuple[str, ...]
    """Names of fields that this version does not know."""
    anchor: AnchorReference
    kind: EvidenceKind = EvidenceKind.ENCLAVE
    """Whose PCRs these are: the same index means another thing in an enclave and in a NitroTPM."""


class Affirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The document was made just now, by a genuine enclave, running a build that the policy trusts.

    With ``historical``, "now" is ``evaluated_at`` and nothing later: whoever acts on a result must look at it.
    Or by a genuine NitroTPM, under a policy for that kind of evidence: ``claims.kind`` tells.
    """

    claims: Claims
    build: str | None
    """Which of the policy's builds runs; ``None`` only in debug mode, which hides that, where the policy allows it."""
    policy: PolicyReference
    freshness: Freshness
    evaluated_at: datetime
    historical: bool
    """True when it was appraised as of a time that somebody chose: says nothing about now, and is never signed."""
    evidence_sha256: str
    shadows: tuple[ShadowOutcome, ...] = ()
    """What shadow builds and shadow policies would have said; none of it counts."""

    def __post_init__(self) -> None:
        """Refuse to exist without a build, or under a policy for another kind of evidence.

        The last line behind all that was checked; only debug mode hides the build.
        """
        if self.claims.kind is not self.policy.evidence:
            msg = "a document of another kind than its policy is for cannot be affirmed"
            raise ValueError(msg)
        if self.build is None and not (self.claims.debug and self.policy.debug is DebugMode.ALLOW):
            msg = "a document of no known build cannot be affirmed"
            raise ValueError(msg)
        if self.historical and self.freshness.single_use is not SingleUse.OFF:
            msg = "a historical result uses no nonce up, so it cannot promise single use"
            raise ValueError(msg)

    @property
    def verdict(self) -> Verdict:
        """Always affirmed."""
        return Verdict.AFFIRMED


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """The document was not affirmed; ``findings`` says why and is never empty."""

    findings: tuple[Finding, ...]
    policy: PolicyReference | None
    unaffirmed_claims: Claims | None
    """What an authentic document says that was refused all the same; ``None`` when its origin was not proven."""
    freshness: Freshness | None
    evaluated_at: datetime
    historical: bool
    """True when it was appraised as of a time that somebody chose."""
    evidence_sha256: str
    shadows: tuple[ShadowOutcome, ...] = ()
    """What shadow builds and shadow policies would have said of an authentic document; none of it counts."""

    @property
    def verdict(self) -> Verdict:
        """Always rejected."""
        return Verdict.REJECTED

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The codes of all findings, in order."""
        return tuple(finding.reason for finding in self.findings)


AttestationResult: TypeAlias = Affirmed | Rejected


def claims_of(evidence: AuthenticEvidence) -> Claims:
    """Read the claims off authentic evidence; there is no other way to come by them."""
    document, path = evidence.document, evidence.path
    return Claims(
        module_id=document.module_id,
        timestamp=_EPOCH + document.timestamp_ms * _MILLISECOND,
        digest=DIGEST,
        pcrs=document.pcrs,
        user_data=document.user_data,
        public_key=document.public_key,
        nonce=document.nonce,
        not_before=path.valid_from,
        not_after=path.valid_until,
        debug=document.kind is EvidenceKind.ENCLAVE and is_debug(document.pcrs),
        unrecognised=document.unrecognised,
        anchor=AnchorReference(name=path.anchor.name, sha256=path.anchor.sha256),
        kind=document.kind,
    )


def reference_to(policy: Policy) -> PolicyReference:
    """Name a policy in a result."""
    return PolicyReference(
        name=policy.name,
        sha256=policy.sha256,
        debug=policy.debug,
        evidence=policy.evidence,
        pins_instance=policy.require.pcr4_instance_id is not None,
    )


def conclude(
    evidence: AuthenticEvidence, policy: Policy, appraisal: Appraisal, at: datetime, digest: str, *, historical: bool
) -> AttestationResult:
    """Give the result of appraising authentic evidence by a policy; ``digest`` is the evidence's SHA-256 in hex."""
    if appraisal.findings:
        return Rejected(
            findings=appraisal.findings,
            policy=reference_to(policy),
            unaffirmed_claims=claims_of(evidence),
            freshness=appraisal.freshness,
            evaluated_at=at,
            historical=historical,
            evidence_sha256=digest,
        )
    return Affirmed(
        claims=claims_of(evidence),
        build=appraisal.build,
        policy=reference_to(policy),
        freshness=appraisal.freshness,
        evaluated_at=at,
        historical=historical,
        evidence_sha256=digest,
    )


def reject_unproven(
    rejection: Rejection, policy: Policy | None, at: datetime, digest: str, *, historical: bool
) -> Rejected:
    """Give the result of evidence whose origin was not proven."""
    return Rejected(
        findings=(Finding(reason=rejection.reason, detail=rejection.detail),),
        policy=None if policy is None else reference_to(policy),
        unaffirmed_claims=None,
        freshness=None,
        evaluated_at=at,
        historical=historical,
        evidence_sha256=digest,
    )


def reject_without_policy(evidence: AuthenticEvidence, at: datetime, digest: str, *, historical: bool) -> Rejected:
    """Give the result of authentic evidence that there is no policy for."""
    return Rejected(
        findings=(Finding(reason=Reason.MEASUREMENT_NO_POLICY, detail="no policy was given"),),
        policy=None,
        unaffirmed_claims=claims_of(evidence),
        freshness=None,
        evaluated_at=at,
        historical=historical,
        evidence_sha256=digest,
    )
