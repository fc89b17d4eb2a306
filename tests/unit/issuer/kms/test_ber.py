import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.kms import EnvelopeError
from issuer.kms.ber import MAX_BYTES, MAX_DEPTH, Element, Tag, decode_element
from tests.unit.issuer.kms.envelopes import tlv

ONE = tlv(Tag.INTEGER, b"\x01")


@pytest.mark.parametrize(
    "encoded",
    [
        "3003020101",  # definite, short
        "30800201010000",  # indefinite
        "308103020101",  # long form of one octet where the short one would do: BER allows it
        "308400000003020101",  # four octets
        "3080028101010000",  # the same inside
    ],
)
def test_one_meaning_has_one_element_whatever_its_lengths(encoded: str) -> None:
    """KMS writes indefinite lengths, LocalStack definite ones, and both are compared with the same constants."""
    assert decode_element(bytes.fromhex(encoded)) == Element(Tag.SEQUENCE, (Element(Tag.INTEGER, b"\x01"),))


@pytest.mark.parametrize(
    ("encoded", "complaint"),
    [
        ("", "cut off"),
        ("30", "cut off"),
        ("3003", "longer than"),
        ("30020201", "longer than"),  # the child ends after its parent
        ("3001020101", "cut off"),
        ("3080020101", "cut off"),  # end-of-contents never comes
        ("308002010100", "cut off"),
        ("308002010130", "cut off"),
        ("300430800201", "longer than"),
        ("3082", "length is cut off"),
        ("308501", "too many octets"),
        ("308500000000", "too many octets"),
        ("30ff", "too many octets"),
        ("0480010000", "primitive element has an indefinite length"),
        ("3f0100", "tag 0x3f"),  # high tag number form
        ("9f0100", "tag 0x9f"),
        ("0000", "tag 0x00"),  # end-of-contents where nothing is open
        ("30020000", "tag 0x00"),  # and in a definite length
        ("308020000000", "tag 0x20"),
        ("02010100", "bytes after"),
        ("308000000000", "bytes after"),
    ],
)
def test_what_is_not_ber_is_refused_by_name(encoded: str, complaint: str) -> None:
    """A reader that resynchronises after such bytes reads another message than its neighbour."""
    with pytest.raises(EnvelopeError, match=complaint):
        decode_element(bytes.fromhex(encoded))


@pytest.mark.parametrize("indefinite", [False, True])
def test_depth_has_a_limit(indefinite: bool) -> None:  # noqa: FBT001 - a case of the table
    """Python's recursion limit is a crash, and it is the caller's."""
    deepest = ONE
    for _ in range(MAX_DEPTH):
        deepest = tlv(Tag.SEQUENCE, deepest, indefinite=indefinite)
    decode_element(deepest)
    with pytest.raises(EnvelopeError, match="nested"):
        decode_element(tlv(Tag.SEQUENCE, deepest, indefinite=indefinite))


def test_a_bomb_of_heads_stops_at_the_depth_limit() -> None:
    """8 KiB of `30 80` would be 4096 levels."""
    with pytest.raises(EnvelopeError, match="nested"):
        decode_element(b"\x30\x80" * (MAX_BYTES // 2))


def test_size_has_a_limit() -> None:
    """The bytes come from the network; KMS says that they are 6144 at most."""
    fits = tlv(Tag.OCTET_STRING, bytes(MAX_BYTES - 4))
    assert len(fits) == MAX_BYTES
    decode_element(fits)
    with pytest.raises(EnvelopeError, match=f"{MAX_BYTES + 1} bytes"):
        decode_element(tlv(Tag.OCTET_STRING, bytes(MAX_BYTES - 3)))


def _written(element: Element, choose: list[bool]) -> bytes:
    if isinstance(element.value, bytes):
        return tlv(element.tag, element.value)
    indefinite = choose.pop() if choose else False
    return tlv(element.tag, *(_written(child, choose) for child in element.value), indefinite=indefinite)


LEAVES = st.builds(
    Element, st.sampled_from([Tag.INTEGER, Tag.OCTET_STRING, Tag.NULL, 0x80, 0x85]), st.binary(max_size=9)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        Element, st.sampled_from([Tag.SEQUENCE, Tag.SET, 0xA0, 0xA1]), st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=12,
)


@given(element=TREES, choose=st.lists(st.booleans(), max_size=20))
def test_what_is_written_is_read_back(element: Element, choose: list[bool]) -> None:
    """Content such as `00 00` inside a primitive must not end anything."""
    try:
        decoded = decode_element(_written(element, choose))
    except EnvelopeError as error:
        assert "nested" in str(error)  # noqa: PT017 - the one refusal such a tree can meet
    else:
        assert decoded == element
