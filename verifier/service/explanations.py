"""An explanation's JSON: whatever reads it as a result finds no verdict in it.

Binary values, digests and times are as in ``wire``. Texts from the document are printable ASCII and cut off where they
are long. Needs nothing but msgspec, as ``wire``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from verifier.explanation.checks import CheckOutcome
from verifier.explanation.facts import is_enclave_in_debug
from verifier.explanation.words import printable
from verifier.service.notation import write_bytes, write_time
from verifier.service.wire import PolicyBody, ReasonBody, policy_body, reason_body

if TYPE_CHECKING:
    from verifier.evidence.document import AttestationDocument
    from verifier.explanation import Check, Explanation
    from verifier.explanation.builds import BuildComparison, BuildsComparison
    from verifier.explanation.certificates import CertificateWindow

MEDIA_TYPE = "application/vnd.nitro-verifier.explanation+json"
MAX_NAMES = 16
"""Unrecognised fields that are named."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CheckBody(msgspec.Struct, frozen=True, kw_only=True):
    """One check. With ``unproven`` it looked at what anybody may have written."""

    name: str
    question: str
    outcome: Literal["passed", "failed", "not-checked"]
    unproven: bool
    reasons: list[ReasonBody]
    note: str


class PcrComparisonBody(msgspec.Struct, frozen=True, kw_only=True):
    """One PCR that a build names, and what the document has there."""

    index: int
    name: str
    expected: str
    actual: str | None
    same: bool


class BuildComparisonBody(msgspec.Struct, frozen=True, kw_only=True):
    """The document beside one build."""

    name: str
    differs: list[str]
    in_window: bool
    not_before: str | None
    not_after: str | None
    pcrs: list[PcrComparisonBody]


class BuildsComparisonBody(msgspec.Struct, frozen=True, kw_only=True):
    """The document beside a policy's builds, nearest first; of many only the nearest are listed."""

    total: int
    compared: int
    listed: list[BuildComparisonBody]


class ClockBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every time there is; ``nonce_*`` are null unless this verifier issued the document's nonce for this policy."""

    at: str
    historical: bool
    timestamp: str | None
    age_ms: int | None
    nonce_issued_at: str | None
    nonce_expires_at: str | None


class CertificateWindowBody(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate the document brings along."""

    role: str
    not_before: str
    not_after: str
    state: Literal["valid", "expired", "not-yet-valid"]


class IdentityBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether two copies of an identity agree; reported and never judged."""

    name: str
    outcome: Literal["agrees", "differs", "not-applicable"]
    detail: str


class StatedBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the bytes say. Unless ``origin`` is proven, anybody may have written it."""

    kind: Literal["enclave", "nitro-tpm"]
    module_id: str
    debug: bool
    pcrs: dict[str, str]
    nonce: str | None
    user_data_bytes: int | None
    public_key_bytes: int | None
    unrecognised_fields: list[str]


class ExplanationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at."""

    summary: str
    origin: Literal["proven", "proven-at-another-time", "unproven"]
    failed: list[str]
    checks: list[CheckBody]
    policy: PolicyBody | None
    builds: BuildsComparisonBody | None
    clock: ClockBody
    certificates: list[CertificateWindowBody]
    identity: list[IdentityBody]
    unaffirmed: StatedBody | None
    evidence_bytes: int
    evidence_sha256: str


class ExplanationBody(msgspec.Struct, frozen=True, kw_only=True):
    """An explanation, and no Attestation Result: nothing is affirmed, and no nonce was used up."""

    explanation: ExplanationFacts
    request_id: str | None = None


def explanation_body(explained: Explanation, *, request_id: str | None = None) -> ExplanationBody:
    """Write an explanation as its JSON body."""
    return ExplanationBody(
        explanation=ExplanationFacts(
            summary=summarise(explained),
            origin=explained.origin.value,
            failed=[name.value for name in explained.failed],
            checks=[_check(check) for check in explained.checks],
            policy=policy_body(explained.policy),
            builds=None if explained.builds is None else _builds(explained.builds),
            clock=_clock(explained),
            certificates=[_certificate(window) for window in explained.certificates],
            identity=[
                IdentityBody(name=tie.name, outcome=tie.outcome.value, detail=printable(tie.detail))
                for tie in explained.ties
            ],
            unaffirmed=None if explained.document is None else _stated(explained.document),
            evidence_bytes=explained.evidence_bytes,
            evidence_sha256=explained.evidence_sha256,
        ),
        request_id=request_id,
    )


def summarise(explained: Explanation) -> str:
    """Say it in one sentence, without the words of a verdict."""
    looked_at = sum(check.outcome is not CheckOutcome.NOT_CHECKED for check in explained.checks)
    if explained.failed:
        return f"{len(explained.failed)} of {looked_at} checks failed: {', '.join(explained.failed)}"
    return f"nothing is wrong in {looked_at} checks"


def _check(check: Check) -> CheckBody:
    return CheckBody(
        name=check.name.value,
        question=check.name.question,
        outcome=check.outcome.value,
        unproven=check.unproven,
        reasons=[reason_body(finding) for finding in check.findings],
        note=check.note,
    )


def _builds(builds: BuildsComparison) -> BuildsComparisonBody:
    return BuildsComparisonBody(
        total=builds.total, compared=builds.compared, listed=[_build(build) for build in builds.shown]
    )


def _build(build: BuildComparison) -> BuildComparisonBody:
    return BuildComparisonBody(
        name=build.name,
        differs=list(build.parts),
        in_window=build.in_window,
        not_before=_optional_time(build.not_before),
        not_after=_optional_time(build.not_after),
        pcrs=[
            PcrComparisonBody(
                index=pcr.index,
                name=pcr.name,
                expected=pcr.expected.hex(),
                actual=None if pcr.actual is None else pcr.actual.hex(),
                same=pcr.actual == pcr.expected,
            )
            for pcr in build.pcrs
        ],
    )


def _clock(explained: Explanation) -> ClockBody:
    document, issued = explained.document, explained.issued
    stated = None if document is None else _EPOCH + timedelta(milliseconds=document.timestamp_ms)
    return ClockBody(
        at=write_time(explained.at),
        historical=explained.historical,
        timestamp=_optional_time(stated),
        age_ms=None if stated is None else (explained.at - stated) // timedelta(milliseconds=1),
        nonce_issued_at=None if issued is None else write_time(_EPOCH + timedelta(milliseconds=issued.issued_at)),
        nonce_expires_at=None if issued is None else write_time(_EPOCH + timedelta(milliseconds=issued.expires_at)),
    )


def _certificate(window: CertificateWindow) -> CertificateWindowBody:
    return CertificateWindowBody(
        role=window.role,
        not_before=write_time(window.not_before),
        not_after=write_time(window.not_after),
        state=window.state.value,
    )


def _stated(document: AttestationDocument) -> StatedBody:
    return StatedBody(
        kind=document.kind.value,
        module_id=document.module_id,
        debug=is_enclave_in_debug(document),
        pcrs={str(index): document.pcrs[index].hex() for index in sorted(document.pcrs)},
        nonce=None if document.nonce is None else write_bytes(document.nonce),
        user_data_bytes=None if document.user_data is None else len(document.user_data),
        public_key_bytes=None if document.public_key is None else len(document.public_key),
        unrecognised_fields=[printable(name) for name in document.unrecognised[:MAX_NAMES]],
    )


def _optional_time(moment: datetime | None) -> str | None:
    return None if moment is None else write_time(moment)
