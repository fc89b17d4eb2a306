"""What is recognised must say what a full reading says, or be left to it."""

import sys
from itertools import permutations
from random import Random
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.nsm import MapStyle, encode_map, encode_payload
from tests.support.core import AT, AT_MS, NONCE, document, fields, policy, verifier
from verifier import Affirmed
from verifier.evidence.document import (
    EARLIEST_TIMESTAMP_MS,
    LATEST_TIMESTAMP_MS,
    MAX_FIELD_BYTES,
    AttestationDocument,
    decode_document,
)
from verifier.evidence.envelope import decode_envelope
from verifier.evidence.recurring import LEARN_WHEN_FULL, RecurringParts
from verifier.reasons import Rejection

STYLES: tuple[MapStyle, ...] = ("definite", "indefinite")
OPTIONAL = st.none() | st.binary(max_size=MAX_FIELD_BYTES + 1)


def taught(*payloads: bytes) -> RecurringParts:
    parts = RecurringParts()
    for payload in payloads:
        parts.learn(payload, decode_document(payload))
    return parts


def payload(style: MapStyle = "indefinite", **changes: Any) -> bytes:  # noqa: ANN401 - the fields of a document
    return encode_payload(fields(**changes), style)


def read_whole(data: bytes) -> AttestationDocument | None:
    try:
        return decode_document(data)
    except Rejection:
        return None


PARTS = taught(*[payload(style) for style in STYLES])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("timestamp", [EARLIEST_TIMESTAMP_MS, AT_MS + 1, LATEST_TIMESTAMP_MS])
def test_another_document_of_the_enclave_is_recognised(style: MapStyle, timestamp: int) -> None:
    """Known enclaves would cost what unknown ones cost."""
    later = payload(style, timestamp=timestamp, user_data=bytes(MAX_FIELD_BYTES), public_key=b"", nonce=None)
    assert PARTS.read(later) == decode_document(later)


@given(st.sampled_from(STYLES), st.integers(0, 2**64 - 1), OPTIONAL, OPTIONAL, OPTIONAL)
def test_it_is_read_as_a_whole_document_is_or_not_at_all(
    style: MapStyle, timestamp: int, public_key: bytes | None, user_data: bytes | None, nonce: bytes | None
) -> None:
    """A short cut would have limits of its own."""
    data = payload(style, timestamp=timestamp, public_key=public_key, user_data=user_data, nonce=nonce)
    assert PARTS.read(data) == read_whole(data)


@pytest.mark.parametrize("style", STYLES)
def test_no_changed_bit_is_passed_over(style: MapStyle) -> None:
    """A payload would be taken for another one: every bit of one is flipped."""
    genuine = payload(style, user_data=b"data", public_key=b"key")
    recognised = 0
    for bit in range(8 * len(genuine)):
        changed = bytearray(genuine)
        changed[bit // 8] ^= 1 << bit % 8
        found = PARTS.read(bytes(changed))
        assert found is None or found == read_whole(bytes(changed)), bit
        recognised += found is not None
    assert recognised > 100  # the time, and the contents of three fields


@pytest.mark.parametrize("style", STYLES)
def test_what_was_added_or_cut_is_left_to_the_full_reading(style: MapStyle) -> None:
    """Bytes behind the map, or a map that does not end, would go unnoticed."""
    genuine = payload(style)
    for changed in (genuine + b"\x00", genuine + b"\xff", genuine + genuine, genuine[:-1], genuine[:-2] + b"\xff"):
        assert PARTS.read(changed) is None
    for length in range(len(genuine)):
        assert PARTS.read(genuine[:length]) is None


@pytest.mark.parametrize("name", ["public_key", "user_data", "nonce"])
def test_fields_have_the_limits_that_they_have_elsewhere(name: str) -> None:
    """A document would be refused the first time, and affirmed the next."""
    for value in (bytes(MAX_FIELD_BYTES + 1), "text", 1, (None,)):
        assert PARTS.read(encode_map([(key, value if key == name else old) for key, old in fields().pairs()])) is None


def test_tails_in_another_order_are_left_to_the_full_reading() -> None:
    """A field would be read as another one, or one that occurs twice as one."""
    head = fields().pairs()[:-3]
    usual, *others = permutations([("public_key", b"a"), ("user_data", b"b"), ("nonce", None)])
    assert PARTS.read(encode_map([*head, *usual])) is not None
    for tail in others:
        assert PARTS.read(encode_map([*head, *tail])) is None
        assert taught(encode_map([*head, *tail])).read(encode_map([*head, *tail])) is None
        assert PARTS.read(encode_map([*head, tail[0], tail[1], tail[1]])) is None
        assert PARTS.read(encode_map([*head, tail[0], tail[1], ("digest", "SHA384")])) is None


def test_what_is_not_laid_out_as_by_the_module_is_not_learnt() -> None:
    """A cut in the wrong place would be believed."""
    pairs = fields().pairs()
    others = [
        encode_map(pairs[::-1]),
        encode_map([pairs[0], pairs[1], pairs[3], pairs[2], *pairs[4:]]),
        encode_map([*pairs, ("more", 1)]),
        payload(user_data=b"\x6apublic_key"),
    ]
    assert [taught(other).read(other) for other in others] == [None] * len(others)


@pytest.mark.parametrize("head", ["44", "5804", "590004"])
def test_lengths_may_be_longer_than_they_have_to_be(head: str) -> None:
    """A document would be refused the first time, and affirmed the next."""
    data = with_last_head(head)
    assert PARTS.read(data) == decode_document(data)


@pytest.mark.parametrize("head", ["5a00000004", "64", "5f44", "5c", "f7", "18"])
def test_other_heads_are_left_to_the_full_reading(head: str) -> None:
    """Text, or a string in chunks, would be taken for bytes."""
    assert PARTS.read(with_last_head(head)) is None


def with_last_head(head: str) -> bytes:
    """A payload whose last value, four bytes, has another head."""
    data = payload("definite", nonce=b"abcd")
    assert data.endswith(b"\x44abcd")
    return data[:-5] + bytes.fromhex(head) + b"abcd"


PAYLOADS = [payload(module_id=f"i-{number}") for number in range(24)]
DOCUMENTS = [decode_document(each) for each in PAYLOADS]


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    """Whoever owns many enclaves would fill it without end, or push out all others at once."""
    parts = RecurringParts(limit=2)
    for number in (0, 1):
        parts.learn(PAYLOADS[number], DOCUMENTS[number])
    for _ in range(LEARN_WHEN_FULL - 1):
        parts.learn(PAYLOADS[2], DOCUMENTS[2])
    assert [parts.read(each) is not None for each in PAYLOADS[:3]] == [True, True, False]
    parts.learn(PAYLOADS[2], DOCUMENTS[2])
    assert [parts.read(each) is not None for each in PAYLOADS[:3]] == [False, True, True]


def test_threads_that_learn_at_once_keep_the_bound() -> None:
    """A verifier that threads share would fail for an authentic document, or grow."""
    parts, failed = RecurringParts(limit=4), []

    def learn(chance: Random) -> None:
        try:
            for _ in range(3000):
                number = chance.randrange(len(PAYLOADS))
                parts.learn(PAYLOADS[number], DOCUMENTS[number])
                assert parts.read(PAYLOADS[number]) in (None, DOCUMENTS[number])
        except Exception as error:  # noqa: BLE001 - whatever a thread ends with
            failed.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=learn, args=(Random(seed),)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
    assert sum(parts.read(each) is not None for each in PAYLOADS) == 4


def test_nothing_of_one_document_is_kept_for_the_next() -> None:
    """One request's data would stay in memory for hours, if not reach the answer to another."""
    parts = taught(payload(user_data=b"of the first", public_key=b"key", nonce=b"nonce of the first"))
    found = parts.read(payload(user_data=None, public_key=None, nonce=None))
    assert found is not None
    assert (found.user_data, found.public_key, found.nonce) == (None, None, None)


def test_a_buffer_is_as_good_as_bytes() -> None:
    """Whoever reads evidence from a socket into a buffer would get an exception instead of a result."""
    judge = verifier()
    for kind in (bytes, bytearray, memoryview):
        for _ in range(3):
            result = judge.appraise(kind(document()), policy=policy(), nonce=NONCE, at=AT)
            assert isinstance(result, Affirmed)


def test_a_limit_of_zero_learns_nothing() -> None:
    """A deployment that wants no memory of earlier documents would have one."""
    parts = RecurringParts(limit=0)
    parts.learn(payload(), decode_document(payload()))
    assert parts.read(payload()) is None


def test_a_verifier_learns_from_authentic_documents_of_known_enclaves_alone() -> None:
    """A stranger would choose what is remembered."""
    judge, genuine = verifier(), document()
    body = decode_envelope(genuine).payload
    forged = genuine[:-1] + bytes([genuine[-1] ^ 1])

    def appraise(evidence: bytes) -> bool:
        return isinstance(judge.appraise(evidence, policy=policy(), nonce=NONCE, at=AT), Affirmed)

    assert appraise(genuine)  # its path is new, and may never come again
    assert judge.cache.recurring.read(body) is None
    assert not appraise(forged)
    assert judge.cache.recurring.read(body) is None
    assert appraise(genuine)
    assert judge.cache.recurring.read(body) == decode_document(body)
    assert appraise(genuine)
    assert not appraise(forged)
