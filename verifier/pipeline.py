"""The page to frame: from bytes to a verdict.

    bytes -> envelope -> document -> path -> signature -> appraisal -> Affirmed | Rejected

The first four steps stop at the first problem; appraisal reports every one. For any bytes at all there is a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.nonces import NonceService
from verifier.policy.findings import appraise_by_shadows, appraise_evidence
from verifier.policy.model import DEFAULT_CLOCK_SKEW_MS, Policy
from verifier.reasons import Rejection
from verifier.result import conclude, reject_unproven, reject_without_policy
from verifier.trust.anchors import bundled_anchor
from verifier.trust.authenticity import AuthenticEvidence, authenticate
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import EngineName, select_engine
from verifier.trust.path import TrustStore, validate_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.evidence.document import AttestationDocument
    from verifier.nonces import IssuedNonce, SingleUseGuard
    from verifier.policy.findings import Appraisal
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


class _Case(msgspec.Struct, frozen=True):
    """Authentic evidence, and all that it is appraised by."""

    evidence: AuthenticEvidence
    policy: Policy
    shadows: Sequence[Policy]
    nonce: bytes | None
    service: NonceService | None
    at: datetime
    at_ms: int
    digest: str
    historical: bool

    def conclude(self, appraisal: Appraisal) -> AttestationResult:
        result = conclude(self.evidence, self.policy, appraisal, self.at, self.digest, historical=self.historical)
        if not self.shadows and self.policy.trial is None:
            return result
        outcomes = appraise_by_shadows(
            self.evidence,
            self.policy,
            appraisal,
            self.shadows,
            nonce=self.nonce,
            service=self.service,
            at=self.at,
            at_ms=self.at_ms,
        )
        return replace(result, shadows=outcomes)


class Undecided:
    """An appraisal that found nothing wrong, and of which only the single-use guard can tell how it ends."""

    __slots__ = ("_appraisal", "_case", "_guard", "at", "nonce")

    def __init__(self, case: _Case, appraisal: Appraisal, nonce: IssuedNonce, guard: SingleUseGuard) -> None:
        """Keep what is known, for ``guard`` to be asked about ``nonce``."""
        self._case = case
        self._appraisal = appraisal
        self._guard = guard
        self.nonce = nonce
        self.at = case.at_ms
        """The time of verification, milliseconds since 1970."""

    def use(self) -> bool:
        """Ask the guard, which it must be once: tell whether this is the nonce's first use.

        Raises:
            GuardUnavailableError: the guard cannot tell.
        """
        return self._guard.consume(self.nonce.value, expires_at=self.nonce.expires_at, at=self.at)

    def decide(self, *, is_first_use: bool) -> AttestationResult:
        """Give the result; ``is_first_use`` is what the guard said, for this very appraisal and no other."""
        return self._case.conclude(self._appraisal if is_first_use is True else self._appraisal.replayed())


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
        on_stage: Callable[[Stage], None] | None = None,
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
        outcome = self.appraise_up_to_use(evidence, policy, shadows, nonce, at, historical, on_stage)
        return outcome.decide(is_first_use=outcome.use()) if isinstance(outcome, Undecided) else outcome

    def appraise_up_to_use(  # noqa: PLR0913, PLR0917 - appraise's own, by their places because that is faster
        self,
        evidence: bytes | bytearray | memoryview,
        policy: Policy | None,
        shadows: Sequence[Policy],
        nonce: bytes | None,
        at: datetime,
        historical: bool,  # noqa: FBT001 - as above
        on_stage: Callable[[Stage], None] | None,
    ) -> AttestationResult | Undecided:
        """Appraise as ``appraise`` does, but leave it to the caller to ask the single-use guard, for several at once.

        Raises:
            ValueError: as ``appraise`` does.
        """
        if policy is not None and (shadows or policy.shadow_of is not None):
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
            return reject_unproven(rejection, policy, at, digest, historical=historical)
        if policy is None:
            return reject_without_policy(authentic, at, digest, historical=historical)
        service = self.nonces
        appraisal = appraise_evidence(
            authentic, policy, nonce=nonce, service=service, at=at, at_ms=at_ms, historical=historical
        )
        if on_stage is not None:
            on_stage(Stage.APPRAISAL)
        case = _Case(authentic, policy, shadows, nonce, service, at, at_ms, digest, historical)
        if appraisal.to_use is not None and service is not None and service.guard is not None:
            return Undecided(case, appraisal, appraisal.to_use, service.guard)
        return case.conclude(appraisal)

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
        self, evidence: bytes, at: int, leeway: int, on_stage: Callable[[Stage], None] | None
    ) -> AuthenticEvidence:
        envelope = decode_envelope(evidence)
        if on_stage is not None:
            on_stage(Stage.ENVELOPE)
        document = self.cache.recurring.read(envelope.payload) or decode_document(envelope.payload)
        if on_stage is not None:
            on_stage(Stage.DOCUMENT)
        path = self.validate_path_of(document, at=at, leeway=leeway)
        if on_stage is not None:
            on_stage(Stage.PATH)
        authentic = authenticate(envelope, document, path)
        if document.certificate is not path.leaf.der:
            # Its path was verified for another document: that enclave comes again, so what recurs is worth learning.
            self.cache.recurring.learn(envelope.payload, _with_copies_of(path, document))
        if on_stage is not None:
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
