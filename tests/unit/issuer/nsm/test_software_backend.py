import errno
from datetime import UTC, datetime

import pytest

from issuer.nsm import (
    InputTooLargeError,
    Refusal,
    SoftwareBackend,
    SoftwareNsm,
    ThrowawayPki,
    decode_reply,
    encode_request,
)
from issuer.nsm.requests import Attestation

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_given_nsm_is_asked_and_its_documents_stay_reproducible() -> None:
    """Vectors and the demo rest on documents that are the same byte for byte, by either way."""
    first, second = (SoftwareNsm(clock=lambda: AT, pki=ThrowawayPki(seed=b"s"), build="b") for _ in range(2))
    backend = SoftwareBackend(first)
    assert backend.nsm is first
    reply = backend.process(encode_request(Attestation(nonce=b"n")))
    assert second.attestation(nonce=b"n") in reply
    backend.close()


def test_one_that_boots_itself_has_a_root_of_its_own_and_this_machines_clock() -> None:
    """Everybody who knows a default seed could sign."""
    first, second = SoftwareBackend(), SoftwareBackend()
    assert first.nsm.pki.root_sha256 != second.nsm.pki.root_sha256
    assert abs((first.nsm.clock() - datetime.now(UTC)).total_seconds()) < 60


def test_a_refusal_by_the_nsm_is_a_reply_and_one_by_the_driver_is_not() -> None:
    """The device answers the one; for the other there is an errno and no answer."""
    backend = SoftwareBackend()
    assert decode_reply(backend.process(b"\xff")) == Refusal(code="InvalidOperation")
    too_large = encode_request(Attestation(nonce=bytes(1025)))
    assert decode_reply(backend.process(too_large)) == Refusal(code="InputTooLarge")
    with pytest.raises(InputTooLargeError) as caught:
        backend.process(bytes(4097))
    assert (caught.value.errno, caught.value.reply) == (errno.EMSGSIZE, None)


def test_replies_come_in_the_order_that_is_wanted() -> None:
    """Readers must be shown both."""
    request = bytes.fromhex("a16b4465736372696265504352a165696e64657810")
    declared, sorted_ = SoftwareBackend(), SoftwareBackend(key_order="length-first")
    assert declared.process(request).startswith(bytes.fromhex("a16b4465736372696265504352a2646c6f636bf4"))
    assert sorted_.process(request).endswith(bytes.fromhex("646c6f636bf4"))
