from typing import Any

import pytest

from issuer.nsm import encode_payload, sign1
from tests.support.core import AT_MS, NONCE, SIGNED_AT_MS, anchor, chain, fields, policy
from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.nonces import NonceContext, NonceService, SingleUse, ephemeral_keyring, issue_nonce
from verifier.policy.freshness import FreshnessMode, NonceCheck, check_nonce, check_times
from verifier.policy.model import NonceMode, Policy
from verifier.reasons import Reason, Rejection
from verifier.trust.authenticity import AuthenticEvidence, authenticate
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import select_engine
from verifier.trust.path import TrustStore, validate_path

SERVICE = NonceService(ephemeral_keyring(bytes(32)), audience="tests")
OURS = issue_nonce(
    SERVICE.keyring,
    NonceContext(audience="tests", policy="payments"),
    at=SIGNED_AT_MS - 1000,
    ttl=60,
    entropy=bytes(16),  # the workers of a parallel run must agree on the names of the tests
).value
REQUIRED, CALLER, ANY = (policy(nonce=mode) for mode in (NonceMode.REQUIRED, NonceMode.CALLER, NonceMode.NONE))
LEAF = chain()


def evidence(**changes: Any) -> AuthenticEvidence:  # noqa: ANN401 - the fields of a document, whatever they are
    envelope = decode_envelope(sign1(encode_payload(fields(**changes)), LEAF.key))
    read = decode_document(envelope.payload)
    path = validate_path(
        read.certificate,
        read.cabundle,
        trust=TrustStore([anchor()]),
        engine=select_engine(),
        cache=PathCache(),
        at=AT_MS,
        leeway=0,
    )
    return authenticate(envelope, read, path)


def reasons(check: NonceCheck) -> list[Reason]:
    return [rejection.reason for rejection in check.found]


def nonce(
    carried: bytes | None, by: Policy, expected: bytes | None, service: NonceService | None = None, at: int = AT_MS
) -> NonceCheck:
    return check_nonce(evidence(nonce=carried).document, by, expected=expected, service=service, at=at)


def times(signed: AuthenticEvidence, by: Policy, at: int) -> tuple[Rejection, ...]:
    return check_times(signed.document, signed.path.leaf, by, at)


MISSING, MISMATCH = Reason.FRESHNESS_NONCE_MISSING, Reason.FRESHNESS_NONCE_MISMATCH
NOT_SUPPLIED, UNKNOWN = Reason.FRESHNESS_NONCE_NOT_SUPPLIED, Reason.FRESHNESS_NONCE_UNKNOWN


@pytest.mark.parametrize("by", [CALLER, REQUIRED])
@pytest.mark.parametrize(
    ("carried", "expected", "found"),
    [
        (NONCE, NONCE, []),
        (NONCE, None, [NOT_SUPPLIED]),
        (NONCE, b"", [NOT_SUPPLIED]),
        (b"", b"", [NOT_SUPPLIED]),
        (None, None, [NOT_SUPPLIED]),
        (None, NONCE, [MISSING]),
        (b"", NONCE, [MISSING]),
        (NONCE[:-1], NONCE, [MISMATCH]),
        (NONCE + b"\x00", NONCE, [MISMATCH]),
        (NONCE, NONCE[:-1], [MISMATCH]),
        (NONCE[:-1] + b"!", NONCE, [MISMATCH]),
    ],
)
def test_the_relying_partys_nonce_must_be_there_and_the_same(
    by: Policy, carried: bytes | None, expected: bytes | None, found: list[Reason]
) -> None:
    """An old document would be affirmed again."""
    assert reasons(nonce(carried, by, expected)) == found


@pytest.mark.parametrize(
    ("carried", "expected", "found", "mode", "single_use"),
    [
        (None, None, [], FreshnessMode.NONE, SingleUse.OFF),
        (NONCE, None, [], FreshnessMode.NONE, SingleUse.OFF),
        (NONCE, NONCE, [], FreshnessMode.CALLER_NONCE, SingleUse.CALLER),
        (NONCE, b"another", [MISMATCH], FreshnessMode.CALLER_NONCE, SingleUse.CALLER),
        (None, NONCE, [MISSING], FreshnessMode.CALLER_NONCE, SingleUse.CALLER),
        (b"", b"", [MISSING], FreshnessMode.CALLER_NONCE, SingleUse.CALLER),
    ],
)
def test_a_nonce_that_is_named_is_compared_even_where_none_is_asked_for(
    carried: bytes | None, expected: bytes | None, found: list[Reason], mode: FreshnessMode, single_use: SingleUse
) -> None:
    """A caller who passes a nonce would believe that it was checked."""
    check = nonce(carried, ANY, expected)
    assert (reasons(check), check.mode, check.single_use, check.issued) == (found, mode, single_use, None)


@pytest.mark.parametrize(
    ("carried", "expected", "found"),
    [
        (OURS, None, []),
        (OURS, OURS, []),
        (None, None, [MISSING]),
        (b"", None, [MISSING]),
        (None, NONCE, [MISSING]),
        (NONCE, None, [UNKNOWN]),
        (NONCE, NONCE, [UNKNOWN]),
        (OURS, NONCE, [MISMATCH]),
        (OURS[:-1], None, [UNKNOWN]),
        (NONCE, OURS, [MISMATCH, UNKNOWN]),
    ],
)
def test_a_verifier_that_issues_nonces_wants_its_own(
    carried: bytes | None, expected: bytes | None, found: list[Reason]
) -> None:
    """Whoever presents an old document could name its nonce."""
    check = nonce(carried, REQUIRED, expected, SERVICE)
    assert (reasons(check), check.mode, check.single_use) == (found, FreshnessMode.SERVICE_NONCE, SingleUse.OFF)
    assert (check.issued is not None) == (carried == OURS)


def test_a_nonce_for_another_policy_is_not_ours() -> None:
    """A document made for a lax policy would do for a strict one."""
    other = SERVICE.issue(at=SIGNED_AT_MS, ttl=60, policy="other").value
    for_any = SERVICE.issue(at=SIGNED_AT_MS, ttl=60).value
    assert reasons(nonce(other, REQUIRED, None, SERVICE)) == [UNKNOWN]
    assert reasons(nonce(for_any, REQUIRED, None, SERVICE)) == []


def test_our_nonces_life_is_checked() -> None:
    """A nonce would be good for ever, or for documents that were made before it."""
    late = SERVICE.issue(at=SIGNED_AT_MS + 31_000, ttl=60, policy="payments").value
    expired = nonce(OURS, REQUIRED, None, SERVICE, at=SIGNED_AT_MS + 59_000)
    early = nonce(late, REQUIRED, None, SERVICE, at=SIGNED_AT_MS + 32_000)
    assert reasons(expired) == [Reason.FRESHNESS_NONCE_EXPIRED]
    assert reasons(early) == [Reason.FRESHNESS_DOCUMENT_PREDATES_NONCE]


def test_with_a_callers_policy_our_nonces_mean_nothing() -> None:
    """A nonce that the Relying Party brings would be looked for in our keyring."""
    check = nonce(NONCE, CALLER, NONCE, SERVICE)
    assert (reasons(check), check.mode, check.issued) == ([], FreshnessMode.CALLER_NONCE, None)


SKEW, AGE = REQUIRED.clock_skew_ms, REQUIRED.max_age_ms


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (SIGNED_AT_MS, []),
        (SIGNED_AT_MS - SKEW, []),
        (SIGNED_AT_MS - SKEW - 1, [Reason.FRESHNESS_IN_FUTURE]),
        (SIGNED_AT_MS + AGE, []),
        (SIGNED_AT_MS + AGE + 1, [Reason.FRESHNESS_TOO_OLD]),
    ],
)
def test_the_age_has_bounds_to_the_millisecond(at: int, found: list[Reason]) -> None:
    """A document would count as new for ever, or a slow clock would be an outage."""
    assert [rejection.reason for rejection in times(evidence(), REQUIRED, at)] == found


@pytest.mark.parametrize(
    ("offset", "inside"), [(-3000, True), (-3001, False), (3 * 3_600_000, True), (3 * 3_600_000 + 1, False)]
)
def test_a_document_is_signed_while_its_certificate_is_valid(offset: int, inside: bool) -> None:  # noqa: FBT001 - column
    """A key that is long gone could sign documents of today."""
    lax = policy(max_age_ms=366 * 86_400_000, clock_skew_ms=3_600_000)
    signed = evidence(timestamp=SIGNED_AT_MS + offset)
    found = [rejection.reason for rejection in times(signed, lax, SIGNED_AT_MS + offset)]
    assert found == ([] if inside else [Reason.FRESHNESS_OUTSIDE_CERTIFICATE])
