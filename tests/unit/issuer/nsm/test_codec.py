from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.nsm import (
    Attestation,
    AttestationDocument,
    DescribeNsm,
    DescribePcr,
    Encoded,
    ExtendPcr,
    GetRandom,
    InputTooLargeError,
    InvalidIndexError,
    InvalidOperationError,
    KeyOrder,
    LockPcr,
    LockPcrs,
    NsmDescription,
    NsmError,
    NsmProtocolError,
    PcrDescription,
    PcrExtended,
    PcrLocked,
    PcrsLocked,
    RandomBytes,
    Refusal,
    Request,
    Response,
    decode_reply,
    decode_request,
    encode_map,
    encode_reply,
    encode_request,
)

ZERO = bytes(48)
DESCRIPTION = NsmDescription(module_id="i-0123456789abcdef0-enc0192a3b4c5d6e7f8", locked_pcrs=tuple(range(16)))

INDICES = st.integers(0, 255)
FIELDS = st.none() | st.binary(max_size=64)
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.just(DescribeNsm()),
    st.just(GetRandom()),
    st.builds(DescribePcr, index=INDICES),
    st.builds(ExtendPcr, index=INDICES, data=st.binary(max_size=300)),
    st.builds(LockPcr, index=INDICES),
    st.builds(LockPcrs, end=INDICES),
    st.builds(Attestation, user_data=FIELDS, nonce=FIELDS, public_key=FIELDS),
)
VALUES = st.binary(min_size=48, max_size=48)
NUMBERS = st.integers(0, 0xFFFF)
RESPONSES: st.SearchStrategy[Response] = st.one_of(
    st.builds(
        NsmDescription,
        module_id=st.text(max_size=40),
        locked_pcrs=st.lists(NUMBERS).map(tuple),
        version_major=NUMBERS,
        version_minor=NUMBERS,
        version_patch=NUMBERS,
        max_pcrs=NUMBERS,
        digest=st.sampled_from(["SHA256", "SHA384", "SHA512"]),
    ),
    st.builds(PcrDescription, lock=st.booleans(), data=VALUES),
    st.builds(PcrExtended, data=VALUES),
    st.just(PcrLocked()),
    st.just(PcrsLocked()),
    st.builds(AttestationDocument, document=st.binary(max_size=300)),
    st.builds(RandomBytes, random=st.binary(max_size=300)),
    st.builds(Refusal, code=st.text(max_size=20)),
)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (DescribeNsm(), "6b44657363726962654e534d"),
        (GetRandom(), "6947657452616e646f6d"),
        (DescribePcr(index=0), "a16b4465736372696265504352a165696e64657800"),
        (DescribePcr(index=31), "a16b4465736372696265504352a165696e646578181f"),
        (ExtendPcr(index=16, data=b"\1\2\3"), "a169457874656e64504352a265696e64657810646461746143010203"),
        (LockPcr(index=16), "a1674c6f636b504352a165696e64657810"),
        (LockPcrs(end=32), "a1684c6f636b50435273a16572616e67651820"),
        (Attestation(), "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69635f6b6579f6"),
        (
            Attestation(nonce=bytes.fromhex("deadbeef")),
            "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e636544deadbeef6a7075626c69635f6b6579f6",
        ),
        (
            Attestation(user_data=b"ud", nonce=b"n", public_key=b"pk"),
            "a16b4174746573746174696f6ea369757365725f64617461427564656e6f6e6365416e6a7075626c69635f6b657942706b",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_requests_have_the_bytes_of_the_rust_api(request_: Request, expected: str) -> None:
    """The device would not understand us."""
    assert encode_request(request_).hex() == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (PcrLocked(), "674c6f636b504352"),
        (PcrsLocked(), "684c6f636b50435273"),
        (
            PcrDescription(lock=True, data=ZERO),
            "a16b4465736372696265504352a2646c6f636bf564646174615830" + "00" * 48,
        ),
        (PcrExtended(data=ZERO), "a169457874656e64504352a164646174615830" + "00" * 48),
        (RandomBytes(random=b"\1\2\3\4"), "a16947657452616e646f6da16672616e646f6d4401020304"),
        (AttestationDocument(document=b"d"), "a16b4174746573746174696f6ea168646f63756d656e744164"),
        (Refusal(code="InvalidIndex"), "a1654572726f726c496e76616c6964496e646578"),
        (
            DESCRIPTION,
            (
                "a16b44657363726962654e534da76d76657273696f6e5f6d616a6f72016d76657273696f6e5f6d696e6f72006d76657273696f6e5f"
                "706174636800696d6f64756c655f69647827692d30313233343536373839616263646566302d656e6330313932613362346335643665"
                "376638686d61785f7063727318206b6c6f636b65645f7063727390000102030405060708090a0b0c0d0e0f6664696765737466534841"
                "333834"
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_replies_have_the_bytes_of_the_rust_api(response: Response, expected: str) -> None:
    """Software written for the device would not understand ours."""
    assert encode_reply(response).hex() == expected


@given(REQUESTS)
def test_a_request_that_is_read_back_is_the_same(request_: Request) -> None:
    """The software NSM would do something else than it was asked."""
    assert decode_request(encode_request(request_)) == request_


@given(RESPONSES, st.sampled_from(["declared", "length-first"]))
def test_a_reply_that_is_read_back_is_the_same(response: Response, key_order: KeyOrder) -> None:
    """A value would be lost between NSM and application."""
    assert decode_reply(encode_reply(response, key_order)) == response


@pytest.mark.parametrize("response", [DESCRIPTION, PcrDescription(lock=False, data=ZERO)])
def test_replies_are_read_in_any_form(response: Response) -> None:
    """An NSM that sorts keys, or learns a new one, would break every enclave at once."""
    ((name, fields),) = cbor2.loads(encode_reply(response)).items()
    pairs = [*reversed(fields.items()), ("a_new_field", (1, {"deep": b"x"}))]
    definite = encode_map([(name, Encoded(encode_map(pairs)))])
    indefinite = encode_map([(name, Encoded(encode_map(pairs, indefinite=True)))], indefinite=True)
    assert decode_reply(definite) == decode_reply(indefinite) == response


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "ff",
        "674c6f636b50435200",  # a byte too many
        "a1674c6f636b504352a0",  # a name that has no fields, with fields
        "6b4465736372696265504352",  # and the other way around
        "644e6f7065",
        "a2674c6f636b504352f6684c6f636b50435273f6",  # two answers
        "83010203",
        "a1654572726f7207",  # an error that is a number
        "a1f6f6",
        "a16947657452616e646f6da16672616e646f6d6401020304",  # text where bytes belong
        "a16947657452616e646f6da0",
        "a16947657452616e646f6da26672616e646f6d41016672616e646f6d4102",  # twice
        "a16947657452616e646f6da16672616e646f6dc24101",  # a tag
        "a16947657452616e646f6da16672616e646f6dd9ffff4101",  # a tag that nobody knows
        "a16947657452616e646f6da26672616e646f6d410163787878d9ffff01",  # one in a field that nobody knows
        "a16947657452616e646f6da26672616e646f6d410163787878c249ffffffffffffffffff",
        "a169457874656e64504352a164646174614100",  # a PCR of one byte
        "a16b4465736372696265504352a2646c6f636b01646461746158" + "30" + "00" * 48,  # a lock that is a number
        encode_reply(DESCRIPTION).hex().replace("90000102", "90f50102"),  # a PCR called true
        encode_reply(DESCRIPTION).hex().replace("90000102", "90200102"),  # a PCR below 0
        "81" * 3000,
    ],
)
def test_what_is_no_reply_is_a_protocol_error_that_keeps_it(reply: str) -> None:
    """Nobody could tell what a strange NSM said."""
    with pytest.raises(NsmProtocolError) as caught:
        decode_reply(bytes.fromhex(reply))
    assert caught.value.reply == bytes.fromhex(reply)


@given(st.binary(max_size=200) | RESPONSES.map(encode_reply).flatmap(lambda reply: st.binary().map(reply.__add__)))
def test_no_bytes_make_the_reader_fail_in_another_way(reply: bytes) -> None:
    """An application that handles NsmError would crash on noise."""
    try:
        decode_reply(reply)
    except NsmProtocolError as error:
        assert error.reply == reply  # noqa: PT017 - most bytes are no reply, a few are


@given(st.binary(max_size=200))
def test_no_bytes_make_the_software_nsm_fail_in_another_way(request_: bytes) -> None:
    """Our emulator would crash where a device answers."""
    try:
        decode_request(request_)
    except InvalidOperationError as error:
        assert error.code == "InvalidOperation"  # noqa: PT017 - as above


@pytest.mark.parametrize(
    ("kind", "fields", "error"),
    [
        (DescribePcr, {"index": -1}, InvalidIndexError),
        (LockPcr, {"index": 0x10000}, InvalidIndexError),
        (LockPcrs, {"end": True}, TypeError),
        (DescribePcr, {"index": "1"}, TypeError),
        (ExtendPcr, {"index": 16, "data": "text"}, TypeError),
        (ExtendPcr, {"index": 16, "data": bytearray(1)}, TypeError),
        (Attestation, {"nonce": "text"}, TypeError),
        (Attestation, {"public_key": bytearray(1)}, TypeError),
    ],
)
def test_a_request_that_can_not_be_is_refused_when_it_is_made(
    kind: type[Request], fields: dict[str, Any], error: type[Exception]
) -> None:
    """A nonce given as text would be signed as its digits."""
    with pytest.raises(error):
        kind(**fields)


def test_a_read_request_may_ask_for_less_and_say_more() -> None:
    """QEMU's emulated NSM takes absent keys for null, text for bytes, and does not mind unknown keys."""
    request = bytes.fromhex("a16b4174746573746174696f6ea2656e6f6e63656474657874637a7a7a01")
    assert decode_request(request) == Attestation(nonce=b"text")


def test_errors_keep_what_they_know() -> None:
    """An operator would see a class name and nothing else."""
    error = InputTooLargeError("too much", errno=90, reply=b"r")
    assert isinstance(error, NsmError)
    assert (str(error), error.errno, error.reply, error.code) == ("too much", 90, b"r", "InputTooLarge")
