"""From an answer to a `Result`, or to the news that it is none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from verifier.client.errors import VerifierProtocolError
from verifier.client.results import AffirmedResult, RejectedResult, Result, SignedResult, StatedPolicy, StatedReason
from verifier.client.wire import Moment, Sha256, Word
from verifier.ear.strict_json import decode_bytes, decode_object
from verifier.evidence.pcrs import EvidenceKind
from verifier.nonces import SingleUse
from verifier.policy.freshness import Freshness, FreshnessMode
from verifier.policy.model import DebugMode
from verifier.result import AnchorReference, Claims

if TYPE_CHECKING:
    from verifier.client.transport import Answer
    from verifier.ear.results import EarResult

JSON: Final = "application/json"
VERDICT_HEADER: Final = "Attestation-Verdict"
VERDICT_OF: Final = {HTTPStatus.OK.value: "affirmed", HTTPStatus.UNPROCESSABLE_ENTITY.value: "rejected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a result must be about."""

    document: bytes
    policy: str | None
    nonce: bytes | None


class _Reason(msgspec.Struct, frozen=True, kw_only=True):
    code: Word
    detail: str
    hint: str


class _Policy(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    sha256: Sha256
    debug: DebugMode


class _Freshness(msgspec.Struct, frozen=True, kw_only=True):
    mode: FreshnessMode
    age_ms: int
    single_use: SingleUse


class _Anchor(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    sha256: Sha256


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    not_before: Moment
    not_after: Moment


class _Claims(msgspec.Struct, frozen=True, kw_only=True):
    module_id: str
    timestamp: Moment
    digest: str
    pcrs: dict[int, str]
    user_data: str | None
    public_key: str | None
    nonce: str | None
    debug: bool
    unrecognised_fields: tuple[str, ...]
    kind: EvidenceKind = EvidenceKind.ENCLAVE  # older verifiers affirm nothing else
    certificate: _Window


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    verdict: Literal["affirmed", "rejected"]
    historical: bool = False
    reasons: tuple[_Reason, ...]
    policy: _Policy | None
    build: str | None
    freshness: _Freshness | None
    anchor: _Anchor | None
    claims: _Claims | None
    evidence_sha256: Sha256
    evaluated_at: Moment
    request_id: str | None = None


def decode_result(answer: Answer, asked: Asked) -> Result:
    """Read a result on what was asked; the answer's status is one of `VERDICT_OF`.

    Raises:
        VerifierProtocolError: it is none, contradicts itself, or is about something else.
    """
    try:
        table = decode_object(answer.body)
        body = msgspec.convert(table, _Body, str_keys=True)
        result = _affirmed(body, table) if body.verdict == "affirmed" else _rejected(body, table)
    except (ValueError, OverflowError) as error:  # the latter of times outside the calendar in UTC
        raise VerifierProtocolError(f"the answer is not a result: {error}", status=answer.status) from error
    if wrong := _contradiction(answer, body) or _other_question(result, asked):
        raise VerifierProtocolError(wrong, status=answer.status)
    return result


def decode_signed(answer: Answer, token: str | bytes, result: EarResult, asked: Asked) -> SignedResult:
    """Compare a verified token with the answer that it came in and with what was asked.

    Raises:
        VerifierProtocolError: they do not agree, or the token is about something else.
    """
    if wrong := _other_verdict(answer, result.verdict) or _other_token(result, asked):
        raise VerifierProtocolError(wrong, status=answer.status)
    return SignedResult(token=token, result=result)


def _other_token(result: EarResult, asked: Asked) -> str | None:
    if result.evidence_sha256 != hashlib.sha256(asked.document).hexdigest():
        return "the token is about another document"
    carried = None if result.attester is None else result.attester.nonce
    if result.affirmed and asked.nonce is not None and carried != asked.nonce:
        return "the token affirms another nonce"
    return None


def _affirmed(body: _Body, table: dict[str, Any]) -> AffirmedResult:
    claims = _claims(body)
    if claims is None or body.policy is None or body.freshness is None or body.reasons:
        raise ValueError("an affirmation has claims, a policy and freshness, and no reasons against it")
    if claims.debug and body.policy.debug is DebugMode.REJECT:
        raise ValueError("debug mode, affirmed by a policy that rejects it")
    if body.build is None and not claims.debug:
        raise ValueError("no build is affirmed")
    return AffirmedResult(
        claims=claims,
        build=body.build,
        policy=_policy(body.policy),
        freshness=_freshness(body.freshness),
        evaluated_at=body.evaluated_at.astimezone(UTC),
        evidence_sha256=body.evidence_sha256,
        request_id=body.request_id,
        body=table,
    )


def _rejected(body: _Body, table: dict[str, Any]) -> RejectedResult:
    if not body.reasons or body.build is not None:
        raise ValueError("a rejection has reasons, and no build")
    return RejectedResult(
        reasons=tuple(StatedReason(code=one.code, detail=one.detail, hint=one.hint) for one in body.reasons),
        policy=None if body.policy is None else _policy(body.policy),
        unaffirmed_claims=_claims(body),
        freshness=None if body.freshness is None else _freshness(body.freshness),
        evaluated_at=body.evaluated_at.astimezone(UTC),
        evidence_sha256=body.evidence_sha256,
        request_id=body.request_id,
        body=table,
    )


def _contradiction(answer: Answer, body: _Body) -> str | None:
    if body.historical:
        return "the result is historical, and that was not asked for"
    return _other_verdict(answer, body.verdict)


def _other_verdict(answer: Answer, verdict: str) -> str | None:
    if VERDICT_OF[answer.status] != verdict:
        return "the status is another verdict's"
    if answer.header(VERDICT_HEADER) != verdict:
        return f"the header {VERDICT_HEADER} does not say the verdict"
    return None


def _other_question(result: Result, asked: Asked) -> str | None:
    if result.evidence_sha256 != hashlib.sha256(asked.document).hexdigest():
        return "the result is about another document"
    if asked.policy is not None and result.policy is not None and result.policy.name != asked.policy:
        return "the result is by another policy"
    if isinstance(result, AffirmedResult) and asked.nonce is not None and result.claims.nonce != asked.nonce:
        return "the result affirms another nonce"
    return None


def _policy(body: _Policy) -> StatedPolicy:
    return StatedPolicy(name=body.name, sha256=body.sha256, debug=body.debug)


def _freshness(body: _Freshness) -> Freshness:
    return Freshness(mode=body.mode, age_ms=body.age_ms, single_use=body.single_use)


def _claims(body: _Body) -> Claims | None:
    claims, anchor = body.claims, body.anchor
    if (claims is None) != (anchor is None):
        raise ValueError("claims and their anchor come together")
    if claims is None or anchor is None:
        return None
    return Claims(
        module_id=claims.module_id,
        timestamp=claims.timestamp.astimezone(UTC),
        digest=claims.digest,
        pcrs=MappingProxyType({index: bytes.fromhex(value) for index, value in claims.pcrs.items()}),
        user_data=_optional(claims.user_data),
        public_key=_optional(claims.public_key),
        nonce=_optional(claims.nonce),
        not_before=claims.certificate.not_before.astimezone(UTC),
        not_after=claims.certificate.not_after.astimezone(UTC),
        debug=claims.debug,
        unrecognised=claims.unrecognised_fields,
        anchor=AnchorReference(name=anchor.name, sha256=anchor.sha256),
        kind=claims.kind,
    )


def _optional(text: str | None) -> bytes | None:
    return None if text is None else decode_bytes(text)
