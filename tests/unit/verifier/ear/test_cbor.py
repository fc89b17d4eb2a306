"""The deterministic encoding of RFC 8949 section 4.2.1, against cbor2 and by the RFC's own order of keys."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.ear.cbor import encode_item

SCALARS = st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=99)
KEYS = st.integers(-300, 300) | st.text(max_size=9)
ITEMS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(KEYS, inner, max_size=9),
    max_leaves=40,
)


@given(ITEMS)
def test_everything_is_read_back_and_written_as_short_as_it_can_be(item: object) -> None:
    """A token would say something else than was meant, or have two encodings; cbor2 orders keys by length first."""
    encoded = encode_item(item)

    assert cbor2.loads(encoded) == item
    assert len(encoded) == len(cbor2.dumps(item, canonical=True))


def test_keys_are_in_the_order_of_their_encoding() -> None:
    """The order would be RFC 7049's, by length (this is RFC 8949's own example, without what tokens lack)."""
    keys: dict[object, object] = dict.fromkeys(["aa", "z", -1, 100, 10, False], 0)

    assert list(cbor2.loads(encode_item(keys))) == [10, 100, -1, "z", "aa", False]


@pytest.mark.parametrize(
    "number", [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -(2**64)]
)
def test_numbers_at_the_edges_of_each_length(number: int) -> None:
    """A head would have one byte too many or too few."""
    assert encode_item(number) == cbor2.dumps(number)


@pytest.mark.parametrize("item", [1.5, None, ("a",), {"a": {1}}, object(), bytearray(b"x")])
def test_what_has_no_place_in_a_token_is_refused(item: object) -> None:
    """It would be written as something else."""
    with pytest.raises(TypeError, match="no place"):
        encode_item(item)
