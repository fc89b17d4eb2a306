import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.nsm import CborValue, Encoded, encode, encode_array, encode_map

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=300)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Error": "InvalidIndex"}, "a1654572726f726c496e76616c6964496e646578"),
        ({"DescribePCR": {"index": 31}}, "a16b4465736372696265504352a165696e646578181f"),
        ({"LockPCRs": {"range": 32}}, "a1684c6f636b50435273a16572616e67651820"),
        (
            {"Attestation": {"user_data": None, "nonce": bytes.fromhex("deadbeef"), "public_key": None}},
            "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e636544deadbeef6a7075626c69635f6b6579f6",
        ),
    ],
)
def test_nsm_messages_have_the_bytes_of_the_rust_api(value: CborValue, expected: str) -> None:
    """The device would not understand us."""
    assert encode(value).hex() == expected


@given(st.recursive(SCALARS, lambda inner: st.lists(inner).map(tuple) | st.dictionaries(SCALARS, inner), max_leaves=20))
def test_what_is_encoded_is_what_an_independent_encoder_writes(value: CborValue) -> None:
    """Heads of containers are ours; they must be the shortest ones."""
    assert encode(value) == cbor2.dumps(value)


def test_maps_keep_their_order_and_their_duplicates() -> None:
    """Vectors with duplicate or reordered keys could not be written."""
    assert encode_map([("b", 1), ("a", 2), ("b", 3)]).hex() == "a3616201616102616203"


def test_containers_can_be_indefinite_and_bytes_spliced() -> None:
    """Real payloads since 2025 start with `bf`."""
    assert encode_map([(1, Encoded(b"\x18\x01"))], indefinite=True).hex() == "bf011801ff"
    assert encode_array([True, None], indefinite=True).hex() == "9ff5f6ff"
