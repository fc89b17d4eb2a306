import pytest

from verifier.nonces import (
    MAX_TTL_S,
    NONCE_BYTES,
    IssuedNonce,
    Keyring,
    NonceContext,
    NonceKey,
    NonceService,
    SingleUse,
    check_nonce_time,
    ephemeral_keyring,
    issue_nonce,
    read_nonce,
)
from verifier.reasons import ConfigurationError, Reason, Rejection

AT = 1_772_366_400_123
OLD, NOW, NEXT = (NonceKey(id=number, secret=bytes((number,)) * 32) for number in (1, 2, 3))
KEYRING = Keyring(current=NOW, next=NEXT, previous=OLD)
CONTEXT = NonceContext(audience="tests", policy="payments")


def issue(keyring: Keyring = KEYRING, context: NonceContext = CONTEXT, *, at: int = AT, ttl: int = 60) -> IssuedNonce:
    return issue_nonce(keyring, context, at=at, ttl=ttl, entropy=bytes(16))


def refusal(nonce: bytes, keyring: Keyring = KEYRING, contexts: tuple[NonceContext, ...] = (CONTEXT,)) -> Reason:
    with pytest.raises(Rejection) as caught:
        read_nonce(nonce, keyring, contexts)
    return caught.value.reason


def test_a_nonce_says_what_it_was_issued_with() -> None:
    """Expiry would be counted from another time than that of issue."""
    issued = issue()
    assert read_nonce(issued.value, KEYRING, (CONTEXT,)) == issued
    assert (issued.key_id, issued.issued_at, issued.ttl, issued.expires_at) == (2, AT, 60, AT + 60_000)
    assert len(issued.value) == NONCE_BYTES


def test_the_layout_is_the_documented_one() -> None:
    """Replicas of two versions would not understand each other's nonces."""
    value = issue().value
    assert value[:26].hex() == "0102" + AT.to_bytes(6).hex() + "003c" + "00" * 16


def test_fresh_nonces_are_foreseen_by_nobody() -> None:
    """An enclave's host could prepare documents in advance."""
    values = {issue_nonce(KEYRING, CONTEXT, at=AT, ttl=60).value for _ in range(50)}
    assert len(values) == 50


@pytest.mark.parametrize("key", [OLD, NOW, NEXT])
def test_each_key_of_the_ring_is_believed(key: NonceKey) -> None:
    """Rotating keys would refuse every nonce that is under way."""
    issued = issue(Keyring(current=key))
    assert read_nonce(issued.value, KEYRING, (CONTEXT,)).key_id == key.id


VALUE = issue().value
NOT_OURS = {
    "nothing": b"",
    "57 bytes": VALUE[:-1],
    "59 bytes": VALUE + b"\x00",
    "another version": b"\x02" + VALUE[1:],
    "another key's id": VALUE[:1] + b"\x01" + VALUE[2:],
    "an unknown key's id": VALUE[:1] + b"\x09" + VALUE[2:],
    "another time": VALUE[:7] + bytes((VALUE[7] ^ 1,)) + VALUE[8:],
    "another life": VALUE[:8] + b"\x0e\x10" + VALUE[10:],
    "other entropy": VALUE[:10] + b"\x01" + VALUE[11:],
    "another MAC": VALUE[:-1] + bytes((VALUE[-1] ^ 1,)),
    "a zero MAC": VALUE[:26] + bytes(32),
    "an unknown key's nonce": issue(Keyring(current=NonceKey(id=2, secret=bytes(32)))).value,
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_everything_else_is_unknown_for_one_reason(case: str) -> None:
    """Somebody could write nonces themselves, or learn from the reasons how to."""
    assert refusal(NOT_OURS[case]) is Reason.FRESHNESS_NONCE_UNKNOWN


def test_every_bit_counts() -> None:
    """A field would be outside the MAC."""
    for bit in range(8 * NONCE_BYTES):
        flipped = (int.from_bytes(VALUE) ^ (1 << bit)).to_bytes(NONCE_BYTES)
        assert refusal(flipped) is Reason.FRESHNESS_NONCE_UNKNOWN


def test_a_nonce_is_good_for_its_context_alone() -> None:
    """A document challenged for one policy or audience would do for another."""
    others = (
        NonceContext(audience="tests", policy="other"),
        NonceContext(audience="others", policy="payments"),
        NonceContext(audience="tests"),
        NonceContext(audience="payments", policy="tests"),
        NonceContext(audience="", policy="paymentstests"),
    )
    assert refusal(VALUE, contexts=others) is Reason.FRESHNESS_NONCE_UNKNOWN
    assert refusal(VALUE, contexts=()) is Reason.FRESHNESS_NONCE_UNKNOWN
    assert read_nonce(VALUE, KEYRING, (*others, CONTEXT)).value == VALUE


def test_no_two_contexts_have_the_same_bytes() -> None:
    """A policy's name could borrow letters from the audience's."""
    contexts = [NonceContext(policy=a, audience=b) for a in ("", "a", "ab") for b in ("", "b", "bb")]
    assert len({context.encode() for context in contexts}) == len(contexts)


@pytest.mark.parametrize("ttl", [0, -1, MAX_TTL_S + 1])
def test_a_life_out_of_bounds_is_a_mistake_of_ours(ttl: int) -> None:
    """A nonce would live for days."""
    with pytest.raises(ConfigurationError, match="a nonce lives"):
        issue(ttl=ttl)


@pytest.mark.parametrize(("at", "entropy"), [(-1, bytes(16)), (1 << 48, bytes(16)), (AT, b""), (AT, bytes(17))])
def test_what_does_not_fit_its_field_is_refused(at: int, entropy: bytes) -> None:
    """Entropy would be padded with zeroes without a word."""
    with pytest.raises(ValueError, match="16 bytes of entropy"):
        issue_nonce(KEYRING, CONTEXT, at=at, ttl=60, entropy=entropy)


@pytest.mark.parametrize(
    ("at", "document_at", "expected"),
    [
        (AT, AT, None),
        (AT + 59_999, AT, None),
        (AT + 60_000, AT, Reason.FRESHNESS_NONCE_EXPIRED),
        (AT - 500, AT, None),
        (AT - 501, AT, Reason.FRESHNESS_NONCE_IN_FUTURE),
        (AT, AT - 500, None),
        (AT, AT - 501, Reason.FRESHNESS_DOCUMENT_PREDATES_NONCE),
    ],
)
def test_a_nonces_life_has_bounds_to_the_millisecond(at: int, document_at: int, expected: Reason | None) -> None:
    """A nonce would be good after its time, or for a document that was made before it."""
    found = None
    try:
        check_nonce_time(issue(), document_at=document_at, at=at, skew=500)
    except Rejection as rejection:
        found = rejection.reason
    assert found is expected


def test_a_key_is_long_enough_and_its_id_fits() -> None:
    """A short secret could be found by trying."""
    with pytest.raises(ConfigurationError) as caught:
        NonceKey(id=256, secret=bytes(31))
    assert len(caught.value.problems) == 2
    assert "0000" not in repr(NonceKey(id=0, secret=b"0" * 32))


def test_keys_of_one_id_cannot_be_told_apart() -> None:
    """After a rotation half of the nonces would be unknown."""
    with pytest.raises(ConfigurationError, match="different ids"):
        Keyring(current=NOW, previous=NonceKey(id=2, secret=b"x" * 32))


def test_a_key_made_at_start_up_says_so() -> None:
    """Two replicas would refuse each other's nonces, and nobody would know why."""
    assert ephemeral_keyring().ephemeral
    assert not KEYRING.ephemeral
    assert ephemeral_keyring().current.secret != ephemeral_keyring().current.secret
    assert ephemeral_keyring(b"s" * 32).current.secret == b"s" * 32


class Guard:
    """A guard that is only asked how far it reaches."""

    reach = SingleUse.SHARED

    def consume(self, nonce: bytes, *, expires_at: int, at: int) -> bool:
        """Never asked here."""
        raise AssertionError(nonce, expires_at, at)


def test_a_service_reads_back_what_it_issues() -> None:
    """`POST /v1/nonces` would hand out nonces that `/v1/verify` does not know."""
    service = NonceService(KEYRING, audience="tests")
    for_one, for_any = service.issue(at=AT, ttl=60, policy="payments"), service.issue(at=AT, ttl=60)
    assert service.read(for_one.value, policy="payments") == for_one
    assert service.read(for_any.value, policy="payments") == for_any
    with pytest.raises(Rejection):
        service.read(for_one.value, policy="other")
    assert service.reach is SingleUse.OFF
    assert NonceService(KEYRING, audience="tests", guard=Guard()).reach is SingleUse.SHARED
