"""BER (X.690 section 8) read whole and once, in bounded time, memory and depth.

KMS writes indefinite lengths, which DER readers refuse. Read here: one-byte tags, definite lengths of at most four
octets, indefinite lengths of constructed elements. Anything else is an `EnvelopeError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from issuer.kms.errors import EnvelopeError

MAX_BYTES: Final = 8 * 1024
"""CiphertextForRecipient has 6144 bytes at most (the KMS API's own limit)."""

MAX_DEPTH: Final = 16
"""Constructed elements within each other; the MGF's hash in an envelope of KMS lies in ten."""

_CONSTRUCTED: Final = 0x20
_HIGH_TAG_NUMBER: Final = 0x1F
_LONG_FORM: Final = 0x80
_MAX_LENGTH_OCTETS: Final = 4
_END_OF_CONTENTS: Final = b"\x00\x00"


class Tag(IntEnum):
    """The identifier octets that an envelope is made of."""

    INTEGER = 0x02
    OCTET_STRING = 0x04
    NULL = 0x05
    OBJECT_IDENTIFIER = 0x06
    SEQUENCE = 0x30
    SET = 0x31
    CONTEXT_0_PRIMITIVE = 0x80
    CONTEXT_0 = 0xA0
    CONTEXT_1 = 0xA1
    CONTEXT_2 = 0xA2


@dataclass(frozen=True, slots=True)
class Element:
    """One element: octets if it is primitive, elements if it is constructed.

    Equal elements mean the same whichever lengths they were written with, so one can be looked up in a set of those
    that are accepted.
    """

    tag: int
    value: Value


Value: TypeAlias = bytes | tuple[Element, ...]


def decode_element(data: bytes) -> Element:
    """Decode ``data`` as exactly one element.

    Raises:
        EnvelopeError: it is larger than `MAX_BYTES`, deeper than `MAX_DEPTH`, not BER as described above, or followed
            by more bytes.
    """
    if len(data) > MAX_BYTES:
        raise EnvelopeError(f"the envelope has {len(data)} bytes, {MAX_BYTES} at most")
    element, end = _element(data, 0, len(data), MAX_DEPTH)
    if end != len(data):
        raise EnvelopeError("there are bytes after the envelope")
    return element


def _element(data: bytes, at: int, limit: int, depth: int) -> tuple[Element, int]:
    """Read the element at ``at``, which must end by ``limit``; give it and where it ends."""
    tag, length, at = _head(data, at, limit)
    if not tag & _CONSTRUCTED:
        if length is None:
            raise EnvelopeError("a primitive element has an indefinite length")
        return Element(tag, data[at : at + length]), at + length
    if not depth:
        raise EnvelopeError(f"elements are nested more than {MAX_DEPTH} deep")
    children: list[Element] = []
    stop = None if length is None else at + length
    while at != stop:
        if stop is None and data[at : min(at + 2, limit)] == _END_OF_CONTENTS:
            return Element(tag, tuple(children)), at + 2
        child, at = _element(data, at, limit if stop is None else stop, depth - 1)
        children.append(child)
    return Element(tag, tuple(children)), at


def _head(data: bytes, at: int, limit: int) -> tuple[int, int | None, int]:
    """Read identifier and length: the tag, the length (None if indefinite) and where the content begins."""
    if at + 2 > limit:
        raise EnvelopeError("an element is cut off")
    tag, length = data[at], data[at + 1]
    at += 2
    if tag & _HIGH_TAG_NUMBER in {0, _HIGH_TAG_NUMBER} and tag not in {Tag.CONTEXT_0, Tag.CONTEXT_0_PRIMITIVE}:
        raise EnvelopeError(f"tag 0x{tag:02x} has no place here")
    if length == _LONG_FORM:
        return tag, None, at
    if length > _LONG_FORM:
        octets = length - _LONG_FORM
        if octets > _MAX_LENGTH_OCTETS or at + octets > limit:
            raise EnvelopeError("a length is cut off or has too many octets")
        length = int.from_bytes(data[at : at + octets])
        at += octets
    if at + length > limit:
        raise EnvelopeError("an element is longer than what holds it")
    return tag, length, at
