from dataclasses import dataclass, field

import pytest

from tests.support.core import AT, AT_MS, NONCE, PCRS, SIGNED_AT_MS, build, document, policy, reasons, verifier
from verifier import Affirmed, GuardUnavailableError, NonceService, Reason, SingleUse, ephemeral_keyring
from verifier.policy.freshness import FreshnessMode
from verifier.policy.model import KeyKind, NonceMode, Policy, PublicKeyRule, Requirements

REQUIRED = policy(nonce=NonceMode.REQUIRED)


@dataclass
class Once:
    """A single-use guard that remembers, and can be out of order."""

    used: dict[bytes, int] = field(default_factory=dict)
    working: bool = True

    @property
    def reach(self) -> SingleUse:
        """One host."""
        return SingleUse.HOST

    def consume(self, nonce: bytes, *, expires_at: int, at: int) -> bool:
        """True the first time."""
        if not self.working:
            raise GuardUnavailableError
        first = nonce not in self.used
        self.used[nonce] = expires_at
        return first and at == AT_MS


def service(guard: Once | None) -> NonceService:
    return NonceService(ephemeral_keyring(bytes(32)), audience="tests", guard=guard)


def test_a_nonce_is_good_for_one_affirmation() -> None:
    """A document could be presented twice."""
    guard = Once()
    nonces = service(guard)
    issued = nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments")
    evidence = document(nonce=issued.value)
    judge = verifier(nonces=nonces)
    first = judge.appraise(evidence, policy=REQUIRED, at=AT)
    second = judge.appraise(evidence, policy=REQUIRED, at=AT)
    assert isinstance(first, Affirmed)
    assert first.freshness.single_use is SingleUse.HOST
    assert reasons(second) == (Reason.FRESHNESS_NONCE_REPLAYED,)
    assert guard.used == {issued.value: issued.expires_at}


REJECTED_FOR_ANOTHER_REASON = {
    "measurements": policy(nonce=NonceMode.REQUIRED, builds=(build(pcrs=dict.fromkeys((0, 1, 2), PCRS[3])),)),
    "bindings": policy(
        nonce=NonceMode.REQUIRED,
        require=Requirements(public_key=PublicKeyRule(kind=KeyKind.RAW, lengths=(32,))),
    ),
    "age": policy(nonce=NonceMode.REQUIRED, max_age_ms=1),
}


@pytest.mark.parametrize("case", REJECTED_FOR_ANOTHER_REASON)
def test_a_document_that_is_refused_anyway_uses_up_no_nonce(case: str) -> None:
    """Whoever sees a nonce could spend it with a document that is refused."""
    guard = Once()
    nonces = service(guard)
    evidence = document(nonce=nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments").value)
    judge = verifier(nonces=nonces)
    refused = judge.appraise(evidence, policy=REJECTED_FOR_ANOTHER_REASON[case], at=AT)
    assert reasons(refused)
    assert guard.used == {}
    assert reasons(judge.appraise(evidence, policy=REQUIRED, at=AT)) == ()


def test_another_callers_nonce_uses_up_no_nonce() -> None:
    """A mismatch would spend the nonce that the document carries."""
    guard = Once()
    nonces = service(guard)
    evidence = document(nonce=nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments").value)
    refused = verifier(nonces=nonces).appraise(evidence, policy=REQUIRED, nonce=b"another", at=AT)
    assert reasons(refused) == (Reason.FRESHNESS_NONCE_MISMATCH,)
    assert guard.used == {}


def test_without_a_guard_the_result_says_so() -> None:
    """A Relying Party would believe that each nonce counts once."""
    nonces = service(None)
    evidence = document(nonce=nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments").value)
    for _ in range(2):
        result = verifier(nonces=nonces).appraise(evidence, policy=REQUIRED, at=AT)
        assert isinstance(result, Affirmed)
        assert result.freshness.single_use is SingleUse.OFF


def test_a_guard_that_cannot_tell_affirms_nothing() -> None:
    """A broken database would let every replay through, or be recorded as a judgement on the evidence."""
    nonces = service(Once(working=False))
    evidence = document(nonce=nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments").value)
    with pytest.raises(GuardUnavailableError):
        verifier(nonces=nonces).appraise(evidence, policy=REQUIRED, at=AT)


def test_history_asks_no_guard_and_promises_no_single_use() -> None:
    """Looking back would spend a nonce that is still good, fail with the guard, or find every old document replayed."""
    guard = Once(working=False)
    nonces = service(guard)
    evidence = document(nonce=nonces.issue(at=SIGNED_AT_MS, ttl=60, policy="payments").value)
    judge = verifier(nonces=nonces)
    for _ in range(2):
        past = judge.appraise(evidence, policy=REQUIRED, at=AT, historical=True)
        assert isinstance(past, Affirmed)
        assert past.historical
        assert past.freshness.mode is FreshnessMode.SERVICE_NONCE
        assert past.freshness.single_use is SingleUse.OFF
    guard.working = True
    live = judge.appraise(evidence, policy=REQUIRED, at=AT)
    assert isinstance(live, Affirmed)
    assert not live.historical
    assert live.freshness.single_use is SingleUse.HOST


def test_history_promises_nothing_in_the_callers_name() -> None:
    """A re-check of an archive would read as if a Relying Party answered for using its nonce once."""
    past = verifier().appraise(document(), policy=REQUIRED, nonce=NONCE, at=AT, historical=True)
    assert isinstance(past, Affirmed)
    assert past.freshness.single_use is SingleUse.OFF


def everything_wrong() -> Policy:
    return policy(
        max_age_ms=1,
        builds=(build(pcrs=dict.fromkeys((0, 1, 2), PCRS[3])),),
        require=Requirements(
            pcr8=(PCRS[3],), public_key=PublicKeyRule(kind=KeyKind.RAW, lengths=(32,)), user_data_sha256=(bytes(32),)
        ),
    )


def test_every_finding_is_reported_once_and_in_order() -> None:
    """An operator would fix a policy in six rounds."""
    result = verifier().appraise(document(), policy=everything_wrong(), nonce=b"another", at=AT)
    assert reasons(result) == (
        Reason.MEASUREMENT_PCR_MISMATCH,
        Reason.MEASUREMENT_SIGNER_MISMATCH,
        Reason.BINDING_PUBLIC_KEY_ABSENT,
        Reason.BINDING_USER_DATA_ABSENT,
        Reason.FRESHNESS_TOO_OLD,
        Reason.FRESHNESS_NONCE_MISMATCH,
    )


def test_the_age_is_by_the_nsms_clock() -> None:
    """A metric of clock skew would have the wrong sign."""
    for timestamp, age in ((SIGNED_AT_MS, 5000), (AT_MS + 1000, -1000)):
        result = verifier().appraise(document(timestamp=timestamp), policy=REQUIRED, nonce=b"x", at=AT)
        assert result.freshness is not None
        assert result.freshness.age_ms == age
