"""What host and guest say to each other: JSON, in which bytes are an object with one member."""

import json


def encode(value: object) -> bytes:
    """Write a value of JSON's kinds, bytes and tuples included."""
    return json.dumps(value, default=_bytes_as_object).encode()


def decode(message: bytes) -> object:
    """Read a value."""
    return json.loads(message, object_hook=_object_as_bytes)


def _bytes_as_object(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(f"not for JSON: {type(value).__name__}")


def _object_as_bytes(value: dict[str, object]) -> object:
    match value:
        case {"hex": str() as digits} if len(value) == 1:
            return bytes.fromhex(digits)
        case _:
            return value
