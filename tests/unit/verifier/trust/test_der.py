from collections.abc import Callable

import pytest

from verifier.trust.der import (
    INTEGER,
    SEQUENCE,
    DerError,
    Reader,
    object_identifier,
    positive_integer,
    time_seconds,
    unsigned_integer,
)


def test_elements_are_taken_in_turn_and_leave_nothing() -> None:
    """Bytes would be read twice or passed over."""
    reader = Reader(bytes.fromhex("3006 0201 05 0201 06 0202 0080"))
    reader.enter(SEQUENCE)
    assert reader.peek == INTEGER
    assert reader.raw(INTEGER) == bytes.fromhex("020105")
    assert not reader.skip(bytes.fromhex("020105"))
    assert reader.skip(bytes.fromhex("020106"))
    assert not reader.skip(bytes.fromhex("02020080"))
    assert (reader.peek, reader.is_last()) == (-1, False)
    reader.leave()
    assert reader.content(INTEGER) == b"\x00\x80"
    reader.finish()


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 1000])
def test_lengths_are_read_in_their_shortest_form(size: int) -> None:
    """A certificate of some length would be unreadable."""
    width = 0 if size < 128 else (size.bit_length() + 7) // 8
    head = bytes((size,)) if not width else bytes((0x80 | width,)) + size.to_bytes(width)
    assert Reader(b"\x04" + head + bytes(size)).content(0x04) == bytes(size)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "02",
        "0301 00",
        "0202 00",
        "0280",
        "0280 0000",
        "028101 00",
        "02817f" + "00" * 127,
        "0282 0080" + "00" * 128,
        "028200ff" + "00" * 255,
        "0283 000100" + "00" * 256,
        "0284 00000001 00",
        "02ff 00",
        "0281",
        "0282 01",
        "1f0201 00",
    ],
)
def test_any_other_form_is_refused(data: str) -> None:
    """Two readers of one certificate could disagree about where a field ends."""
    with pytest.raises(DerError):
        Reader(bytes.fromhex(data)).content(INTEGER)


def test_an_element_may_not_reach_beyond_the_one_around_it() -> None:
    """A field could be made of bytes that belong to another."""
    reader = Reader(bytes.fromhex("3003 0202 00 0000"))
    reader.enter(SEQUENCE)
    with pytest.raises(DerError):
        reader.content(INTEGER)


def test_what_is_left_over_in_an_element_is_refused() -> None:
    """A field would be passed over that another reader sees."""
    reader = Reader(bytes.fromhex("3006 0201 05 0201 06"))
    reader.enter(SEQUENCE)
    assert reader.is_last()
    reader.content(INTEGER)
    with pytest.raises(DerError):
        reader.leave()


def test_what_is_left_over_is_refused() -> None:
    """Bytes after a certificate would make it another certificate with the same meaning."""
    with pytest.raises(DerError):
        Reader(b"\x00").finish()


@pytest.mark.parametrize("content", ["", "00", "0000", "0001", "007f", "80", "ff", "ff80"])
def test_only_positive_integers_in_their_shortest_form_are_positive(content: str) -> None:
    """A serial or a signature would have a second spelling."""
    with pytest.raises(DerError):
        positive_integer(bytes.fromhex(content))


def test_integers_mean_what_they_say() -> None:
    """A path length or a serial would be another number."""
    assert positive_integer(b"\x00\x80") == 128
    assert positive_integer(b"\x7f\xff") == 32767
    assert unsigned_integer(b"\x00") == 0
    assert unsigned_integer(b"\x01") == 1
    with pytest.raises(DerError):
        unsigned_integer(b"\x00\x00")


@pytest.mark.parametrize("content", ["55 1d 13", "2a", "2a 86 48 ce 3d 02 01", "00"])
def test_an_object_identifier_is_taken_as_its_bytes(content: str) -> None:
    """An extension would be looked for under another name than it has."""
    assert object_identifier(bytes.fromhex(content)) == bytes.fromhex(content)


@pytest.mark.parametrize("content", ["", "80", "55 1d 93", "55 80 1d", "80 55 1d", "2a 86"])
def test_an_object_identifier_has_one_form(content: str) -> None:
    """An extension that everybody else reads would be an unknown one here."""
    with pytest.raises(DerError):
        object_identifier(bytes.fromhex(content))


def time(text: str, tag: int) -> int:
    return time_seconds(Reader(bytes((tag, len(text))) + text.encode()))


@pytest.mark.parametrize(
    ("text", "tag", "seconds"),
    [
        ("700101000000Z", 0x17, 0),
        ("500101000000Z", 0x17, -631152000),
        ("491231235959Z", 0x17, 2524607999),
        ("240229000000Z", 0x17, 1709164800),
        ("000229000000Z", 0x17, 951782400),
        ("20500101000000Z", 0x18, 2524608000),
        ("99991231235959Z", 0x18, 253402300799),
        ("00010101000000Z", 0x18, -62135596800),
        ("20000229120000Z", 0x18, 951825600),
        ("19700131000000Z", 0x18, 2592000),
        ("19700430235959Z", 0x18, 10367999),
    ],
)
def test_times_are_read_as_rfc_5280_says(text: str, tag: int, seconds: int) -> None:
    """An expired certificate would be valid, or the other way round."""
    assert time(text, tag) == seconds


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("", 0x17),
        ("7001010000Z", 0x17),
        ("700101000000+0000", 0x17),
        ("700101000000z", 0x17),
        ("7001010000000", 0x17),
        ("7x0101000000Z", 0x17),
        ("+00101000000Z", 0x17),
        (" 00101000000Z", 0x17),
        ("20500101000000.5Z", 0x18),
        ("205001010000Z", 0x18),
        ("20500101000000", 0x18),
        ("00000101000000Z", 0x18),
        ("20230229000000Z", 0x18),
        ("21000229000000Z", 0x18),
        ("20230001000000Z", 0x18),
        ("20231301000000Z", 0x18),
        ("20230100000000Z", 0x18),
        ("20230132000000Z", 0x18),
        ("20230431000000Z", 0x18),
        ("20230101240000Z", 0x18),
        ("20230101006000Z", 0x18),
        ("20230101000060Z", 0x18),
        ("20230101000000Z", 0x16),
    ],
)
def test_times_that_do_not_exist_are_refused(text: str, tag: int) -> None:
    """A date that readers normalise differently would be valid for one and expired for another."""
    with pytest.raises(DerError):
        time(text, tag)


@pytest.mark.parametrize("read", [positive_integer, unsigned_integer])
def test_empty_contents_are_refused(read: Callable[[bytes], object]) -> None:
    """An empty integer has no meaning that two readers share."""
    with pytest.raises(DerError):
        read(b"")
