from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from issuer.nsm import (
    AttestationFields,
    Encoded,
    MapStyle,
    SeededKeys,
    assemble_sign1,
    encode_payload,
    sign1,
    sign_raw,
    signature_structure,
)

KEY = SeededKeys(seed=b"document").private_key("leaf")
FIELDS = AttestationFields(
    module_id="i-0123456789abcdef0-enc019b5640fdf630d6",
    timestamp=1767225600000,
    pcrs={index: bytes(48) for index in range(16)},
    certificate=b"leaf",
    cabundle=(b"root", b"regional", b"zonal", b"instance"),
)
KEYS_IN_ORDER = [
    "module_id",
    "digest",
    "timestamp",
    "pcrs",
    "certificate",
    "cabundle",
    "public_key",
    "user_data",
    "nonce",
]


def holds(signature: bytes, message: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bool:
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
    key.public_key().verify(der, message, ec.ECDSA(hashes.SHA384()))
    return True


@pytest.mark.parametrize(("style", "head", "tail"), [("definite", b"\xa9", b""), ("indefinite", b"\xbf", b"\xff")])
def test_only_the_payloads_head_has_a_style(style: MapStyle, head: bytes, tail: bytes) -> None:
    """Strict decoders broke on this switch overnight; ours must be shown both."""
    other = encode_payload(FIELDS, "definite")
    assert encode_payload(FIELDS, style) == head + other[1:] + tail


def test_the_payload_has_all_nine_keys_in_the_nsms_order_with_nulls() -> None:
    """The real NSM sends absent fields as null, not as nothing."""
    decoded = cbor2.loads(encode_payload(FIELDS))
    assert list(decoded) == KEYS_IN_ORDER
    assert [decoded[key] for key in KEYS_IN_ORDER[-3:]] == [None, None, None]


def test_zero_bytes_are_not_null() -> None:
    """Both occur in genuine documents and mean different things."""
    decoded = cbor2.loads(encode_payload(replace(FIELDS, nonce=b"", user_data=b"", public_key=b"")))
    assert [decoded[key] for key in KEYS_IN_ORDER[-3:]] == [b"", b"", b""]


@pytest.mark.parametrize("timestamp", [0, 1, 1767225600000, 2**64 - 1])
def test_the_timestamp_always_takes_eight_bytes(timestamp: int) -> None:
    """The NSM never shortens it, so a document's length does not depend on the time."""
    payload = encode_payload(replace(FIELDS, timestamp=timestamp))
    assert b"itimestamp\x1b" + timestamp.to_bytes(8) in payload


def test_fields_keep_their_own_copy_of_the_pcrs() -> None:
    """A value that changes after it was made is not a value."""
    pcrs = {0: bytes(48)}
    fields = replace(FIELDS, pcrs=pcrs)
    pcrs[1] = bytes(48)
    assert dict(fields.pcrs) == {0: bytes(48)}


def test_edited_pairs_make_a_payload_that_is_wrong_in_one_place() -> None:
    """Duplicate keys and wrong types are vectors."""
    payload = encode_payload((*FIELDS.pairs(), ("nonce", "text"), (7, Encoded(b"\xf7"))), "definite")
    assert payload[:1] == b"\xab"
    assert payload.endswith(b"enoncedtext\x07\xf7")


def test_the_envelope_has_the_bytes_of_a_genuine_one() -> None:
    """The protected header is signed as bytes: any other encoding is another document."""
    payload = encode_payload(FIELDS)
    document = sign1(payload, KEY)
    assert document.startswith(bytes.fromhex("8444a1013822a059") + len(payload).to_bytes(2) + payload)
    assert document[-98:-96] == b"\x58\x60"
    assert holds(document[-96:], cbor2.dumps(["Signature1", bytes.fromhex("a1013822"), b"", payload]))


@given(payload=st.binary(max_size=64), high_s=st.booleans())
def test_either_twin_of_a_signature_can_be_asked_for(payload: bytes, high_s: bool) -> None:  # noqa: FBT001 - drawn
    """Half of all genuine documents have a high S."""
    signature = sign1(payload, KEY, high_s=high_s)[-96:]
    assert (int.from_bytes(signature[48:]) > KEY.curve.group_order // 2) == high_s
    assert holds(signature, signature_structure(b"\xa1\x018\x22", payload))


def test_signatures_are_deterministic() -> None:
    """Vectors would change with every regeneration."""
    assert sign1(b"payload", KEY) == sign1(b"payload", KEY)


def test_headers_tag_and_parts_can_be_chosen() -> None:
    """Every COSE attack family changes one of these and signs the rest rightly."""
    document = sign1(b"p", KEY, protected=b"\xa0", unprotected=bytes.fromhex("a1013822"), tagged=True)
    assert document.startswith(bytes.fromhex("d28441a0a10138224170"))
    assert holds(document[-96:], signature_structure(b"\xa0", b"p"))
    odd = assemble_sign1(b"\xa0", {}, None, b"sig", extra=(b"fifth",), tagged=True)
    assert odd == bytes.fromhex("d28541a0a0f643736967456669667468")


def test_context_and_external_data_enter_what_is_signed() -> None:
    """A signature made for another purpose is a vector."""
    structure = signature_structure(b"\xa0", b"p", context="Signature", external_aad=b"aad")
    assert cbor2.loads(structure) == ["Signature", b"\xa0", b"aad", b"p"]


@pytest.mark.parametrize(("curve", "width"), [(ec.SECP256R1(), 64), (ec.SECP521R1(), 132)])
def test_other_curves_give_signatures_of_their_own_width(curve: ec.EllipticCurve, width: int) -> None:
    """ES256 and ES512 documents are vectors."""
    key = SeededKeys(seed=b"document").private_key("leaf", curve)
    signature = sign_raw(b"message", key)
    assert len(signature) == width
    assert holds(signature, b"message", key)
