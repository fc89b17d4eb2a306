"""What was issued is read back, and nothing else is."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.nonces import (
    MAX_TTL_S,
    Keyring,
    NonceContext,
    NonceKey,
    check_nonce_time,
    issue_nonce,
    read_nonce,
)
from verifier.reasons import Reason, Rejection

TEXTS = st.text(string.printable, max_size=20) | st.text(max_size=5).filter(lambda text: text.isprintable())
CONTEXTS = st.builds(NonceContext, audience=TEXTS, policy=TEXTS)
KEYS = st.builds(NonceKey, id=st.integers(0, 255), secret=st.binary(min_size=32, max_size=64))
TIMES = st.integers(0, 2**48 - 1)
LIVES = st.integers(1, MAX_TTL_S)
RANDOM = st.binary(min_size=16, max_size=16)


def is_known(nonce: bytes, key: NonceKey, context: NonceContext) -> bool:
    try:
        read_nonce(nonce, Keyring(current=key), (context,))
    except Rejection as rejection:
        assert rejection.reason is Reason.FRESHNESS_NONCE_UNKNOWN  # noqa: PT017 - asked for on the way
        return False
    return True


@given(KEYS, CONTEXTS, TIMES, LIVES, RANDOM)
def test_what_was_issued_is_read_back(key: NonceKey, context: NonceContext, at: int, ttl: int, entropy: bytes) -> None:
    """A nonce would expire at another time than it was told."""
    issued = issue_nonce(Keyring(current=key), context, at=at, ttl=ttl, entropy=entropy)
    assert read_nonce(issued.value, Keyring(current=key), (context,)) == issued
    assert (issued.issued_at, issued.ttl, issued.key_id) == (at, ttl, key.id)


@given(
    KEYS, CONTEXTS, st.binary(max_size=80) | st.binary(min_size=56, max_size=56).map(lambda rest: b"\x01\x00" + rest)
)
def test_no_other_bytes_are_a_nonce(key: NonceKey, context: NonceContext, nonce: bytes) -> None:
    """Somebody could write nonces themselves."""
    assert not is_known(nonce, key, context)


@given(KEYS, CONTEXTS, TIMES, LIVES, st.integers(0, 57), st.integers(1, 255))
def test_no_byte_of_a_nonce_can_be_changed(
    key: NonceKey, context: NonceContext, at: int, ttl: int, place: int, change: int
) -> None:
    """A field would be outside of the MAC."""
    value = bytearray(issue_nonce(Keyring(current=key), context, at=at, ttl=ttl).value)
    value[place] ^= change
    assert not is_known(bytes(value), key, context)


@given(KEYS, KEYS, CONTEXTS, CONTEXTS, TIMES)
def test_a_nonce_is_good_for_its_key_and_context_alone(
    key: NonceKey, other_key: NonceKey, context: NonceContext, other: NonceContext, at: int
) -> None:
    """A nonce of another verifier, policy or audience would be believed."""
    value = issue_nonce(Keyring(current=key), context, at=at, ttl=60).value
    assert is_known(value, other_key, context) == (key == other_key)
    assert is_known(value, key, other) == (context == other)
    assert (context.encode() == other.encode()) == (context == other)


@given(
    st.integers(10**12, 2 * 10**12), LIVES, st.integers(0, 3_600_000), st.integers(-8 * 10**6, 8 * 10**6), st.integers()
)
def test_a_nonce_lives_from_its_issue_to_its_end(at: int, ttl: int, skew: int, later: int, signed: int) -> None:
    """A nonce would be good after its end, before its issue, or for a document older than itself."""
    nonce = issue_nonce(
        Keyring(current=NonceKey(id=0, secret=bytes(32))), NonceContext(audience="a"), at=at, ttl=ttl, entropy=bytes(16)
    )
    is_alive = -skew <= later < ttl * 1000 and signed >= at - skew
    if is_alive:
        check_nonce_time(nonce, document_at=signed, at=at + later, skew=skew)
    else:
        with pytest.raises(Rejection):
            check_nonce_time(nonce, document_at=signed, at=at + later, skew=skew)
