"""Base64 on the wire: both alphabets, padded or not, and nothing that merely resembles them."""

import base64
import string

from hypothesis import example, given
from hypothesis import strategies as st

from verifier.service.notation import read_bytes, read_nonce_text, write_bytes

LETTERS = string.ascii_letters + string.digits
NEARLY = st.text(LETTERS + "+/-_= \n.,", max_size=24)


def read(text: str) -> bytes | None:
    try:
        return read_bytes(text)
    except ValueError:
        return None


@given(st.binary(min_size=1, max_size=300))
def test_every_spelling_of_bytes_is_read(value: bytes) -> None:
    """A client that encodes as its library does would be refused."""
    spellings = (base64.b64encode(value), base64.urlsafe_b64encode(value))
    for spelling in spellings:
        assert read_bytes(spelling.decode()) == value
        assert read_bytes(spelling.rstrip(b"=").decode()) == value
    assert read_bytes(write_bytes(value)) == value


@given(NEARLY | st.text(max_size=12))
@example("")
@example("QQ=")
@example("QQ===")
@example("QR==")
@example("-/==")
@example("QQ==\n")
def test_what_is_read_is_one_of_the_four_spellings_of_its_bytes(text: str) -> None:
    """Two texts would mean one document, or one text two."""
    value = read(text)
    if value is not None:
        both = (base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode())
        assert text in {spelling for each in both for spelling in (each, each.rstrip("="))}
        assert value


@given(st.binary(min_size=1, max_size=64))
def test_a_nonce_is_read_from_hex_or_base64(value: bytes) -> None:
    """A nonce that was copied from a log or a tool would be refused."""
    assert read_nonce_text(value.hex()) == value
    assert read_nonce_text(value.hex().upper()) == value
    spelled = base64.b64encode(value).decode()
    if "=" in spelled or set(spelled) - set(string.hexdigits):
        assert read_nonce_text(spelled) == value
