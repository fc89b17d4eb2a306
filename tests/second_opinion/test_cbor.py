"""Our CBOR door (cbor2 behind it) against the independent reader, on every payload at hand and on mutations of them.

They must agree on which bytes are one acceptable item, and on what it says. The exceptions, and who is right:
"""

import math
import random
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import cbor2
import pytest

from issuer.nsm import encode_payload
from tests.conftest import RequireShared
from tests.real_documents.catalogue import read_genuine
from tests.second_opinion.documents import read_parts
from tests.second_opinion.strict_cbor import (
    Array,
    Float,
    Item,
    Map,
    NotWellFormedError,
    Simple,
    Text,
    problems,
    read_item,
)
from tests.support.cases import vector_cases
from tests.support.core import fields
from verifier.evidence.cbor import MAX_DEPTH, MAX_SCANNED_ITEMS, CborError, decode_item

MUTATIONS = 20_000

EQUAL_KEYS = "keys that Python holds for equal: 0, false and 0.0"
"""The independent reader is right by RFC 8949 section 5.6 (they are different keys); ours refuses more than it must,
which costs nothing, since a document's keys are text and its PCR indices integers."""
TOO_DEEP = "nesting beyond what a document needs"
"""Both right: RFC 8949 section 10 leaves the bound to the decoder. Genuine payloads nest two deep, ours stops at 8."""
TOO_MANY = "more items than the slow scan counts"
"""Both right, as above: genuine payloads have about sixty items."""
EXCEPTIONS = {EQUAL_KEYS, TOO_DEEP, TOO_MANY}


def ours(data: bytes) -> tuple[bool, object]:
    try:
        return True, decode_item(data)
    except CborError:
        return False, None


def theirs(data: bytes) -> Item | None:
    try:
        item = read_item(data)
    except NotWellFormedError:
        return None
    return None if any(problems(item)) else item


def depth(item: Item) -> int:
    """Containers around the innermost item."""
    return 1 + max(map(depth, children(item)), default=0) if isinstance(item, Array | Map) else 0


def size(item: Item) -> int:
    return 1 + sum(map(size, children(item)))


def children(item: Item) -> Iterator[Item]:
    if isinstance(item, Array):
        yield from item.items
    if isinstance(item, Map):
        for pair in item.pairs:
            yield from pair


def has_equal_keys(item: Item) -> bool:
    """Whether some map has keys that Python takes for one."""
    if isinstance(item, Map):
        keys = [number for key, _ in item.pairs if (number := as_number(key)) is not None]
        if len(set(keys)) != len(keys):
            return True
    return any(map(has_equal_keys, children(item)))


def as_number(key: Item) -> float | None:
    if isinstance(key, int):
        return key
    if isinstance(key, Float):
        number: float = struct.unpack(">d", key.bits)[0]
        return number
    return {20: 0, 21: 1, 22: None, 23: None}.get(key.number, key.number) if isinstance(key, Simple) else None


def says(item: Item, value: object) -> bool:
    """Whether our value says what the item says, types included."""
    match item:
        case Array(items=items):
            return isinstance(value, list | tuple) and len(items) == len(value) and all(map(says, items, value))
        case Map(pairs=pairs):
            return isinstance(value, Mapping) and len(pairs) == len(value) and all(map(says_pair, pairs, value.items()))
        case Text(raw=raw):
            return isinstance(value, str) and value.encode() == raw
        case Float(bits=bits):
            return isinstance(value, float) and same_float(struct.unpack(">d", bits)[0], value)
        case Simple(number=number):
            return same_simple(number, value)
        case _:
            return type(value) is type(item) and value == item


def says_pair(item: tuple[Item, Item], value: tuple[object, object]) -> bool:
    return says(item[0], value[0]) and says(item[1], value[1])


def same_simple(number: int, value: object) -> bool:
    named = {20: False, 21: True, 22: None, 23: cbor2.undefined}
    if number in named:
        return value is named[number]
    return isinstance(value, cbor2.CBORSimpleValue) and value == cbor2.CBORSimpleValue(number)


def same_float(first: float, second: float) -> bool:
    return math.isnan(second) if math.isnan(first) else struct.pack(">d", first) == struct.pack(">d", second)


def disagreement(data: bytes) -> str | None:
    """Name what the two readers disagree about."""
    accepted, value = ours(data)
    item = theirs(data)
    if item is None:
        return f"only ours accepts {data.hex()}" if accepted else None
    if accepted:
        return None if says(item, value) else f"they read {data.hex()} differently"
    reasons = {
        TOO_DEEP: depth(item) > MAX_DEPTH,
        TOO_MANY: size(item) > MAX_SCANNED_ITEMS,
        EQUAL_KEYS: has_equal_keys(item),
    }
    return next((name for name, applies in reasons.items() if applies), f"only ours refuses {data.hex()}")


def disagreements(payloads: Iterable[bytes]) -> Counter[str]:
    return Counter(found for payload in payloads if (found := disagreement(payload)) is not None)


def vector_payloads() -> list[bytes]:
    parts = (read_parts(case.evidence) for case in vector_cases())
    return sorted({part.payload for part in parts if part is not None})


def mutated(base: list[bytes], dice: random.Random) -> bytes:
    """Change up to three places, with a taste for heads that mean something."""
    data = bytearray(dice.choice(base))
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(data)) if dice.random() < 0.6 else dice.randrange(min(40, len(data)))
        match dice.randrange(5):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at:at] = dice.choice([b"\x9f", b"\xbf", b"\xff", b"\x5f", b"\x7f", b"\xc2", b"\xf7", b"\x80"])
            case 2:
                del data[at : at + dice.randrange(1, 4)]
            case 3:
                data[at] = dice.choice([0x5F, 0x7F, 0x9F, 0xBF, 0xFF, 0xA9, 0xAA, 0xC0, 0xF6, 0xF7, 0xF9, 0x1B, 0x58])
            case _:
                other = dice.choice(base)
                data[at : at + dice.randrange(9)] = other[at : at + dice.randrange(9)]
    return bytes(data) or b"\xff"


HEADS = bytes.fromhex("00204161808182 9fa0a1a2bff4f5f6f7f8f9fafbff5f7f1838587898b8191bc0d8e0")
KEYS = [bytes.fromhex(key) for key in ("00", "01", "f4", "f5", "f6", "e0", "f90000", "f98000", "f93c00", "1800", "60")]


def small(dice: random.Random) -> bytes:
    """A few bytes, most of them heads; or a map of two keys that might be equal."""
    if dice.random() < 0.1:
        return b"\xa2" + dice.choice(KEYS) + b"\x00" + dice.choice(KEYS) + b"\x00"
    return bytes(
        dice.choice(HEADS) if dice.random() < 0.8 else dice.randrange(256) for _ in range(dice.randrange(1, 12))
    )


def test_the_vectors_payloads_are_read_alike() -> None:
    """A payload would say one thing to us and another to a reader of the standard."""
    payloads = vector_payloads()
    assert len(payloads) > 200
    assert disagreements(payloads).keys() == EXCEPTIONS


def test_genuine_payloads_are_read_alike(require_shared: RequireShared) -> None:
    """A genuine document would say something else to us."""
    parts = [read_parts(document.evidence) for document in read_genuine(require_shared("real-documents"))]
    assert disagreements(part.payload for part in parts if part) == {}
    assert None not in parts


@pytest.mark.slow
def test_mutated_payloads_are_read_alike() -> None:
    """Some malformed payload would be accepted here alone."""
    dice = random.Random(8949)
    base = [encode_payload(fields(nonce=b"", user_data=b"x"), style) for style in ("definite", "indefinite")]
    found = disagreements(mutated(base, dice) for _ in range(MUTATIONS))
    assert found.keys() <= EXCEPTIONS


def test_short_items_are_read_alike() -> None:
    """The corners of the standard, which whole documents rarely touch."""
    dice = random.Random(9848)
    found = disagreements(small(dice) for _ in range(4 * MUTATIONS))
    assert found.keys() <= EXCEPTIONS
    assert EQUAL_KEYS in found
