"""The COSE_Sign1 envelope (RFC 9052 section 4.2) as the Nitro Secure Module writes it, and in no other form.

Everything outside the signed payload is malleable, so there is exactly one accepted encoding: untagged or with tag 18,
a definite array of four, the protected header ``{1: -35}`` in its only minimal form, an empty unprotected map, the
payload as one byte string and a signature of 96 bytes. Nothing here is believed yet.
"""

from __future__ import annotations

import msgspec

from verifier.evidence.cbor import CborError, decode_item
from verifier.reasons import Reason, Rejection

MAX_EVIDENCE_BYTES = 16 * 1024
"""More than twice the largest genuine document seen (7539 bytes)."""

SIGNATURE_BYTES = 96
"""r || s of P-384, RFC 9053 section 2.1."""

_ALG_LABEL, _ALG_ES384 = 1, -35
_PROTECTED = b"\xa1\x01\x38\x22"
_TAG_18 = b"\xd2"
_ARRAY_OF_FOUR = b"\x84"
_EMPTY_MAP = b"\xa0"
_HEAD = _ARRAY_OF_FOUR + b"\x44" + _PROTECTED + _EMPTY_MAP
_HEAD_OF_LONG = _HEAD + b"\x59"
"""And the payload, as a byte string whose length has two bytes."""
_LONG_HEAD_TAKES = 3
_LONG_BEGINS = len(_HEAD) + _LONG_HEAD_TAKES
"""Where its first byte is, behind the head and the length."""
_SIGNATURE_HEAD = b"\x58\x60"
_SIGNATURE_TAKES = len(_SIGNATURE_HEAD) + SIGNATURE_BYTES
# ["Signature1", protected, external_aad = h'', payload], RFC 9052 section 4.4, up to the payload's own bytes.
_SIG_STRUCTURE_HEAD = b"\x84\x6aSignature1\x44" + _PROTECTED + b"\x40"

_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
"""RFC 8949 section 3, by the low five bits of a head."""
_SMALLEST_ARGUMENT = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}
"""What does not fit a shorter head, by the argument's width."""

_BYTE_STRING = 2
_ARRAY = 4
_TAG = 6


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed COSE_Sign1 message whose signature nobody has checked."""

    payload: bytes
    signature: bytes
    to_be_signed: bytes
    """The Sig_structure over the original bytes."""


def decode_envelope(evidence: bytes) -> Envelope:
    """Split evidence into its COSE_Sign1 parts, believing none of them.

    Raises:
        Rejection: the bytes are not one untagged or tag-18 COSE_Sign1 using ES384 in its one accepted encoding.
    """
    start = len(_TAG_18) if evidence.startswith(_TAG_18) else 0
    if evidence.startswith(_HEAD_OF_LONG, start) and len(evidence) <= MAX_EVIDENCE_BYTES:
        # The form of every document: its payload is longer than 255 bytes, so its length has two bytes.
        begin = start + _LONG_BEGINS
        end = begin + int.from_bytes(evidence[begin - 2 : begin])
        is_whole = len(evidence) == end + _SIGNATURE_TAKES
        if is_whole and evidence.startswith(_SIGNATURE_HEAD, end) and end - begin >= _SMALLEST_ARGUMENT[2]:
            return Envelope(
                payload=evidence[begin:end],
                signature=evidence[-SIGNATURE_BYTES:],
                to_be_signed=_SIG_STRUCTURE_HEAD + evidence[begin - _LONG_HEAD_TAKES : end],
            )
    return _take_apart(evidence, start)


def _take_apart(evidence: bytes, start: int) -> Envelope:
    """Take an envelope apart step by step: a short one, or one that is not the accepted form, to say in which way."""
    if not evidence:
        raise Rejection(Reason.EVIDENCE_EMPTY)
    if len(evidence) > MAX_EVIDENCE_BYTES:
        raise Rejection(Reason.EVIDENCE_TOO_LARGE, f"{len(evidence)} bytes, at most {MAX_EVIDENCE_BYTES}")
    if not evidence.startswith(_HEAD, start):
        raise _explain_head(evidence, start)
    payload_head, payload, at = _take_payload(evidence, start + len(_HEAD))
    return Envelope(
        payload=payload,
        signature=_take_signature(evidence, at),
        to_be_signed=_SIG_STRUCTURE_HEAD + payload_head + payload,
    )


def _take_payload(evidence: bytes, at: int) -> tuple[bytes, bytes, int]:
    """Take the payload: its head, its bytes, and where they end."""
    if at == len(evidence):
        raise Rejection(Reason.ENVELOPE_MALFORMED, "cut off before the payload")
    head = _minimal_head(evidence, at)
    if head is None or head[0] != _BYTE_STRING:
        raise Rejection(Reason.ENVELOPE_PAYLOAD_INVALID, "not one definite byte string with a minimal length")
    _, length, start = head
    end = start + length
    if end > len(evidence):
        raise Rejection(Reason.ENVELOPE_MALFORMED, "cut off inside the payload")
    return evidence[at:start], evidence[start:end], end


def _take_signature(evidence: bytes, at: int) -> bytes:
    start = at + len(_SIGNATURE_HEAD)
    end = start + SIGNATURE_BYTES
    if evidence.startswith(_SIGNATURE_HEAD, at) and len(evidence) == end:
        return evidence[start:end]
    raise _explain_signature(evidence, at)


def _explain_signature(evidence: bytes, at: int) -> Rejection:
    head = _minimal_head(evidence, at)
    if head is None and len(evidence) <= at + 1:
        return Rejection(Reason.ENVELOPE_MALFORMED, "cut off before the signature")
    major, length, start = head or (_BYTE_STRING, -1, at)  # chunked, or a length that is not minimal
    if major != _BYTE_STRING or length != SIGNATURE_BYTES:
        return Rejection(Reason.ENVELOPE_SIGNATURE_INVALID, f"not a byte string of {SIGNATURE_BYTES} bytes")
    if len(evidence) < start + length:
        return Rejection(Reason.ENVELOPE_MALFORMED, "cut off inside the signature")
    return Rejection(Reason.ENVELOPE_TRAILING_BYTES, f"{len(evidence) - start - length} bytes after the signature")


def _explain_head(evidence: bytes, at: int) -> Rejection:
    """Say in which way the bytes before the payload are not the one accepted form."""
    head = _minimal_head(evidence, at)
    if head is None:
        return Rejection(Reason.ENVELOPE_MALFORMED, "not CBOR, or not in its minimal form")
    major, argument, at = head
    if major == _TAG:
        return Rejection(Reason.ENVELOPE_TAG_UNEXPECTED, f"CBOR tag {argument}")
    if major != _ARRAY:
        return Rejection(Reason.ENVELOPE_MALFORMED, "not a CBOR array")
    if argument != 4:  # noqa: PLR2004 - RFC 9052 section 4.2
        return Rejection(Reason.ENVELOPE_STRUCTURE_INVALID, f"{argument} elements instead of 4")
    return _explain_headers(evidence, at)


def _explain_headers(evidence: bytes, at: int) -> Rejection:
    if at == len(evidence):
        return Rejection(Reason.ENVELOPE_MALFORMED, "cut off before the protected header")
    head = _minimal_head(evidence, at)
    if head is None or head[0] != _BYTE_STRING:
        return Rejection(Reason.ENVELOPE_PROTECTED_INVALID, "not one definite byte string")
    _, length, start = head
    end = start + length
    if end > len(evidence):
        return Rejection(Reason.ENVELOPE_MALFORMED, "cut off inside the protected header")
    if evidence[start:end] != _PROTECTED:
        return _explain_protected(evidence[start:end])
    if evidence[end : end + 1] == b"":
        return Rejection(Reason.ENVELOPE_MALFORMED, "cut off before the unprotected header")
    return Rejection(Reason.ENVELOPE_UNPROTECTED_NOT_EMPTY, "the unprotected header is not the empty map")


def _explain_protected(protected: bytes) -> Rejection:
    try:
        headers = decode_item(protected or b"\xa0")  # RFC 9052 section 3: no bytes stand for the empty map
    except CborError:
        return Rejection(Reason.ENVELOPE_PROTECTED_INVALID, "not one well-formed CBOR map")
    if not isinstance(headers, dict):
        return Rejection(Reason.ENVELOPE_PROTECTED_INVALID, "not a map")
    labels = [(type(label), label) for label in headers]
    if (int, _ALG_LABEL) not in labels:
        return Rejection(Reason.ENVELOPE_ALGORITHM_MISSING, "the protected header has no alg (label 1)")
    if len(labels) > 1:
        return Rejection(Reason.ENVELOPE_HEADER_UNEXPECTED, f"{len(labels)} protected headers instead of alg alone")
    algorithm = headers[_ALG_LABEL]
    if type(algorithm) is int and algorithm == _ALG_ES384:
        return Rejection(Reason.ENVELOPE_PROTECTED_INVALID, "not in its minimal encoding")
    return Rejection(Reason.ENVELOPE_ALGORITHM_UNSUPPORTED, "alg is not ES384 (-35)")


def _minimal_head(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Read a head: major type, argument and where its content begins; ``None`` unless whole, definite and minimal."""
    if at >= len(data):
        return None
    major, info = data[at] >> 5, data[at] & 0x1F
    if info < 24:  # noqa: PLR2004 - RFC 8949 section 3
        return major, info, at + 1
    width = _ARGUMENT_BYTES.get(info, 0)
    end = at + 1 + width
    argument = int.from_bytes(data[at + 1 : end])
    if not width or end > len(data) or argument < _SMALLEST_ARGUMENT[width]:
        return None
    return major, argument, end
