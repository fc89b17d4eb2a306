"""What travels: the JSON of results, as the types that both encode it and document it.

Needs nothing but msgspec, so that the command line can speak it without the service being installed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, assert_never

import msgspec

from verifier.evidence.pcrs import PCR_COUNT
from verifier.result import Affirmed, AttestationResult, Claims, Rejected
from verifier.service.notation import write_bytes, write_time

if TYPE_CHECKING:
    from verifier.policy.findings import Finding
    from verifier.policy.freshness import Freshness
    from verifier.policy.shadows import ShadowOutcome
    from verifier.result import AnchorReference, PolicyReference

_INDICES = tuple(map(str, range(PCR_COUNT)))
_write_time_again = lru_cache(maxsize=1024)(write_time)
"""For times of paths, which are as many as there are paths."""


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
