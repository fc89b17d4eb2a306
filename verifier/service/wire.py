"""What travels: the JSON of results, requests and problems, as the types that both encode it and document it.

Binary values are base64url without padding, measurements and digests hex, times RFC 3339 in UTC with milliseconds.
Needs nothing but msgspec, so that the command line can speak it without the service being installed.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, assert_never

import msgspec

from verifier.evidence.pcrs import PCR_COUNT
from verifier.history import OwnTime
from verifier.result import Affirmed, AttestationResult, Claims, Rejected

if TYPE_CHECKING:
    from verifier.history import ChosenTime
    from verifier.policy.findings import Finding
    from verifier.policy.freshness import Freshness
    from verifier.policy.shadows import ShadowOutcome
    from verifier.result import AnchorReference, PolicyReference

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FROM_BASE64URL = str.maketrans("-_+/", "+/!!")
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")
_BASE64_GROUP = 4
_INDICES = tuple(map(str, range(PCR_COUNT)))
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


class ReasonBody(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: a stable code, what was found, and what to do about it."""

    code: str
    detail: str
    hint: str


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that was applied; ``debug`` is shown so that a policy for development is noticed."""

    name: str
    sha256: str
    debug: Literal["reject", "allow"]


class AnchorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The trust anchor that the document's certification path begins with."""

    name: str
    sha256: str


class FreshnessBody(msgspec.Struct, frozen=True, kw_only=True):
    """What freshness rests on, the document's age, and how far single use reaches."""

    mode: Literal["service-nonce", "caller-nonce", "none"]
    age_ms: int
    single_use: Literal["off", "host", "shared", "caller"]


class CertificateBody(msgspec.Struct, frozen=True, kw_only=True):
    """The window in which every certificate of the path is valid."""

    not_before: str
    not_after: str


class ClaimsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What an authentic document says. Never trust them of a rejected result."""

    module_id: str
    timestamp: str
    digest: str
    pcrs: dict[str, str]
    user_data: str | None
    public_key: str | None
    nonce: str | None
    debug: bool
    unrecognised_fields: list[str]
    kind: Literal["enclave", "nitro-tpm"]
    certificate: CertificateBody


class ShadowPolicyBody(msgspec.Struct, frozen=True, kw_only=True):
    """The shadow policy, or the policy that holds the shadow builds."""

    name: str
    sha256: str


class ShadowBody(msgspec.Struct, frozen=True, kw_only=True):
    """What one shadow would have made of the document, and why it would have refused it. It decides nothing."""

    policy: ShadowPolicyBody
    outcome: Literal["both-affirm", "both-reject", "would-affirm", "would-reject"]
    build: str | None
    reasons: list[str]


class ResultBody(msgspec.Struct, frozen=True, kw_only=True):
    """An Attestation Result. ``claims`` and ``anchor`` are null unless the document's origin was proven.

    ``historical`` is true when somebody chose ``evaluated_at``: such a verdict says nothing about now.
    """

    verdict: Literal["affirmed", "rejected"]
    historical: bool
    reasons: list[ReasonBody]
    policy: PolicyBody | None
    build: str | None
    freshness: FreshnessBody | None
    anchor: AnchorBody | None
    claims: ClaimsBody | None
    evidence_sha256: str
    evaluated_at: str
    shadow: list[ShadowBody] | msgspec.UnsetType = msgspec.UNSET
    """Left out when nothing shadows the policy."""
    request_id: str | None = None


def result_body(result: AttestationResult, *, request_id: str | None = None) -> ResultBody:
    """Write a result as its JSON body."""
    verdict: Literal["affirmed", "rejected"]
    claims: Claims | None
    build: str | None
    match result:
        case Affirmed():
            verdict, claims, build = "affirmed", result.claims, result.build
            reasons = []
        case Rejected():
            verdict, claims, build = "rejected", result.unaffirmed_claims, None
            reasons = [reason_body(finding) for finding in result.findings]
        case _:
            assert_never(result)
    return ResultBody(
        verdict=verdict,
        historical=result.historical,
        reasons=reasons,
        policy=policy_body(result.policy),
        build=build,
        freshness=_freshness(result.freshness),
        anchor=None if claims is None else _anchor(claims.anchor),
        claims=None if claims is None else _claims(claims),
        evidence_sha256=result.evidence_sha256,
        evaluated_at=write_time(result.evaluated_at),
        shadow=[_shadow(outcome) for outcome in result.shadows] or msgspec.UNSET,
        request_id=request_id,
    )


def write_time(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # A third of what isoformat takes, and half of an f-string.
    fields = (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond // 1000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % fields  # noqa: UP031 - said above


_write_time_again = lru_cache(maxsize=1024)(write_time)
"""For times of paths, which are as many as there are paths."""


def read_time(text: str) -> datetime:
    """Read an RFC 3339 time as UTC; dates alone and times without a zone are refused.

    Raises:
        ValueError: it is none, or outside the calendar in UTC.
    """
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a month of 13, an hour of 25; the year 0 or 10000 once it is in UTC
    msg = "not a time with its zone, such as 2026-01-31T12:00:00Z"
    raise ValueError(msg)


def read_chosen_time(text: str) -> ChosenTime:
    """Read a time of verification: RFC 3339, or the word that stands for each document's own.

    Raises:
        ValueError: neither.
    """
    return OwnTime.DOCUMENT if text == OwnTime.DOCUMENT.value else read_time(text)


def write_bytes(value: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return binascii.b2a_base64(value, newline=False).translate(_TO_BASE64URL).rstrip(b"=").decode("ascii")


def read_bytes(text: str) -> bytes:
    """Read base64 or base64url, padded or not, and nothing that merely resembles them.

    Raises:
        ValueError: a character outside the alphabet, both alphabets at once, wrong padding, or stray bits at the end.
    """
    digits = text.rstrip("=")
    padded = digits + "=" * (-len(digits) % _BASE64_GROUP)
    if not digits or len(text) not in (len(digits), len(padded)):
        msg = "base64 with wrong padding"
        raise ValueError(msg)
    if "-" in padded or "_" in padded:
        # Once base64url, then throughout: what only base64 has becomes what neither has.
        padded = padded.translate(_FROM_BASE64URL)
    try:
        # A tenth of what binascii takes, and as strict about characters and padding: a property holds it to binascii.
        value = msgspec.convert(padded, bytes)
    except msgspec.ValidationError as error:
        msg = "not base64 or base64url"
        raise ValueError(msg) from error
    rest = len(value) % 3
    if rest and binascii.b2a_base64(value[-rest:], newline=False).decode("ascii") != padded[-_BASE64_GROUP:]:
        msg = "base64 with stray bits at its end"
        raise ValueError(msg)
    return value


def read_nonce_text(text: str) -> bytes:
    """Read a nonce: hex when it is an even number of hex digits, otherwise base64 or base64url.

    A short base64 text could look like hex; it is then another nonce, and another nonce is refused.

    Raises:
        ValueError: none of these.
    """
    return bytes.fromhex(text) if _HEX.fullmatch(text) else read_bytes(text)


def reason_body(finding: Finding) -> ReasonBody:
    """Write one thing that is wrong, with its hint."""
    return ReasonBody(code=finding.reason.value, detail=finding.detail, hint=finding.reason.hint)


def policy_body(policy: PolicyReference | None) -> PolicyBody | None:
    """Write which policy was applied."""
    # Of an enumeration's member, _value_ is what value is, without the two calls that Python 3.11 makes for it.
    return None if policy is None else PolicyBody(name=policy.name, sha256=policy.sha256, debug=policy.debug._value_)


def _shadow(outcome: ShadowOutcome) -> ShadowBody:
    return ShadowBody(
        policy=ShadowPolicyBody(name=outcome.policy, sha256=outcome.sha256),
        outcome=outcome.change.value,
        build=outcome.build,
        reasons=[reason.value for reason in outcome.reasons],
    )


def _anchor(anchor: AnchorReference) -> AnchorBody:
    return AnchorBody(name=anchor.name, sha256=anchor.sha256)


def _freshness(freshness: Freshness | None) -> FreshnessBody | None:
    if freshness is None:
        return None
    return FreshnessBody(mode=freshness.mode._value_, age_ms=freshness.age_ms, single_use=freshness.single_use._value_)


def _claims(claims: Claims) -> ClaimsBody:
    return ClaimsBody(
        module_id=claims.module_id,
        timestamp=write_time(claims.timestamp),
        digest=claims.digest,
        pcrs=_pcrs(tuple(claims.pcrs), tuple(claims.pcrs.values())),
        user_data=_optional(claims.user_data),
        public_key=_optional(claims.public_key),
        nonce=_optional(claims.nonce),
        debug=claims.debug,
        unrecognised_fields=list(claims.unrecognised),
        kind=claims.kind._value_,
        certificate=CertificateBody(
            not_before=_write_time_again(claims.not_before), not_after=_write_time_again(claims.not_after)
        ),
    )


@lru_cache(maxsize=256)
def _pcrs(indices: tuple[int, ...], values: tuple[bytes, ...]) -> dict[str, str]:
    """Write PCRs; those of a build are the same in all of its documents. Nobody changes what is given."""
    return {_INDICES[index]: value.hex() for index, value in sorted(zip(indices, values, strict=True))}


def _optional(value: bytes | None) -> str | None:
    return None if value is None else write_bytes(value)
