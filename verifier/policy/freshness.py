"""Was the document made just now, and for this Relying Party?"""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from verifier.nonces import IssuedNonce, NonceService, SingleUse, check_nonce_time
from verifier.policy.model import NonceMode, Policy
from verifier.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.evidence.document import AttestationDocument
    from verifier.trust.certificate import Certificate


class FreshnessMode(StrEnum):
    """What the verdict's freshness rests on."""

    SERVICE_NONCE = "service-nonce"
    CALLER_NONCE = "caller-nonce"
    NONE = "none"
    """The timestamp alone: a document can be replayed until max_age is over."""


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh a document was, by which means, and how far single use reached."""

    mode: FreshnessMode
    age_ms: int
    """By the NSM's clock against the verifier's; negative when the verifier's is behind."""
    single_use: SingleUse


class NonceCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the document's nonce: findings, and the service nonce that single use applies to."""

    mode: FreshnessMode
    single_use: SingleUse
    issued: IssuedNonce | None
    found: tuple[Rejection, ...]


def check_times(document: AttestationDocument, leaf: Certificate, policy: Policy, at: int) -> tuple[Rejection, ...]:
    """Compare the NSM's timestamp with now and with the window of the certificate that signed it."""
    timestamp = document.timestamp_ms
    is_now = at - policy.max_age_ms <= timestamp <= at + policy.clock_skew_ms
    is_within = leaf.not_before * 1000 <= timestamp <= leaf.not_after * 1000
    return () if is_now and is_within else tuple(_explain_times(timestamp, policy, at, is_within=is_within))


def _explain_times(timestamp: int, policy: Policy, at: int, *, is_within: bool) -> Iterator[Rejection]:
    if timestamp > at + policy.clock_skew_ms:
        ahead = (timestamp - at) / 1000
        yield Rejection(Reason.FRESHNESS_IN_FUTURE, f"the NSM's time is {ahead:.1f} s ahead of the verifier's")
    if timestamp < at - policy.max_age_ms:
        age = (at - timestamp) / 1000
        yield Rejection(Reason.FRESHNESS_TOO_OLD, f"{age:.1f} s old, at most {policy.max_age_ms / 1000:g} s")
    if not is_within:
        yield Rejection(Reason.FRESHNESS_OUTSIDE_CERTIFICATE, "timestamp outside the signing certificate's validity")


def check_nonce(
    document: AttestationDocument, policy: Policy, *, expected: bytes | None, service: NonceService | None, at: int
) -> NonceCheck:
    """Check the document's nonce as the policy asks.

    A nonce that the Relying Party names is always compared, whatever the policy says. A verifier that issues nonces
    accepts only its own where the policy requires one: otherwise whoever presents an old document could name its nonce.
    """
    if policy.nonce is NonceMode.REQUIRED and service is not None:
        return _check_service_nonce(document, policy, expected=expected, service=service, at=at)
    mode = FreshnessMode.NONE if expected is None else FreshnessMode.CALLER_NONCE
    found = _compare(document.nonce, expected)
    if not expected and policy.nonce is not NonceMode.NONE:
        found = (Rejection(Reason.FRESHNESS_NONCE_NOT_SUPPLIED, "no nonce was given to compare with"),)
    single_use = SingleUse.OFF if expected is None else SingleUse.CALLER
    return NonceCheck(mode=mode, single_use=single_use, issued=None, found=found)


def _check_service_nonce(
    document: AttestationDocument, policy: Policy, *, expected: bytes | None, service: NonceService, at: int
) -> NonceCheck:
    found = _compare(document.nonce, expected)
    issued = None
    if not document.nonce:
        found = (Rejection(Reason.FRESHNESS_NONCE_MISSING, "the document carries no nonce"),)
    else:
        try:
            issued = service.read(document.nonce, policy=policy.nonce_scope)
            check_nonce_time(issued, document_at=document.timestamp_ms, at=at, skew=policy.clock_skew_ms)
        except Rejection as rejection:
            found = (*found, rejection)
    return NonceCheck(mode=FreshnessMode.SERVICE_NONCE, single_use=service.reach, issued=issued, found=found)


def _compare(nonce: bytes | None, expected: bytes | None) -> tuple[Rejection, ...]:
    if expected is None:
        return ()
    if not nonce:
        return (Rejection(Reason.FRESHNESS_NONCE_MISSING, "the document carries no nonce"),)
    if not hmac.compare_digest(nonce, expected):
        return (Rejection(Reason.FRESHNESS_NONCE_MISMATCH, "the document carries another nonce than expected"),)
    return ()
