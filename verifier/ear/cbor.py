"""CBOR in its deterministic encoding (RFC 8949 section 4.2.1), for what tokens are made of and nothing else."""

from __future__ import annotations

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)
_SHORT = 24
_FALSE, _TRUE = b"\xf4", b"\xf5"


def encode_item(value: object) -> bytes:
    """Encode integers, flags, text, bytes, lists and maps of these.

    Raises:
        TypeError: anything else is in it.
    """
    match value:
        case bool():
            return _TRUE if value else _FALSE
        case int():
            return encode_head(_UINT, value) if value >= 0 else encode_head(_NEGATIVE, -1 - value)
        case bytes():
            return encode_head(_BYTES, len(value)) + value
        case str():
            text = value.encode()
            return encode_head(_TEXT, len(text)) + text
        case list():
            return encode_head(_ARRAY, len(value)) + b"".join(map(encode_item, value))
        case dict():
            return encode_head(_MAP, len(value)) + b"".join(_encode_entries(value))
        case _:
            msg = f"{type(value).__name__} has no place in a token"
            raise TypeError(msg)


def encode_head(major: int, argument: int) -> bytes:
    """Encode a head in its shortest form."""
    if argument < _SHORT:
        return bytes((major << 5 | argument,))
    width = next(width for width in (1, 2, 4, 8) if argument < 1 << 8 * width)
    return bytes((major << 5 | _SHORT + width.bit_length() - 1,)) + argument.to_bytes(width)


def _encode_entries(table: dict[object, object]) -> list[bytes]:
    """Encode entries in the order of their encoded keys, bytewise."""
    entries = sorted((encode_item(key), encode_item(value)) for key, value in table.items())
    return [key + value for key, value in entries]
