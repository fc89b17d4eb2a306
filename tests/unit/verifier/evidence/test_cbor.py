import random
from collections.abc import Callable, Iterator

import cbor2
import pytest

from issuer.nsm import Encoded, encode, encode_array, encode_map
from tests.support.core import fields
from verifier.evidence.cbor import MAX_DEPTH, MAX_SCANNED_ITEMS, CborError, CborFault, decode_item

NINE = [(f"key {at}", at) for at in range(9)]
DEFINITE = encode_map(NINE)
INDEFINITE = encode_map(NINE, indefinite=True)


def fault(data: bytes) -> CborFault | None:
    """What a reading is refused for; None when it is not."""
    try:
        decode_item(data)
    except CborError as error:
        return error.fault
    return None


def tag_head(number: int) -> bytes:
    return encode(Encoded(cbor2.dumps(cbor2.CBORTag(number, 0)))).removesuffix(b"\x00")


ALLOWED_FORMS = {
    "definite map": (DEFINITE, dict(NINE)),
    "indefinite map of nine, as AWS writes it": (INDEFINITE, dict(NINE)),
    "indefinite map of one": (bytes.fromhex("bf0001ff"), {0: 1}),
    "indefinite map of ten": (encode_map([*NINE, ("ten", 10)], indefinite=True), dict([*NINE, ("ten", 10)])),
    "empty indefinite map": (bytes.fromhex("bfff"), {}),
    "indefinite array inside": (bytes.fromhex("819f0102ff"), [[1, 2]]),
    "indefinite map inside nine": (
        encode_map([*NINE[:8], ("nine", Encoded(bytes.fromhex("bfff")))], indefinite=True),
        dict([*NINE[:8], ("nine", {})]),
    ),
    "long heads": (bytes.fromhex("ba000000011b0000000000000000590001ff"), {0: b"\xff"}),
    "negative and text": (bytes.fromhex("a120616b"), {-1: "k"}),
    "null, booleans, float, undefined": (bytes.fromhex("84f6f5f4f93c00"), [None, True, False, 1.0]),
}


@pytest.mark.parametrize("name", ALLOWED_FORMS)
def test_form_without_meaning_is_read_past(name: str) -> None:
    """A genuine document in a form that AWS has not used yet would be an outage."""
    data, expected = ALLOWED_FORMS[name]
    assert decode_item(data) == expected


REFUSED = {
    "nothing": ("", CborFault.MALFORMED),
    "a break alone": ("ff", CborFault.MALFORMED),
    "a break as key": ("a1ff00", CborFault.MALFORMED),
    "a break as value": ("bf00ff", CborFault.MALFORMED),
    "a break in a definite array": ("81ff", CborFault.MALFORMED),
    "cut off in a head": ("19ff", CborFault.MALFORMED),
    "cut off in a string": ("430102", CborFault.MALFORMED),
    "cut off in an array": ("8201", CborFault.MALFORMED),
    "cut off in an indefinite map": ("bf0001", CborFault.MALFORMED),
    "a length of 2**63": ("5b8000000000000000", CborFault.MALFORMED),
    "a length of 2**64-1": ("7bffffffffffffffff", CborFault.MALFORMED),
    "an array of 2**63": ("9b8000000000000000", CborFault.MALFORMED),
    "a map of 2**64-1": ("bbffffffffffffffff", CborFault.MALFORMED),
    "an array of 2**63, behind an indefinite one": ("9f9b8000000000000000ff", CborFault.MALFORMED),
    "an integer of indefinite length": ("1f", CborFault.MALFORMED),
    "reserved additional information": ("1c", CborFault.MALFORMED),
    "reserved additional information, inside an indefinite array": ("9f1dff", CborFault.MALFORMED),
    "a simple value below 32 in two bytes": ("f818", CborFault.MALFORMED),
    "text that is not UTF-8": ("62c080", CborFault.MALFORMED),
    "text that is half a surrogate pair": ("63eda080", CborFault.MALFORMED),
    "an item after the item": ("0000", CborFault.TRAILING_BYTES),
    "an item after an indefinite map": ("bfff00", CborFault.TRAILING_BYTES),
    "a second break": ("bf0001ffff", CborFault.TRAILING_BYTES),
    "the same key twice": ("a200010001", CborFault.DUPLICATE_KEY),
    "the same key twice, inside": ("81a200010001", CborFault.DUPLICATE_KEY),
    "the same key twice, indefinite": ("bf00010002ff", CborFault.DUPLICATE_KEY),
    "the same key in two lengths": ("a20001180001", CborFault.DUPLICATE_KEY),
    "0 and false": ("a20001f402", CborFault.DUPLICATE_KEY),
    "1 and true": ("a20101f502", CborFault.DUPLICATE_KEY),
    "0 and 0.0": ("a20001f9000002", CborFault.DUPLICATE_KEY),
    "0 and bignum 0": ("a20001c24002", CborFault.MALFORMED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(name: str) -> None:
    """Two readers of one signed payload could disagree about what it says."""
    data, expected = REFUSED[name]
    assert fault(bytes.fromhex(data)) is expected


def test_a_duplicate_among_nine_is_named_in_both_map_styles() -> None:
    """An operator would be told that the document is garbled where it is ambiguous."""
    twice = [*NINE[:8], NINE[0]]
    assert fault(encode_map(twice)) is CborFault.DUPLICATE_KEY
    assert fault(encode_map(twice, indefinite=True)) is CborFault.DUPLICATE_KEY


def test_bytes_between_the_ninth_pair_and_the_break_are_refused() -> None:
    """The fast reading of AWS's form would believe a payload that no other reader can read."""
    assert fault(INDEFINITE[:-1] + b"\x00\xff") is CborFault.MALFORMED


def test_a_missing_break_is_not_replaced_by_a_value_that_ends_in_its_byte() -> None:
    """The fast reading would take the last byte of a value for the end of the map."""
    pairs = encode_map([*NINE[:8], ("k", b"\xff")], indefinite=True)
    assert fault(pairs[:-1]) is CborFault.MALFORMED


@pytest.mark.parametrize("opening", ["81", "9f", "a100", "bf00"])
def test_nesting_is_bounded_alike_in_both_readings(opening: str) -> None:
    """A depth bomb, or a document that one reading refuses and the other accepts."""
    head = bytes.fromhex(opening)
    closing = b"\xff" if opening in {"9f", "bf00"} else b""
    for depth, expected in ((MAX_DEPTH, None), (MAX_DEPTH + 1, CborFault.MALFORMED), (8000, CborFault.MALFORMED)):
        assert fault(head * depth + b"\x00" + closing * depth) is expected, depth


def test_the_slow_scan_stops_at_its_bound() -> None:
    """Sixteen thousand one-byte items would cost more than a signature."""
    within = encode_array([0] * (MAX_SCANNED_ITEMS - 1), indefinite=True)
    beyond = encode_array([0] * MAX_SCANNED_ITEMS, indefinite=True)
    assert fault(within) is None
    assert fault(beyond) is CborFault.MALFORMED


ALL_TAGS = (*range(70_001), 2**32 - 1, 2**32, 2**32 + 1, 2**64 - 1)


def test_every_tag_is_refused() -> None:
    """An upgrade of cbor2 that learns a new tag would let it interpret attacker's bytes."""
    accepted = [number for number in ALL_TAGS if fault(tag_head(number) + b"\x00") is not CborFault.MALFORMED]
    assert accepted == []


@pytest.mark.parametrize(
    "content", ["40", "60", "80", "a0", "c0", "6161", "810001", "820101", "f6", "fb3ff0000000000000"]
)
def test_a_built_in_tag_is_refused_whatever_it_holds(content: str) -> None:
    """A tag handler might take another turn for the content that it expects."""
    for number in (*range(300), 1004, 1040, 43000, 55799, 55800):
        tagged = tag_head(number) + bytes.fromhex(content)
        assert fault(tagged) is CborFault.MALFORMED, number


def around(data: bytes) -> Iterator[bytes]:
    """Put an item where the fast reading, the plain one and the scan each meet it."""
    item = Encoded(data)
    yield data
    yield encode_array([item])
    yield encode_array([item], indefinite=True)
    for position in (0, 4, 8):
        as_value = [(key, item if at == position else value) for at, (key, value) in enumerate(NINE)]
        as_key = [(item if at == position else key, value) for at, (key, value) in enumerate(NINE)]
        for pairs in (as_value, as_key, as_value[: position + 1]):
            yield encode_map(pairs)
            yield encode_map(pairs, indefinite=True)


@pytest.mark.parametrize("data", ["5fff", "7fff", "5f4100ff", "7f6161ff", "5f41004100ff", "5f5f4100ffff", "5f5801ffff"])
def test_a_chunked_string_is_refused_wherever_it_stands(data: str) -> None:
    """Chunk boundaries are a second way to write the same bytes, and a place to hide others."""
    for placed in around(bytes.fromhex(data)):
        assert fault(placed) is CborFault.MALFORMED, placed.hex()


@pytest.mark.parametrize("data", ["c000", "c24100", "d81c80", "d81d00", "d82361 28", "d90100 80", "d9d9f700"])
def test_a_tag_is_refused_wherever_it_stands(data: str) -> None:
    """A bignum as an index, a shared reference, a regular expression: meaning that the signer did not intend."""
    for placed in around(bytes.fromhex(data)):
        assert fault(placed) is CborFault.MALFORMED, placed.hex()


LEAVES: tuple[Callable[[random.Random], bytes], ...] = (
    lambda dice: encode(dice.choice([dice.randrange(30), -dice.randrange(1, 300), dice.getrandbits(64)])),
    lambda dice: encode(dice.randbytes(dice.randrange(40))),
    lambda dice: encode("é" * dice.randrange(5)),
    lambda dice: dice.choice([b"\xf4", b"\xf5", b"\xf6", b"\xf9\x3c\x00", b"\xfb" + dice.randbytes(7) + b"\x00"]),
    lambda dice: b"\x1b" + bytes(7) + dice.randbytes(1),
)


def random_value(dice: random.Random, depth: int) -> bytes:
    if not depth or dice.random() < 0.6:
        return dice.choice(LEAVES)(dice)
    if dice.random() < 0.5:
        return encode_array([Encoded(random_value(dice, depth - 1)) for _ in range(dice.randrange(3))])
    return random_map(dice, dice.randrange(3), depth - 1, indefinite=dice.random() < 0.5)


def random_map(dice: random.Random, size: int, depth: int, *, indefinite: bool) -> bytes:
    pairs = [(f"{dice.randrange(20)}", Encoded(random_value(dice, depth))) for _ in range(size)]
    return encode_map(pairs, indefinite=indefinite)


def test_the_fast_reading_agrees_with_the_general_one() -> None:
    """The same document would be accepted by one path through the code and refused by the other."""
    dice = random.Random(20260301)
    for _ in range(4000):
        pairs = random_map(dice, dice.choice([8, 9, 9, 9, 10]), 3, indefinite=True)
        again = b"\x9f" + pairs + b"\xff"  # wrapped, it is not read by the fast reading
        if dice.random() < 0.3:
            at = dice.randrange(1, len(pairs))
            pairs = pairs[:at] + dice.randbytes(1) + pairs[at + 1 :]
            again = b"\x9f" + pairs + b"\xff"
        if not pairs.endswith(b"\xff"):
            continue
        wrapped = fault(again)
        assert (fault(pairs) is None) == (wrapped is None), pairs.hex()
        if wrapped is None:
            assert repr([decode_item(pairs)]) == repr(decode_item(again))


def test_what_needs_the_slow_scan_is_bounded_in_items() -> None:
    """An unauthenticated sender could keep a worker busy for the price of one small message."""
    most = MAX_SCANNED_ITEMS - 1  # the array itself is one
    assert fault(b"\x9f" + b"\x00" * most + b"\xff") is None
    assert fault(b"\x9f" + b"\x00" * (most + 1) + b"\xff") is CborFault.MALFORMED
    assert fault(encode_map(fields().pairs(), indefinite=True)) is None
