from collections.abc import Sequence

import pytest

from issuer.nsm import CborValue, Encoded, encode_map, encode_payload
from tests.support.core import PCRS, chain, fields
from verifier.evidence.document import (
    EARLIEST_TIMESTAMP_MS,
    LATEST_TIMESTAMP_MS,
    MANDATORY_FIELDS,
    MAX_CABUNDLE,
    AttestationDocument,
    decode_document,
)
from verifier.evidence.pcrs import EvidenceKind
from verifier.reasons import Reason, Rejection

Pairs = Sequence[tuple[str, CborValue]]


def pairs(**changes: CborValue) -> Pairs:
    return [(name, changes.get(name, value)) for name, value in fields().pairs()]


def without(*names: str) -> Pairs:
    return [(name, value) for name, value in fields().pairs() if name not in names]


def decode(changed: Pairs) -> AttestationDocument:
    return decode_document(encode_map(changed))


def refusal(payload: bytes) -> Reason:
    with pytest.raises(Rejection) as caught:
        decode_document(payload)
    return caught.value.reason


def test_what_the_issuer_writes_is_read_back() -> None:
    """Both sides would disagree about the format."""
    written = fields(public_key=b"key", user_data=b"")
    for style in ("definite", "indefinite"):
        document = decode_document(encode_payload(written, style))
        assert document.module_id == written.module_id
        assert document.timestamp_ms == written.timestamp
        assert document.pcrs == PCRS
        assert (document.certificate, document.cabundle) == (written.certificate, written.cabundle)
        assert (document.public_key, document.user_data, document.nonce) == (b"key", b"", written.nonce)
        assert document.unrecognised == ()


def test_absent_and_null_are_nothing_and_zero_length_is_not() -> None:
    """An empty nonce would pass for none, or none for an empty one."""
    absent = decode(without("nonce", "user_data", "public_key"))
    null = decode(pairs(nonce=None, user_data=None, public_key=None))
    empty = decode(pairs(nonce=b"", user_data=b"", public_key=b""))
    assert (absent.nonce, absent.user_data, absent.public_key) == (None, None, None)
    assert null == absent
    assert (empty.nonce, empty.user_data, empty.public_key) == (b"", b"", b"")


def test_the_order_of_the_fields_means_nothing() -> None:
    """AWS could not change its encoder without an outage here."""
    assert decode(list(reversed(pairs()))) == decode(pairs())


def test_unknown_fields_are_noted_and_passed_over() -> None:
    """The day AWS adds a field would be an outage, or the field would go unnoticed."""
    document = decode([("zz", {"any": (1, None)}), *pairs(), ("aa", True)])
    assert document.unrecognised == ("aa", "zz")


ACCEPTED: dict[str, dict[str, CborValue]] = {
    "module_id of one character": {"module_id": "i"},
    "module_id of 256": {"module_id": "x" * 256},
    "the earliest timestamp": {"timestamp": EARLIEST_TIMESTAMP_MS},
    "the latest timestamp": {"timestamp": LATEST_TIMESTAMP_MS},
    "one PCR": {"pcrs": {31: bytes(48)}},
    "32 PCRs": {"pcrs": dict.fromkeys(range(32), bytes(48))},
    "certificates of any bytes": {"certificate": b"\x00", "cabundle": (b"\x01",)},
    "certificates of 1024 bytes": {"certificate": bytes(1024), "cabundle": (bytes(1024),) * MAX_CABUNDLE},
    "fields of 1024 bytes": {"nonce": bytes(1024), "user_data": bytes(1024), "public_key": bytes(1024)},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_bounds_belong_to_what_is_accepted(name: str) -> None:
    """A genuine document at a limit would be refused."""
    changes = ACCEPTED[name]
    assert decode(pairs(**changes)).unrecognised == ()


TIMESTAMP, PCRS_INVALID = Reason.DOCUMENT_TIMESTAMP_INVALID, Reason.DOCUMENT_PCRS_INVALID
BUNDLE, MODULE = Reason.DOCUMENT_CABUNDLE_INVALID, Reason.DOCUMENT_MODULE_ID_INVALID
WRONG_VALUES: list[tuple[str, CborValue, Reason]] = [
    ("module_id", "", MODULE),
    ("module_id", "x" * 257, MODULE),
    ("module_id", b"i-1", MODULE),
    ("module_id", None, MODULE),
    ("module_id", "i-1\n", MODULE),
    ("module_id", "i-\x1b[31m", MODULE),
    ("module_id", "i 1", MODULE),
    ("module_id", "i-é", MODULE),
    ("module_id", "i-\x7f", MODULE),
    ("digest", "SHA256", Reason.DOCUMENT_DIGEST_UNSUPPORTED),
    ("digest", "sha384", Reason.DOCUMENT_DIGEST_UNSUPPORTED),
    ("digest", b"SHA384", Reason.DOCUMENT_DIGEST_UNSUPPORTED),
    ("digest", None, Reason.DOCUMENT_DIGEST_UNSUPPORTED),
    ("timestamp", 0, TIMESTAMP),
    ("timestamp", -1, TIMESTAMP),
    ("timestamp", True, TIMESTAMP),
    ("timestamp", 1.7e12, TIMESTAMP),
    ("timestamp", 1_772_366_400, TIMESTAMP),
    ("timestamp", EARLIEST_TIMESTAMP_MS - 1, TIMESTAMP),
    ("timestamp", LATEST_TIMESTAMP_MS + 1, TIMESTAMP),
    ("timestamp", 2**64 - 1, TIMESTAMP),
    ("timestamp", "1772366400000", TIMESTAMP),
    ("pcrs", {}, PCRS_INVALID),
    ("pcrs", None, PCRS_INVALID),
    ("pcrs", (bytes(48),), PCRS_INVALID),
    ("pcrs", {32: bytes(48)}, PCRS_INVALID),
    ("pcrs", {-1: bytes(48)}, PCRS_INVALID),
    ("pcrs", {"0": bytes(48)}, PCRS_INVALID),
    ("pcrs", {True: bytes(48)}, PCRS_INVALID),
    ("pcrs", {0.0: bytes(48)}, PCRS_INVALID),
    ("pcrs", {None: bytes(48)}, PCRS_INVALID),
    ("pcrs", {0: bytes(47)}, PCRS_INVALID),
    ("pcrs", {0: bytes(49)}, PCRS_INVALID),
    ("pcrs", {0: "0" * 48}, PCRS_INVALID),
    ("pcrs", {0: None}, PCRS_INVALID),
    ("certificate", b"", Reason.DOCUMENT_CERTIFICATE_INVALID),
    ("certificate", bytes(1025), Reason.DOCUMENT_CERTIFICATE_INVALID),
    ("certificate", "pem", Reason.DOCUMENT_CERTIFICATE_INVALID),
    ("certificate", None, Reason.DOCUMENT_CERTIFICATE_INVALID),
    ("cabundle", (), BUNDLE),
    ("cabundle", None, BUNDLE),
    ("cabundle", b"der", BUNDLE),
    ("cabundle", {0: b"der"}, BUNDLE),
    ("cabundle", (b"x",) * 9, BUNDLE),
    ("cabundle", (b"x", b""), BUNDLE),
    ("cabundle", (b"x", bytes(1025)), BUNDLE),
    ("cabundle", (b"x", None), BUNDLE),
]
OPTIONAL_WRONG: tuple[CborValue, ...] = (bytes(1025), "text", 0, False, (), {}, Encoded(b"\xf7"))


@pytest.mark.parametrize(("name", "value", "expected"), WRONG_VALUES)
def test_a_field_of_another_type_or_size_is_refused(name: str, value: CborValue, expected: Reason) -> None:
    """A wrong-typed field would count as absent, or crash what reads it."""
    assert refusal(encode_map(pairs(**{name: value}))) is expected


@pytest.mark.parametrize("name", ["nonce", "user_data", "public_key"])
@pytest.mark.parametrize("value", OPTIONAL_WRONG)
def test_an_optional_field_of_another_type_is_not_absent(name: str, value: CborValue) -> None:
    """A nonce given as text would be skipped instead of refused."""
    assert refusal(encode_map(pairs(**{name: value}))) is Reason.DOCUMENT_OPTIONAL_FIELD_INVALID


@pytest.mark.parametrize("name", MANDATORY_FIELDS)
def test_a_mandatory_field_must_be_there(name: str) -> None:
    """A document without measurements or certificates would be half believed."""
    assert refusal(encode_map(without(name))) is Reason.DOCUMENT_FIELD_MISSING


def test_a_document_says_whose_pcrs_it_has() -> None:
    """An EC2 instance would pass for an enclave."""
    of_a_tpm = decode_document(encode_map([*without("pcrs"), ("nitrotpm_pcrs", dict(PCRS.items()))]))
    assert (of_a_tpm.kind, of_a_tpm.pcrs, of_a_tpm.unrecognised) == (EvidenceKind.NITRO_TPM, PCRS, ())
    assert decode_document(encode_payload(fields())).kind is EvidenceKind.ENCLAVE


@pytest.mark.parametrize("value", [{}, None, dict(PCRS.items())])
def test_pcrs_of_both_kinds_are_refused(value: CborValue) -> None:
    """One document would be an enclave's to one reader and an instance's to another."""
    assert refusal(encode_map([*pairs(), ("nitrotpm_pcrs", value)])) is Reason.DOCUMENT_PCRS_AMBIGUOUS


def test_the_pcrs_of_a_tpm_have_the_same_limits() -> None:
    """A wrong-typed value would be compared, or crash what compares it."""
    values: tuple[CborValue, ...] = ({}, None, {0: bytes(47)}, {32: bytes(48)}, {-1: bytes(48)})
    for value in values:
        assert refusal(encode_map([*without("pcrs"), ("nitrotpm_pcrs", value)])) is Reason.DOCUMENT_PCRS_INVALID


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Reason.DOCUMENT_MALFORMED),
        (b"\xa1", Reason.DOCUMENT_MALFORMED),
        (b"\xd8\x23\x61(", Reason.DOCUMENT_MALFORMED),
        (b"\xa0\x00", Reason.DOCUMENT_TRAILING_BYTES),
        (encode_map([("a", 1), ("a", 2)]), Reason.DOCUMENT_DUPLICATE_KEY),
        (b"\x80", Reason.DOCUMENT_KEY_INVALID),
        (b"\xf6", Reason.DOCUMENT_KEY_INVALID),
        (encode_map([(1, 1)]), Reason.DOCUMENT_KEY_INVALID),
        (encode_map([(b"nonce", b"x")]), Reason.DOCUMENT_KEY_INVALID),
        (encode_map([((), 1)]), Reason.DOCUMENT_KEY_INVALID),
        (b"\xa0", Reason.DOCUMENT_FIELD_MISSING),
    ],
)
def test_a_payload_that_is_no_document_is_refused(payload: bytes, expected: Reason) -> None:
    """Something else signed with a leaf's key would be read as a document."""
    assert refusal(payload) is expected


def test_the_measurements_cannot_be_changed_afterwards() -> None:
    """Policy code could alter what was proven."""
    document = decode_document(encode_payload(fields()))
    with pytest.raises(TypeError):
        document.pcrs[0] = b""  # type: ignore[index]  # that is the point
    assert document.certificate == chain().certificate
