"""The door to CBOR (RFC 8949): one strict reading, or an error.

``cbor2`` decodes quickly but is a lenient reader: it resolves tags (a bignum becomes an int, tag 35 compiles a
regular expression), joins chunked strings and ignores what follows the item. None of that has a place in an
attestation document, so this door refuses it. What stays allowed is form without meaning: any key order, long
heads, indefinite maps and arrays.
"""

from __future__ import annotations

import io
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import cbor2

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 8
"""Containers within containers; a genuine payload has two."""

MAX_SCANNED_ITEMS = 512
"""Data items in a payload that needs the slow scan (it uses indefinite lengths in another way than AWS does today);
a genuine payload has about sixty. Without a bound, 16 KiB of one-byte items would cost more than a signature."""

_READ_BYTES = 16 * 1024
"""The whole of the largest evidence at once; reading on in small pieces takes longer than decoding."""

_MAP_OF_NINE = b"\xa9"

_BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(2, 7)
_INDEFINITE = 31
_ONE_BYTE_ARGUMENT = 24


class CborFault(Enum):
    """What kind of unreadable the bytes are."""

    MALFORMED = auto()
    TRAILING_BYTES = auto()
    DUPLICATE_KEY = auto()


class CborError(Exception):
    """The bytes are not exactly one acceptable CBOR data item."""

    def __init__(self, fault: CborFault) -> None:
        """Carry the kind of fault; the bytes themselves are not quoted."""
        super().__init__(fault.name)
        self.fault = fault


def _refuse_tag(*_: object) -> NoReturn:
    """Stop the decoder before it interprets anything; cbor2 reports it as an error of its own."""
    raise ValueError


# Every tag that cbor2 resolves by itself lies below these bounds; the rest reach tag_hook. A test walks all of
# them, so that an upgrade which learns a new tag does not go unnoticed.
_REFUSE_BUILT_IN_TAGS = dict.fromkeys((*range(300), 1004, 1040, 43000, 55799, 55800), _refuse_tag)

_load_any = partial(
    cbor2.load,
    tag_hook=_refuse_tag,
    semantic_decoders=_REFUSE_BUILT_IN_TAGS,
    max_depth=MAX_DEPTH,
    allow_duplicate_keys=False,
    read_size=_READ_BYTES,
)
_load_definite = partial(_load_any, allow_indefinite=False)


def decode_item(data: bytes) -> object:
    """Decode ``data`` as exactly one CBOR data item.

    Raises:
        CborError: not well formed, bytes after the item, a duplicate map key, a tag, a chunked string, or nesting
            beyond ``MAX_DEPTH``.
    """
    indefinite_root = data[:1] == b"\xbf" and data[-1:] == b"\xff"
    try:
        if indefinite_root:
            # Documents since August 2025: {_ nine pairs}. Read as a definite map of nine the same bytes mean the same,
            # and cbor2 can then refuse every indefinite length.
            return _decode(_MAP_OF_NINE + data[1:-1], _load_definite)
        return _decode(data, _load_definite)
    except CborError as error:
        if not indefinite_root and error.fault is not CborFault.MALFORMED:
            raise
    # Some other use of indefinite lengths than AWS's today. The scan comes first: it bounds what cbor2 will build.
    _scan(data)
    return _decode(data, _load_any)


def _decode(data: bytes, load: Callable[[io.BytesIO], object]) -> object:
    source = io.BytesIO(data)
    try:
        item = load(source)
    except (cbor2.CBORDecodeError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        fault = CborFault.DUPLICATE_KEY if "Duplicate map key" in str(error) else CborFault.MALFORMED
        raise CborError(fault) from error
    if source.tell() != len(data):
        raise CborError(CborFault.TRAILING_BYTES)
    return item


def _scan(data: bytes) -> None:
    """Refuse tags, chunked strings, depth, truncation and too many items by walking the heads alone."""
    if _Scan(data).skip_item(0, MAX_DEPTH) != len(data):
        raise CborError(CborFault.TRAILING_BYTES)


class _Scan:
    """One walk over the heads of ``data``, counting the items it meets."""

    __slots__ = ("_data", "_items")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._items = 0

    def skip_item(self, at: int, depth: int) -> int:
        """Return where the item that begins at ``at`` ends."""
        self._items += 1
        major, argument, at = _head(self._data, at)
        if self._items > MAX_SCANNED_ITEMS:
            raise CborError(CborFault.MALFORMED)
        if major in (_ARRAY, _MAP) and depth:
            return self._skip_entries(at, argument, depth - 1, items_per_entry=2 if major == _MAP else 1)
        if argument is None or major in (_TAG, _ARRAY, _MAP):
            raise CborError(CborFault.MALFORMED)
        end = at + argument if major in (_BYTES, _TEXT) else at
        if end > len(self._data):
            raise CborError(CborFault.MALFORMED)
        return end

    def _skip_entries(self, at: int, entries: int | None, depth: int, *, items_per_entry: int) -> int:
        done = 0
        while done != entries:
            if entries is None and self._data[at : at + 1] == b"\xff":
                return at + 1
            for _ in range(items_per_entry):
                at = self.skip_item(at, depth)
            done += 1
        return at


def _head(data: bytes, at: int) -> tuple[int, int | None, int]:
    """Read one head: major type, argument (``None`` when indefinite) and where its content begins."""
    if at >= len(data):
        raise CborError(CborFault.MALFORMED)
    major, info = data[at] >> 5, data[at] & 0x1F
    at += 1
    if info < _ONE_BYTE_ARGUMENT:
        return major, info, at
    if info == _INDEFINITE:
        return major, None, at
    width = 1 << (info - _ONE_BYTE_ARGUMENT)
    if width > 8 or at + width > len(data):  # noqa: PLR2004 - RFC 8949 3: arguments have at most 8 bytes
        raise CborError(CborFault.MALFORMED)
    return major, int.from_bytes(data[at : at + width]), at + width
