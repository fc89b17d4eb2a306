import pytest

from issuer.nsm import encode, signature_structure
from tests.support.core import chain, document, fields
from verifier.evidence.envelope import MAX_EVIDENCE_BYTES, decode_envelope
from verifier.reasons import Reason, Rejection

PAYLOAD = b"the payload"
SIGNATURE = bytes(range(96))
HEAD = bytes.fromhex("84 44 a1013822 a0")
GOOD = HEAD + encode(PAYLOAD) + encode(SIGNATURE)


def with_protected(protected: str) -> bytes:
    return b"\x84" + encode(bytes.fromhex(protected)) + GOOD[6:]


def refusal(evidence: bytes) -> Reason:
    with pytest.raises(Rejection) as caught:
        decode_envelope(evidence)
    return caught.value.reason


@pytest.mark.parametrize("evidence", [GOOD, b"\xd2" + GOOD])
def test_the_parts_are_taken_out_unchanged(evidence: bytes) -> None:
    """What is verified would not be what was signed."""
    envelope = decode_envelope(evidence)
    assert envelope.payload == PAYLOAD
    assert envelope.signature == SIGNATURE


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 4000, 16_000])
def test_the_signed_bytes_are_those_the_other_side_signs(size: int) -> None:
    """Both sides would sign different bytes for some length of payload (RFC 9052 section 4.4)."""
    payload = bytes(size)
    envelope = decode_envelope(HEAD + encode(payload) + encode(SIGNATURE))
    assert envelope.to_be_signed == signature_structure(bytes.fromhex("a1013822"), payload)


@pytest.mark.parametrize("size", [255, 256, 300, 5000])
@pytest.mark.parametrize("tag", [b"", b"\xd2"])
def test_no_bit_around_payload_and_signature_can_be_another(tag: bytes, size: int) -> None:
    """The usual form, which is read by itself, would let through what taking it apart does not."""
    before = tag + HEAD + encode(bytes(size))[:-size]
    whole = before + bytes(size) + encode(SIGNATURE)
    assert decode_envelope(whole).payload == bytes(size)
    between = len(before) + size
    for at in (*range(len(tag), len(before)), between, between + 1):
        for bit in range(8):
            changed = bytearray(whole)
            changed[at] ^= 1 << bit
            assert refusal(bytes(changed))
    for other in (whole + b"\x00", *(whole[:length] for length in range(len(whole)))):
        assert refusal(other)


def test_evidence_of_the_largest_size_is_read() -> None:
    """The limit would be one byte lower than it says."""
    largest = HEAD + encode(bytes(MAX_EVIDENCE_BYTES - len(HEAD) - 3 - 98)) + encode(SIGNATURE)
    assert len(largest) == MAX_EVIDENCE_BYTES
    assert decode_envelope(largest).signature == SIGNATURE
    assert refusal(largest + b"\x00") is Reason.EVIDENCE_TOO_LARGE


MALFORMED = Reason.ENVELOPE_MALFORMED
REFUSED = {
    "nothing": (b"", Reason.EVIDENCE_EMPTY),
    "text": (b"hEShATgi", MALFORMED),
    "tag 18 and nothing": (b"\xd2", MALFORMED),
    "tag 18 twice": (b"\xd2\xd2" + GOOD, Reason.ENVELOPE_TAG_UNEXPECTED),
    "tag 17": (b"\xd1" + GOOD, Reason.ENVELOPE_TAG_UNEXPECTED),
    "tag 61 around tag 18": (b"\xd8\x3d\xd2" + GOOD, Reason.ENVELOPE_TAG_UNEXPECTED),
    "tag 18 in two bytes": (b"\xd8\x12" + GOOD, MALFORMED),
    "self-described CBOR": (b"\xd9\xd9\xf7" + GOOD, Reason.ENVELOPE_TAG_UNEXPECTED),
    "a map": (b"\xa0" + GOOD, MALFORMED),
    "three elements": (b"\x83" + GOOD[1:], Reason.ENVELOPE_STRUCTURE_INVALID),
    "five elements": (b"\x85" + GOOD[1:] + b"\xf6", Reason.ENVELOPE_STRUCTURE_INVALID),
    "2**64-1 elements": (b"\x9b" + b"\xff" * 8, Reason.ENVELOPE_STRUCTURE_INVALID),
    "four elements, indefinite": (b"\x9f" + GOOD[1:] + b"\xff", MALFORMED),
    "four elements, long head": (b"\x98\x04" + GOOD[1:], MALFORMED),
    "reserved additional information": (b"\x9c" + GOOD[1:], MALFORMED),
    "a head that is cut off": (b"\x99\x00", MALFORMED),
    "nothing after the head": (b"\x84", MALFORMED),
    "protected as a map": (b"\x84\xa1\x01\x38\x22" + GOOD[6:], Reason.ENVELOPE_PROTECTED_INVALID),
    "protected cut off": (GOOD[:4], MALFORMED),
    "protected in a long head": (b"\x84\x58\x04" + GOOD[2:], Reason.ENVELOPE_PROTECTED_INVALID),
    "protected chunked": (b"\x84\x5f\x44" + GOOD[2:6] + b"\xff" + GOOD[6:], Reason.ENVELOPE_PROTECTED_INVALID),
    "protected empty": (b"\x84\x40" + GOOD[6:], Reason.ENVELOPE_ALGORITHM_MISSING),
    "protected an empty map": (with_protected("a0"), Reason.ENVELOPE_ALGORITHM_MISSING),
    "protected not CBOR": (with_protected("ff"), Reason.ENVELOPE_PROTECTED_INVALID),
    "protected with bytes after it": (with_protected("a101382200"), Reason.ENVELOPE_PROTECTED_INVALID),
    "protected an array": (with_protected("8101"), Reason.ENVELOPE_PROTECTED_INVALID),
    "protected indefinite": (with_protected("bf013822ff"), Reason.ENVELOPE_PROTECTED_INVALID),
    "alg twice": (with_protected("a201382201382 2".replace(" ", "")), Reason.ENVELOPE_PROTECTED_INVALID),
    "alg in a long head": (with_protected("a118013822"), Reason.ENVELOPE_PROTECTED_INVALID),
    "alg value in a long head": (with_protected("a101390022"), Reason.ENVELOPE_PROTECTED_INVALID),
    "alg under true": (with_protected("a1f53822"), Reason.ENVELOPE_ALGORITHM_MISSING),
    "alg under 1.0": (with_protected("a1f93c003822"), Reason.ENVELOPE_ALGORITHM_MISSING),
    "alg under text": (with_protected("a163616c673822"), Reason.ENVELOPE_ALGORITHM_MISSING),
    "alg as text": (with_protected("a1016545533338 34".replace(" ", "")), Reason.ENVELOPE_ALGORITHM_UNSUPPORTED),
    "alg as a float": (with_protected("a101f9d060"), Reason.ENVELOPE_ALGORITHM_UNSUPPORTED),
    "alg ES256": (with_protected("a10126"), Reason.ENVELOPE_ALGORITHM_UNSUPPORTED),
    "alg null": (with_protected("a101f6"), Reason.ENVELOPE_ALGORITHM_UNSUPPORTED),
    "crit beside alg": (with_protected("a201382202810 1".replace(" ", "")), Reason.ENVELOPE_HEADER_UNEXPECTED),
    "nothing after protected": (GOOD[:6], MALFORMED),
    "kid unprotected": (
        GOOD[:6] + bytes.fromhex("a1044101") + GOOD[7:],
        Reason.ENVELOPE_UNPROTECTED_NOT_EMPTY,
    ),
    "unprotected indefinite": (GOOD[:6] + b"\xbf\xff" + GOOD[7:], Reason.ENVELOPE_UNPROTECTED_NOT_EMPTY),
    "nothing after unprotected": (GOOD[:7], MALFORMED),
    "payload nil": (HEAD + b"\xf6" + encode(SIGNATURE), Reason.ENVELOPE_PAYLOAD_INVALID),
    "payload text": (HEAD + encode("the payload") + encode(SIGNATURE), Reason.ENVELOPE_PAYLOAD_INVALID),
    "payload chunked": (HEAD + b"\x5f" + encode(PAYLOAD) + b"\xff", Reason.ENVELOPE_PAYLOAD_INVALID),
    "payload in a long head": (HEAD + b"\x58\x0b" + PAYLOAD + encode(SIGNATURE), Reason.ENVELOPE_PAYLOAD_INVALID),
    "payload cut off": (HEAD + encode(PAYLOAD)[:-1], MALFORMED),
    "payload of 2**63 bytes": (HEAD + b"\x5b\x80" + bytes(7) + PAYLOAD, MALFORMED),
    "no signature": (HEAD + encode(PAYLOAD), MALFORMED),
    "signature nil": (HEAD + encode(PAYLOAD) + b"\xf6", Reason.ENVELOPE_SIGNATURE_INVALID),
    "signature of 95 bytes": (GOOD[:-97] + b"\x5f" + bytes(95), Reason.ENVELOPE_SIGNATURE_INVALID),
    "signature of 97 bytes": (GOOD[:-97] + b"\x61" + bytes(97), Reason.ENVELOPE_SIGNATURE_INVALID),
    "signature cut off": (GOOD[:-1], MALFORMED),
    "signature in a long head": (GOOD[:-98] + b"\x59\x00\x60" + SIGNATURE, Reason.ENVELOPE_SIGNATURE_INVALID),
    "a line end after it": (GOOD + b"\n", Reason.ENVELOPE_TRAILING_BYTES),
    "the document twice": (GOOD + GOOD, Reason.ENVELOPE_TRAILING_BYTES),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_other_form_is_refused_for_its_own_reason(name: str) -> None:
    """What lies outside the signature is malleable: a second accepted form is a second identity of one document."""
    evidence, expected = REFUSED[name]
    assert refusal(evidence) is expected


def test_no_prefix_of_a_document_is_an_envelope() -> None:
    """A cut-off body would be appraised."""
    evidence = document()
    assert all(refusal(evidence[:length]) for length in range(0, len(evidence), 7))


def test_the_payload_that_the_issuer_wrote_is_read_back() -> None:
    """Both sides would disagree on where the payload lies."""
    assert fields().certificate == chain().certificate
    assert fields().certificate in decode_envelope(document(tagged=True)).payload


def test_a_protected_header_with_a_tag_is_refused() -> None:
    """A tagged bignum 1 would be taken for the label of alg."""
    assert refusal(with_protected("a1c241013822")) is Reason.ENVELOPE_PROTECTED_INVALID
