"""The page to frame: from bytes to a verdict.

    bytes -> envelope -> document -> path -> signature -> appraisal -> Affirmed | Rejected

The first four steps stop at the first problem; appraisal reports every one. For any bytes at all there is a result.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec.structs import replace

from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.policy.findings import Appraisal, Finding, appraise_by_shadows, appraise_evidence
from verifier.policy.model import DEFAULT_CLOCK_SKEW_MS
from verifier.reasons import Reason, Rejection
from verifier.result import Affirmed, Rejected, claims_of, reference_to
from verifier.trust.anchors import bundled_anchor
from verifier.trust.authenticity import AuthenticEvidence, authenticate
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import EngineName, select_engine
from verifier.trust.path import TrustStore, validate_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from verifier.evidence.document import AttestationDocument
    from verifier.nonces import NonceService
    from verifier.policy.model import Policy
    from verifier.result import AttestationResult
    from verifier.trust.anchors import TrustAnchor
    from verifier.trust.path import CertificationPath

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Stage(StrEnum):
    """The steps of an appraisal that are worth timing."""

    ENVELOPE = "envelope"
    DOCUMENT = "document"
    PATH = "path"
    SIGNATURE = "signature"
    APPRAISAL = "appraisal"


def ignore_stage(_: Stage) -> None:
    """Be told of a stage and do nothing."""


class Verifier:
    """Appraises evidence by policies, under a fixed set of trust anchors.

    Safe to share between threads. Reads no clock, opens nothing, logs nothing: time and policy arrive with each call.
    """

    __slots__ = ("_engine", "_trust", "cache", "nonces")

    def __init__(
        self,
        *,
        anchors: Iterable[TrustAnchor] | None = None,
        nonces: NonceService | None = None,
        engine: EngineName | None = None,
        cache: PathCache | None = None,
    ) -> None:
        """Make a verifier.

        Args:
            anchors: where paths may begin; by default the bundled AWS Nitro Enclaves Root G1 alone.
            nonces: what this verifier issues nonces with, if it does.
            engine: who verifies signatures; the fastest at hand by default.
            cache: verified paths; a bounded one of its own by default.

        Raises:
            ConfigurationError: no anchor, two of one name, or an engine that is not installed.
        """
        self._trust = TrustStore((bundled_anchor(),) if anchors is None else anchors)
        self._engine = select_engine(engine)
        self.cache = PathCache() if cache is None else cache
        self.nonces = nonces

    @property
    def anchors(self) -> tuple[TrustAnchor, ...]:
        """The trust anchors, in the order given."""
        return self._trust.anchors

    @property
    def engine(self) -> EngineName:
        """Who verifies signatures."""
        return self._engine.name

    def appraise(  # noqa: PLR0913 - each is an input of its own
        self,
        evidence: bytes | bytearray | memoryview,
        *,
        policy: Policy | None,
        shadows: Sequence[Policy] = (),
        nonce: bytes | None = None,
        at: datetime,
        historical: bool = False,
        on_stage: Callable[[Stage], None] = ignore_stage,
    ) -> AttestationResult:
        """Appraise one document.

        Args:
            evidence: the bytes that the Nitro Secure Module returned; any bytes at all give a result. A ``bytearray``
                or a ``memoryview`` is copied.
            policy: what to accept. ``None`` means that nothing is, but an authentic document's claims are reported.
            shadows: policies that shadow ``policy``. What they, and its own shadow builds, would have said of an
                authentic document is reported and decides nothing.
            nonce: the nonce that the Relying Party challenged the enclave with. Whenever it is given, the document must
                carry it.
            at: the time of verification, with a time zone.
            historical: say so when ``at`` was chosen by somebody instead of read from a clock just now. The result is
                labelled, no nonce is used up, and the single-use guard is not asked.
            on_stage: told when each stage has ended well; for metrics.

        Raises:
            ValueError: ``at`` has no time zone, or is outside the calendar in UTC; or ``policy`` is a shadow, or one of
                ``shadows`` is none of its.
            GuardUnavailableError: the single-use guard cannot tell whether the nonce was used.
        """
        if policy is not None:
            _refuse_shadow_in_force(policy, shadows)
        at = in_utc(at)
        at_ms = milliseconds_since_1970(at)
        if not isinstance(evidence, bytes):
            evidence = bytes(evidence)  # a buffer that a caller read into
        leeway = DEFAULT_CLOCK_SKEW_MS if policy is None else policy.clock_skew_ms
        digest = hashlib.sha256(evidence).hexdigest()
        try:
            authentic = self._prove_origin(evidence, at_ms, leeway, on_stage)
        except Rejection as rejection:
            return _reject_unproven(rejection, policy, at, digest, historical=historical)
        if policy is None:
            return _reject_without_policy(authentic, at, digest, historical=historical)
        appraisal = appraise_evidence(
            authentic, policy, nonce=nonce, service=self.nonces, at=at, at_ms=at_ms, historical=historical
        )
        result = _conclude(authentic, policy, appraisal, at, digest, historical=historical)
        if shadows or policy.trial is not None:
            outcomes = appraise_by_shadows(
                authentic, policy, appraisal, shadows, nonce=nonce, service=self.nonces, at=at, at_ms=at_ms
            )
            result = replace(result, shadows=outcomes)
        on_stage(Stage.APPRAISAL)
        return result

    def validate_path_of(self, document: AttestationDocument, *, at: int, leeway: int) -> CertificationPath:
        """Validate a document's certification path under this verifier's anchors; times in milliseconds.

        Raises:
            Rejection: the first thing that is wrong with the path.
        """
        return validate_path(
            document.certificate,
            document.cabundle,
            trust=self._trust,
            engine=self._engine,
            cache=self.cache,
            at=at,
            leeway=leeway,
        )

    def _prove_origin(
        self, evidence: bytes, at: int, leeway: int, on_stage: Callable[[Stage], None]
    ) -> AuthenticEvidence:
        envelope = decode_envelope(evidence)
        on_stage(Stage.ENVELOPE)
        document = self.cache.recurring.read(envelope.payload) or decode_document(envelope.payload)
        on_stage(Stage.DOCUMENT)
        path = self.validate_path_of(document, at=at, leeway=leeway)
        on_stage(Stage.PATH)
        authentic = authenticate(envelope, document, path)
        if document.certificate is not path.leaf.der:
            # Its path was verified for another document: that enclave comes again, so what recurs is worth learning.
            self.cache.recurring.learn(envelope.payload, _with_copies_of(path, document))
        on_stage(Stage.SIGNATURE)
        return authentic


def _with_copies_of(path: CertificationPath, document: AttestationDocument) -> AttestationDocument:
    """Give a document with the certificates' one copy in memory, whose hashes are known."""
    *issuers, leaf = [certificate.der for certificate in path.certificates]
    return replace(document, certificate=leaf, cabundle=tuple(issuers))


def _refuse_shadow_in_force(policy: Policy, shadows: Sequence[Policy]) -> None:
    if policy.shadow_of is not None:
        msg = f"policy {policy.name} shadows {policy.shadow_of} and decides nothing"
        raise ValueError(msg)
    for shadow in shadows:
        if shadow.shadow_of != policy.name:
            msg = f"policy {shadow.name} does not shadow {policy.name}"
            raise ValueError(msg)


def _conclude(
    evidence: AuthenticEvidence, policy: Policy, appraisal: Appraisal, at: datetime, digest: str, *, historical: bool
) -> AttestationResult:
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


def _reject_unproven(
    rejection: Rejection, policy: Policy | None, at: datetime, digest: str, *, historical: bool
) -> Rejected:
    return Rejected(
        findings=(Finding(reason=rejection.reason, detail=rejection.detail),),
        policy=None if policy is None else reference_to(policy),
        unaffirmed_claims=None,
        freshness=None,
        evaluated_at=at,
        historical=historical,
        evidence_sha256=digest,
    )


def _reject_without_policy(evidence: AuthenticEvidence, at: datetime, digest: str, *, historical: bool) -> Rejected:
    return Rejected(
        findings=(Finding(reason=Reason.MEASUREMENT_NO_POLICY, detail="no policy was given"),),
        policy=None,
        unaffirmed_claims=claims_of(evidence),
        freshness=None,
        evaluated_at=at,
        historical=historical,
        evidence_sha256=digest,
    )


def milliseconds_since_1970(at: datetime) -> int:
    """Give a time as policy and path compare it."""
    return (at - _EPOCH) // _MILLISECOND


def in_utc(at: datetime) -> datetime:
    """Give a time in UTC.

    Raises:
        ValueError: it has no time zone, or is outside the calendar in UTC.
    """
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        msg = "at needs a time zone"
        raise ValueError(msg)
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        msg = "at is outside the calendar in UTC"
        raise ValueError(msg) from error
