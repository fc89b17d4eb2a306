"""One row for each entry, as JSON on one line and flat enough for a table."""

from __future__ import annotations

from typing import Literal

import msgspec

from verifier.result import Affirmed, AttestationResult, Claims
from verifier.service.notation import write_time


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one entry.

    ``verdict`` is null when nothing was judged, and ``problem`` then says why. Only a document of proven origin has a
    ``module_id``, a ``timestamp`` and an ``anchor``. ``evaluated_at`` is null for what has no time of its own.
    """

    number: int
    id: str
    verdict: Literal["affirmed", "rejected"] | None
    historical: Literal[True] = True
    reasons: list[str]
    problem: str | None
    policy: str | None
    policy_sha256: str | None
    build: str | None
    module_id: str | None
    timestamp: str | None
    anchor: str | None
    evaluated_at: str | None
    evidence_sha256: str | None


_encode = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(AuditRow)


def encode_row(row: AuditRow) -> bytes:
    """Write a row as one line, without its end."""
    return _encode.encode(row)


def decode_row(line: bytes) -> AuditRow:
    """Read a row back.

    Raises:
        ValueError: it is none.
    """
    return _decode.decode(line)


def judged_row(number: int, entry_id: str, result: AttestationResult, *, timed: bool) -> AuditRow:
    """Write what was judged; ``timed`` is false where the time of verification says nothing."""
    claims, build = _claims(result)
    policy = result.policy
    return AuditRow(
        number=number,
        id=entry_id,
        verdict=result.verdict.value,
        reasons=[] if isinstance(result, Affirmed) else [reason.value for reason in result.reasons],
        problem=None,
        policy=None if policy is None else policy.name,
        policy_sha256=None if policy is None else policy.sha256,
        build=build,
        module_id=None if claims is None else claims.module_id,
        timestamp=None if claims is None else write_time(claims.timestamp),
        anchor=None if claims is None else claims.anchor.name,
        evaluated_at=write_time(result.evaluated_at) if timed else None,
        evidence_sha256=result.evidence_sha256,
    )


def unjudged_row(number: int, entry_id: str, problem: str) -> AuditRow:
    """Write that an entry could not be judged, and why."""
    return AuditRow(
        number=number,
        id=entry_id,
        verdict=None,
        reasons=[],
        problem=problem,
        policy=None,
        policy_sha256=None,
        build=None,
        module_id=None,
        timestamp=None,
        anchor=None,
        evaluated_at=None,
        evidence_sha256=None,
    )


def _claims(result: AttestationResult) -> tuple[Claims | None, str | None]:
    if isinstance(result, Affirmed):
        return result.claims, result.build
    return result.unaffirmed_claims, None
