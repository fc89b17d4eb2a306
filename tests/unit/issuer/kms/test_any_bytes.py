"""Whatever the parent hands in: the typed errors and nothing else, in bounded time and memory."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from issuer.kms import DecryptionError, EnvelopeError, RecipientKey, decode_envelope
from issuer.kms.ber import MAX_BYTES, MAX_DEPTH
from tests.unit.issuer.kms.envelopes import STYLES, Style, seal, tlv

SECRET = b"a secret of 23 bytes ..."


@cache
def spare() -> RecipientKey:
    """One key pair for all examples: generating thousands would take hours."""
    return RecipientKey()


@contextmanager
def revived() -> Iterator[RecipientKey]:
    """That key pair, as fresh as if nothing had failed before."""
    key, private_key = spare(), spare()._private_key
    try:
        yield key
    finally:
        key._private_key = private_key
        key._opened.clear()


@cache
def envelope(style: Style) -> bytes:
    """A right envelope in a style."""
    return style.write(seal(spare().public_key, SECRET))


def outcome(data: bytes) -> bytes | type[Exception]:
    """What opening gives; any exception but ours fails the test."""
    with revived() as key:
        try:
            return key.open(data)
        except (EnvelopeError, DecryptionError) as error:
            return type(error)


@given(data=st.binary(max_size=200) | st.binary(min_size=MAX_BYTES - 2, max_size=MAX_BYTES + 2))
@example(data=b"")
@example(data=b"0" * MAX_BYTES)
def test_any_bytes_give_the_typed_error(data: bytes) -> None:
    """Anything else would be a crash that the parent can cause."""
    assert outcome(data) is EnvelopeError


@st.composite
def edits(draw: st.DrawFn) -> bytes:
    """A right envelope with up to three edits."""
    data = bytearray(envelope(draw(st.sampled_from(list(STYLES.values())))))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(start + 40, len(data))))
        data[start:stop] = draw(st.binary(max_size=4) | st.just(b"\x00\x00") | st.just(b"\x30\x80"))
    return bytes(data)


@given(data=edits())
def test_edited_envelopes_give_bytes_or_the_typed_errors(data: bytes) -> None:
    """Near misses get further than noise. CBC has no integrity, so some edits do give bytes: docs/kms.md says so."""
    result = outcome(data)
    assert isinstance(result, bytes) or result in {EnvelopeError, DecryptionError}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_no_flipped_bit_outside_iv_and_ciphertext_changes_the_secret(style: Style) -> None:
    """What is lenient must be lenient about form only."""
    right = envelope(style)
    parts = decode_envelope(right)
    believed = {right.index(part) + at for part in (parts.iv, parts.ciphertext) for at in range(len(part))}
    for at in range(len(right)):
        mutated = right[:at] + bytes((right[at] ^ 1 << at % 8,)) + right[at + 1 :]
        if at not in believed:
            assert outcome(mutated) in {SECRET, EnvelopeError, DecryptionError}


WORST = {
    "thousands of empty elements": tlv(0x30, tlv(0x05) * 4000),
    "thousands in an indefinite length": tlv(0x30, tlv(0x05) * 4000, indefinite=True),
    "nested to the limit, again and again": tlv(
        0x30, (b"\x30\x80" * (MAX_DEPTH - 1) + b"\x00\x00" * (MAX_DEPTH - 1)) * 130
    ),
    "one large octet string": tlv(0x04, bytes(8000)),
    "thousands of chunks": STYLES["kms chunked"].write(seal(RecipientKey().public_key, b"s"))[:-10] + tlv(0x04) * 3000,
    "open lengths": b"\x30\x80" * 4096,
    "a length of four gigabytes": b"\x30\x84\xff\xff\xff\xff",
    "a megabyte": bytes(1 << 20),
}


@pytest.mark.parametrize("data", WORST.values(), ids=WORST)
def test_the_worst_envelope_costs_little(data: bytes) -> None:
    """An unbounded reader is a way to stop the enclave; the bounds leave room for a slow machine."""
    tracemalloc.start()
    try:
        with pytest.raises(EnvelopeError):
            decode_envelope(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    started = time.perf_counter()
    with pytest.raises(EnvelopeError):
        decode_envelope(data)
    elapsed = time.perf_counter() - started
    assert peak < 1 << 20
    assert elapsed < 1
