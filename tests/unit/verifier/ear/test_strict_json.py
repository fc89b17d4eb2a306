"""JSON and base64url with one reading."""

import pytest

from verifier.ear.strict_json import decode_bytes, decode_object, encode_bytes, encode_object


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 5, bytes(range(256))])
def test_bytes_are_read_back(data: bytes) -> None:
    """What we write ourselves would be refused."""
    text = encode_bytes(data)

    assert "=" not in text
    assert decode_bytes(text) == decode_bytes(text.encode()) == data


@pytest.mark.parametrize("text", ["A", "AAAAA", "AA==", "A A", "AA\n", "A+", "A/", "AB", "AAB", "ä", "\ud83d\ude00"])
def test_text_with_another_reading_is_refused(text: str) -> None:
    """Two texts would stand for one value, and one text for two."""
    with pytest.raises(ValueError, match="base64url"):
        decode_bytes(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"1", b"null", b"{} {}", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":NaN}', b'{"a":-Infinity}',
        b'\xef\xbb\xbf{"a":1}', b"\xff", b'{"a":1', b'{"a":' * 20_000, b'{"a":' + b"9" * 5000 + b"}", b"{'a':1}",
    ],
)  # fmt: skip
def test_json_with_another_reading_is_refused(data: bytes) -> None:
    """A claim would be one thing to us and another to the next reader."""
    with pytest.raises(ValueError, match=r".+"):
        decode_object(data)


def test_an_object_is_written_in_one_way() -> None:
    """The same token would have several texts."""
    assert encode_object({"b": 1, "a": {"d": "ü", "c": [True]}}) == b'{"a":{"c":[true],"d":"\\u00fc"},"b":1}'
