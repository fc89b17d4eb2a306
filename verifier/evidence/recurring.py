"""What recurs in the documents of one enclave is read once.

Such documents differ in their time and in what the enclave asked to have signed, a tenth of their bytes. The rest, PCRs
and certificates, recurs byte for byte, and whoever compares bytes need not read them again: pairs of a CBOR map mean
the same whatever stands before and behind them. So a payload that begins and goes on exactly as one before it is read
as far as it is new, and gives what ``decode_document`` gives. Whatever is not so is left to ``decode_document``, which
also says what is wrong.

Only what was authentic is learnt, so that nobody fills the memory with what they made up. The bound is one of entries,
and those learnt first go first. Where there are more enclaves than entries only some are learnt: otherwise each would
be forgotten before it came again, and learning takes longer than reading.
"""

from __future__ import annotations

from threading import Lock

import msgspec
from msgspec.structs import replace

from verifier.evidence.cbor import CborError, decode_item
from verifier.evidence.document import (
    EARLIEST_TIMESTAMP_MS,
    LATEST_TIMESTAMP_MS,
    MAX_FIELD_BYTES,
    AttestationDocument,
)

DEFAULT_PARTS = 1024
LEARN_WHEN_FULL = 16
"""Of so many that could be learnt when no more fit, one is."""

# The order in which the Nitro Secure Module writes its fields. In another order nothing recurs, and nothing is lost.
_HEAD_FIELDS = {"module_id", "digest", "timestamp"}
_MIDDLE_FIELDS = {"pcrs", "certificate", "cabundle"}
_PUBLIC_KEY, _USER_DATA, _NONCE = b"\x6apublic_key", b"\x69user_data", b"\x65nonce"
_TAIL_NAMES = tuple((name, len(name)) for name in (_PUBLIC_KEY, _USER_DATA, _NONCE))

_TIMESTAMP = b"\x69timestamp\x1b"
"""The name of the field, and the head of an integer of eight bytes."""
_TIMESTAMP_BYTES = 8
_TIMESTAMP_WITHIN = 320
"""Behind a module id of at most 256 characters."""
_NULL, _NO_HEAD = 0xF6, -1
_BYTES_HEAD, _BYTES_HEAD_1, _BYTES_HEAD_2 = 0x40, 0x58, 0x59
"""Of a byte string: with its length in the head, in one byte behind it, in two."""

_MAP_OF_THREE = b"\xa3"
_MAP_OF_NINE, _INDEFINITE_MAP, _BREAK = b"\xa9", b"\xbf", b"\xff"


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that were read, and what they said."""

    middle: bytes
    """From behind the timestamp's value to where ``public_key`` begins."""
    closing: bytes
    """What ends the map: a break, or nothing."""
    document: AttestationDocument


class RecurringParts:
    """Parts of documents, by the bytes that those begin with; safe to share between threads."""

    __slots__ = ("_by_head", "_limit", "_lock", "_passed_over")

    def __init__(self, limit: int = DEFAULT_PARTS) -> None:
        """Remember at most ``limit`` parts, about 7 kB each; with a limit of zero, none."""
        self._limit = limit
        self._by_head: dict[bytes, _Part] = {}
        self._lock = Lock()
        self._passed_over = 0

    def read(self, payload: bytes) -> AttestationDocument | None:
        """Give what ``decode_document`` gives of this payload, if it differs from one before only where it may."""
        start = _behind_timestamp_head(payload)
        part = self._by_head.get(payload[:start])
        if part is None or not payload.startswith(part.middle, start + _TIMESTAMP_BYTES):
            return None
        timestamp = int.from_bytes(payload[start : start + _TIMESTAMP_BYTES])
        tail = _read_tail(payload, start + _TIMESTAMP_BYTES + len(part.middle), part.closing)
        if tail is None or not EARLIEST_TIMESTAMP_MS <= timestamp <= LATEST_TIMESTAMP_MS:
            return None
        document, (public_key, user_data, nonce) = part.document, tail
        return AttestationDocument(
            kind=document.kind,
            module_id=document.module_id,
            timestamp_ms=timestamp,
            pcrs=document.pcrs,
            certificate=document.certificate,
            cabundle=document.cabundle,
            public_key=public_key,
            user_data=user_data,
            nonce=nonce,
            unrecognised=(),
        )

    def learn(self, payload: bytes, document: AttestationDocument) -> None:
        """Learn from a payload whose signature was verified, and from the document that was read from it."""
        start = _behind_timestamp_head(payload)
        begin, end = start + _TIMESTAMP_BYTES, payload.rfind(_PUBLIC_KEY)
        closing = _BREAK if payload.startswith(_INDEFINITE_MAP) else b""
        if not start or not payload.startswith((_MAP_OF_NINE, _INDEFINITE_MAP)) or not self._has_room():
            return
        # Cut where the fields seem to begin. Whether they do, reading the pieces by themselves tells.
        pieces = (payload[1:begin], payload[begin:end])
        if [_names(piece) for piece in pieces] != [_HEAD_FIELDS, _MIDDLE_FIELDS]:
            return
        if _read_tail(payload, end, closing) is None:
            return
        # What is new in each document is not kept.
        shared = replace(document, public_key=None, user_data=None, nonce=None)
        self._keep(payload[:start], _Part(middle=pieces[1], closing=closing, document=shared))

    def _has_room(self) -> bool:
        """Tell whether to learn another part: always while there is room, and when there is none now and then."""
        if len(self._by_head) < self._limit:
            return True
        self._passed_over += 1
        return self._limit > 0 and self._passed_over % LEARN_WHEN_FULL == 0

    def _keep(self, head: bytes, part: _Part) -> None:
        with self._lock:
            self._by_head.pop(head, None)
            if len(self._by_head) >= self._limit:
                del self._by_head[next(iter(self._by_head))]
            self._by_head[head] = part


def _behind_timestamp_head(payload: bytes) -> int:
    """Give where the timestamp's value seems to begin, or zero."""
    at = payload.find(_TIMESTAMP, 0, _TIMESTAMP_WITHIN)
    return at + len(_TIMESTAMP) if at > 0 else 0


def _names(pairs: bytes) -> set[object] | None:
    """Give the keys of three pairs; ``None`` unless they are exactly that."""
    try:
        item = decode_item(_MAP_OF_THREE + pairs)
    except CborError:
        return None
    return set(item) if type(item) is dict else None


def _read_tail(payload: bytes, at: int, closing: bytes) -> list[bytes | None] | None:
    """Read the values of the last three fields; ``None`` unless they are exactly those, in order and as they may be.

    A byte string's head (RFC 8949 section 3) may be longer than it has to, as for ``decode_document``.
    """
    values: list[bytes | None] = []
    size = len(payload)
    for name, length in _TAIL_NAMES:
        if not payload.startswith(name, at):
            return None
        at += length
        head = payload[at] if at < size else _NO_HEAD
        if head == _NULL:
            values.append(None)
            at += 1
            continue
        if _BYTES_HEAD <= head < _BYTES_HEAD_1:
            begin, taken = at + 1, head - _BYTES_HEAD
        elif head == _BYTES_HEAD_1:
            begin, taken = at + 2, int.from_bytes(payload[at + 1 : at + 2])
        elif head == _BYTES_HEAD_2:
            begin, taken = at + 3, int.from_bytes(payload[at + 1 : at + 3])
        else:
            return None
        if taken > MAX_FIELD_BYTES:
            return None
        at = begin + taken
        values.append(payload[begin:at])
    # What ends where the map does was not cut off.
    return values if at + len(closing) == size and payload.endswith(closing) else None
