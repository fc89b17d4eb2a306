"""The payload's CBOR: one item, one reading, whatever its form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.nsm import Encoded, encode, encode_map
from vectors.case import affirmed, rejected
from vectors.world import CHAIN, GOOD, MODULE_ID, NONCE, PCRS, ZERO, drop, pairs, payload, put, put_pcrs, seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from issuer.nsm import CborValue
    from vectors.case import Case
    from vectors.world import Pairs

MALFORMED, TRAILING = "document.malformed", "document.trailing-bytes"
DUPLICATE, KEY_INVALID = "document.duplicate-key", "document.key-invalid"
PAYLOAD = payload()
"""In the indefinite style: bf ... ff."""
DEFINITE = b"\xa9" + PAYLOAD[1:-1]


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _whole()
    yield from _broken_values()
    yield from _tags()
    yield from _chunks()
    yield from _texts()
    yield from _lengths_and_depths()
    yield from _trailing()
    yield from _duplicate_fields()
    yield from _duplicate_pcrs()
    yield from _keys()
    yield from _roots()


def raw(text: str) -> Encoded:
    """Give CBOR written in hex."""
    return Encoded(bytes.fromhex(text))


def also(value: CborValue, key: CborValue = "extra") -> Pairs:
    """Add a field that nobody knows."""
    return (*pairs(), (key, value))


def _refused(reason: str, table: Mapping[str, tuple[str, bytes | Pairs]]) -> Iterator[Case]:
    for slug, (description, said) in table.items():
        yield rejected(slug, description, seal(said), reason)


def _whole() -> Iterator[Case]:
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "empty": ("The payload is no bytes at all.", b""),
        "cut-in-certificate": ("The payload is cut off inside the certificate.", PAYLOAD[:1500]),
        "break-missing": ("An indefinite map without its break code.", PAYLOAD[:-1]),
        "definite-one-missing": ("A definite map announces ten fields and has nine.", b"\xaa" + DEFINITE[1:]),
        "key-without-value": ("An indefinite map ends after a key.", PAYLOAD[:-1] + encode("extra") + b"\xff"),
        "garbage": ("Bytes that are no CBOR.", b"\xfe" * 64),
        "json": ("JSON instead of CBOR.", b'{"module_id": "' + MODULE_ID.encode() + b'"}'),
        "break-alone": ("A break code that ends nothing.", b"\xff"),
        "reserved-map-head": ("A map head with reserved additional information.", b"\xbc" + DEFINITE[1:]),
        "tag-18-inside": ("The payload is itself a tagged COSE_Sign1.", b"\xd2" + GOOD),
        "tag-self-described": (
            "The payload carries the tag of self-described CBOR.",
            bytes.fromhex("d9d9f7") + PAYLOAD,
        ),
        "tag-24": ("The payload is embedded CBOR (tag 24).", b"\xd8\x18" + encode(PAYLOAD)),
        "tag-map": ("The payload's map carries tag 259.", bytes.fromhex("d90103") + PAYLOAD),
    }
    yield from _refused(MALFORMED, table)


def _broken_values() -> Iterator[Case]:
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "break-as-value": ("A break code in the place of a value.", also(raw("ff"))),
        "break-in-definite-array": ("A break code inside an array of two.", also(raw("8201ff"))),
        "break-in-definite-map": ("A break code inside a map of one.", also(raw("a16161ff"))),
        "break-after-inner-key": ("A break code after a key of an indefinite map.", also(raw("bf6161ff"))),
        "simple-two-bytes-20": ("false written in two bytes.", also(raw("f814"))),
        "simple-two-bytes-31": ("A simple value that may not be written so.", also(raw("f81f"))),
        "nonce-longer-than-rest": ("The nonce announces more bytes than follow.", put("nonce", raw("590400aa"))),
    }
    table |= {
        f"reserved-{major}-{info}": (
            f"Reserved additional information {info} with major type {major}.",
            also(Encoded(bytes((major << 5 | info,)))),
        )
        for major, info in ((0, 28), (1, 29), (2, 30), (3, 28), (4, 29), (5, 30), (7, 28), (0, 31), (1, 31))
    }
    yield from _refused(MALFORMED, table)


def _tags() -> Iterator[Case]:
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "tag-timestamp": ("The timestamp is tagged as a time (tag 1).", put("timestamp", raw("c11b0000019b7573e570"))),
        "tag-bignum-timestamp": ("The timestamp is a bignum.", put("timestamp", raw("c246019b7573e570"))),
        "tag-bignum-small": ("A bignum of one byte where an integer belongs.", put("timestamp", raw("c24101"))),
        "tag-text-date": (
            "The timestamp is a date in text (tag 0).",
            put("timestamp", raw("c074" + b"2026-01-01T00:00:00Z".hex())),
        ),
        "tag-user-data": ("user_data is embedded CBOR (tag 24).", put("user_data", raw("d81841a0"))),
        "tag-module-id": ("module_id is tagged as a URI (tag 32).", put("module_id", raw("d8206169"))),
        "tag-regex": (
            "An unknown field holds a regular expression (tag 35) that takes for ever.",
            also(raw("d82368" + b"(a+)+$x!".hex())),
        ),
        "tag-shared": (
            "An unknown field holds a shared value and a reference to it (tags 28, 29).",
            also(raw("82d81c80d81d00")),
        ),
        "tag-cyclic": (
            "An unknown field holds an array that contains itself (tags 28, 29).",
            also(raw("d81c81d81d00")),
        ),
        "tag-set": ("An unknown field holds a set (tag 258).", also(raw("d9010280"))),
        "tag-stringref": ("An unknown field uses string references (tags 256, 25).", also(raw("d9010082616161d81900"))),
        "tag-decimal": (
            "An unknown field holds a decimal fraction with a huge exponent (tag 4).",
            also(raw("c4821a3b9aca0001")),
        ),
        "tag-rational": ("An unknown field holds a fraction by zero (tag 30).", also(raw("d81e820100"))),
        "tag-huge-bignum": (
            "An unknown field holds a bignum of a thousand bytes.",
            also(Encoded(b"\xc2" + encode(b"\xff" * 1000))),
        ),
        "tag-ip-address": ("An unknown field holds an IP address (tag 260).", also(raw("d9010444c0000201"))),
        "tag-unassigned": ("An unknown field holds a tag that nobody assigned.", also(raw("da7fffffff00"))),
        "tag-on-key": ("A field's name is tagged.", also(None, key=raw("d8206161"))),
        "tag-pcr-index": ("PCR0's index is a bignum 0.", put("pcrs", _pcrs_with("c240"))),
        "tag-pcr-index-byte": (
            "PCR0's index is a bignum of one zero byte, beside 0.",
            put("pcrs", _pcrs_with("c24100", replace=False)),
        ),
        "tag-pcr-value": ("PCR0's value is tagged.", put_pcrs({**PCRS, 0: Encoded(b"\xd8\x40" + encode(PCRS[0]))})),
        "tag-certificate": ("The certificate is tagged.", put("certificate", raw("d8184100"))),
        "tag-bomb": ("Two hundred tags around a value.", also(Encoded(b"\xc6" * 200 + b"\x00"))),
    }
    yield from _refused(MALFORMED, table)


def _pcrs_with(index: str, *, replace: bool = True, value: bytes = PCRS[0]) -> Encoded:
    """Give the PCRs with one index written in hex, instead of 0 or in addition."""
    kept = [(at, value_) for at, value_ in PCRS.items() if at or not replace]
    return Encoded(encode_map([(raw(index), value), *kept]))


def _chunks() -> Iterator[Case]:
    def bytes_in_chunks(value: bytes) -> Encoded:
        return Encoded(b"\x5f" + encode(value[:5]) + encode(value[5:]) + b"\xff")

    def text_in_chunks(value: str) -> Encoded:
        return Encoded(b"\x7f" + encode(value[:5]) + encode(value[5:]) + b"\xff")

    nonce, certificate = NONCE, CHAIN.certificate
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "chunked-nonce": ("The nonce comes in chunks.", put("nonce", bytes_in_chunks(nonce))),
        "chunked-empty": ("user_data is a chunked string without chunks.", put("user_data", raw("5fff"))),
        "chunked-certificate": ("The certificate comes in chunks.", put("certificate", bytes_in_chunks(certificate))),
        "chunked-cabundle": (
            "A certificate of the bundle comes in chunks.",
            put("cabundle", (bytes_in_chunks(certificate),)),
        ),
        "chunked-pcr": ("PCR0 comes in chunks.", put_pcrs({**PCRS, 0: bytes_in_chunks(PCRS[0])})),
        "chunked-module-id": ("module_id comes in chunks.", put("module_id", text_in_chunks(MODULE_ID))),
        "chunked-digest": ("digest comes in chunks.", put("digest", text_in_chunks("SHA384"))),
        "chunked-key": ("A field's name comes in chunks.", also(None, key=text_in_chunks("extra-field"))),
        "chunked-known-key": (
            "nonce's own name comes in chunks.",
            (*drop("nonce"), (raw("7f636e6f6e626365ff"), nonce)),
        ),
        "chunked-unknown": ("An unknown field's bytes come in chunks.", also(bytes_in_chunks(nonce))),
        "chunked-unknown-text": ("An unknown field's text comes in chunks.", also(text_in_chunks("some text"))),
        "chunk-of-other-type": ("A chunked byte string with a chunk of text.", put("user_data", raw("5f6161ff"))),
        "chunk-in-chunk": ("A chunked byte string within a chunked one.", put("user_data", raw("5f5f4161ffff"))),
    }
    yield from _refused(MALFORMED, table)


def _texts() -> Iterator[Case]:
    def text(data: bytes) -> Encoded:
        return Encoded(bytes((0x60 | len(data),)) + data)

    table: dict[str, tuple[str, bytes | Pairs]] = {
        "utf8-module-id": ("module_id is not UTF-8.", put("module_id", text(b"i-\xff"))),
        "utf8-digest": ("digest is not UTF-8.", put("digest", text(b"SHA384\xc3"))),
        "utf8-overlong": ("module_id has an overlong NUL.", put("module_id", text(b"i-\xc0\x80"))),
        "utf8-surrogate": ("module_id has half of a surrogate pair.", put("module_id", text(b"i-\xed\xa0\x80"))),
        "utf8-too-high": ("module_id has a code point beyond Unicode.", put("module_id", text(b"i-\xf4\x90\x80\x80"))),
        "utf8-key": ("A field's name is not UTF-8.", also(None, key=text(b"\x80"))),
        "utf8-unknown-value": ("An unknown field's text is not UTF-8.", also(text(b"\xfe"))),
        "utf8-surrogate-key": ("A field's name is half of a surrogate pair.", also(None, key=text(b"\xed\xbf\xbf"))),
    }
    yield from _refused(MALFORMED, table)


def _lengths_and_depths() -> Iterator[Case]:
    def nested(head: str, depth: int, end: str = "00") -> Encoded:
        return Encoded(bytes.fromhex(head) * depth + bytes.fromhex(end))

    table: dict[str, tuple[str, bytes | Pairs]] = {
        f"length-{name}-{size}": (
            f"An unknown {name} announces {size.replace('-', '^')} entries.",
            also(raw(head + length)),
        )
        for name, head in {"bytes": "5b", "text": "7b", "array": "9b", "map": "bb"}.items()
        for size, length in {"2-63": "8000000000000000", "2-31": "0000000080000000"}.items()
    }
    table |= {
        "length-array-all-ones": ("An unknown array announces 2^64-1 entries.", also(raw("9bffffffffffffffff"))),
        "length-known-field": ("The nonce announces 2^63 bytes.", put("nonce", raw("5b8000000000000000"))),
        "length-cabundle": ("cabundle announces 2^63 certificates.", put("cabundle", raw("9b8000000000000000"))),
        "length-pcrs": ("pcrs announces 2^63 entries.", put("pcrs", raw("bb8000000000000000"))),
        "length-root": ("The root map announces 2^63 fields.", bytes.fromhex("bb8000000000000000") + DEFINITE[1:]),
        "depth-9": ("An unknown field nests nine levels deep.", also(nested("81", 8))),
        "depth-arrays": ("A thousand arrays, one in the other.", also(nested("81", 1000))),
        "depth-arrays-indefinite": ("A thousand indefinite arrays.", also(nested("9f", 1000, "00" + "ff" * 1000))),
        "depth-maps": ("A thousand maps, one in the other.", also(nested("a100", 1000))),
        "depth-map-keys": (
            "A thousand maps, each the key of the one around it.",
            also(nested("a1", 1000, "00" * 1001)),
        ),
        "depth-unfinished": ("A thousand arrays begin and nothing follows.", also(nested("81", 1000, ""))),
        "depth-indefinite-unfinished": ("A thousand indefinite maps begin.", also(nested("bf", 1000, ""))),
        "items-in-indefinite-array": (
            "Six hundred items in an indefinite array: the careful reading has a limit.",
            also(raw("9f" + "00" * 600 + "ff")),
        ),
    }
    yield from _refused(MALFORMED, table)
    yield affirmed("depth.6", "An unknown field nests six levels deep.", seal(also(nested("81", 5))))
    yield affirmed(
        "unknown.three-hundred-items",
        "An unknown field is an array of three hundred integers.",
        seal(also(tuple(range(300)))),
    )


def _trailing() -> Iterator[Case]:
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "zero": ("A zero after the indefinite map.", PAYLOAD + b"\0"),
        "zero-definite": ("A zero after the definite map.", DEFINITE + b"\0"),
        "null": ("null after the map.", DEFINITE + b"\xf6"),
        "break": ("A second break code after the indefinite map.", PAYLOAD + b"\xff"),
        "break-definite": ("A break code after the definite map.", DEFINITE + b"\xff"),
        "newline": ("A line end after the map.", PAYLOAD + b"\n"),
        "second-map": ("An empty map after the map.", PAYLOAD + b"\xa0"),
        "second-payload": ("Another payload after the payload.", PAYLOAD + DEFINITE),
        "field-after-break": ("A tenth field after the break code.", PAYLOAD + encode("extra") + b"\xf6"),
        "eight-announced": ("A definite map announces eight fields and nine follow.", b"\xa8" + DEFINITE[1:]),
    }
    yield from _refused(TRAILING, table)


def _duplicate_fields() -> Iterator[Case]:
    nonce = dict(pairs())["nonce"]
    long_name = Encoded(b"\x78\x05nonce")
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "nonce-same": ("nonce twice, the same.", (*pairs(), ("nonce", nonce))),
        "nonce-attacker-last": ("nonce twice, another one last.", (*pairs(), ("nonce", bytes(32)))),
        "nonce-attacker-first": ("nonce twice, another one first.", (("nonce", bytes(32)), *pairs())),
        "nonce-null-first": ("nonce twice, null first.", (("nonce", None), *pairs())),
        "nonce-long-head": ("nonce twice, once with a longer head.", (*pairs(), (long_name, bytes(32)))),
        "pcrs": ("pcrs twice.", (*pairs(), put_pcrs({**PCRS, 0: ZERO})[3])),
        "module-id": ("module_id twice.", (*pairs(), ("module_id", MODULE_ID))),
        "certificate": ("certificate twice.", (*pairs(), ("certificate", b"\x30\x00"))),
        "cabundle": ("cabundle twice.", (*pairs(), ("cabundle", ()))),
        "timestamp": ("timestamp twice.", (*pairs(), ("timestamp", 1_767_225_598_001))),
        "user-data-null": ("user_data null twice.", (*pairs(), ("user_data", None))),
        "unknown": ("An unknown field twice.", (*also(1), ("extra", 1))),
        "inside-unknown": ("A key twice in a map within an unknown field.", also(raw("a2616101616102"))),
        "inside-unknown-deep": ("A key twice, three levels down.", also(raw("8181a200010002"))),
        "inside-unknown-indefinite": ("A key twice in an indefinite map.", also(raw("bf616101616102ff"))),
        "nine-fields": (
            "Nine fields, one of them twice and user_data not at all.",
            (*drop("user_data"), ("nonce", nonce)),
        ),
    }
    yield from _refused(DUPLICATE, table)
    evidence = seal((*pairs(), ("nonce", nonce)), "definite")
    yield rejected("nonce-definite", "nonce twice in a definite map.", evidence, DUPLICATE)


def _duplicate_pcrs() -> Iterator[Case]:
    table = {
        "pcr0": ("00", "0 twice."),
        "pcr0-two-bytes": ("1800", "0, and 0 in two bytes."),
        "pcr0-three-bytes": ("190000", "0, and 0 in three bytes."),
        "pcr0-nine-bytes": ("1b0000000000000000", "0, and 0 in nine bytes."),
        "pcr0-false": ("f4", "0 and false, which some languages take for the same."),
        "pcr0-float": ("f90000", "0 and 0.0."),
        "pcr0-double": ("fb0000000000000000", "0 and 0.0 in double precision."),
        "pcr0-negative-zero": ("f98000", "0 and -0.0."),
        "pcr0-simple": ("e0", "0 and the simple value 0."),
        "pcr1-true": ("f5", "1 and true."),
        "pcr1-float": ("f93c00", "1 and 1.0."),
        "pcr8": ("08", "8 twice."),
    }
    for slug, (index, description) in table.items():
        evidence = seal(put("pcrs", _pcrs_with(index, replace=False, value=bytes(48))))
        yield rejected(slug, f"PCR indices {description}", evidence, DUPLICATE)
    indefinite = Encoded(encode_map([*PCRS.items(), (0, ZERO)], indefinite=True))
    yield rejected(
        "pcr0-indefinite", "PCR indices 0 twice in an indefinite map.", seal(put("pcrs", indefinite)), DUPLICATE
    )


def _keys() -> Iterator[Case]:
    table = {
        "bytes": (raw("4161"), "a byte string."),
        "nonce-as-bytes": (raw("456e6f6e6365"), "the bytes of the word nonce."),
        "integer": (raw("00"), "an integer."),
        "negative": (raw("20"), "a negative integer."),
        "null": (raw("f6"), "null."),
        "undefined": (raw("f7"), "undefined."),
        "true": (raw("f5"), "true."),
        "float": (raw("f93c00"), "a float."),
        "nan": (raw("f97e00"), "not a number."),
        "array": (raw("80"), "an array."),
        "array-of-text": (raw("81656e6f6e6365"), "an array of the word nonce."),
        "map": (raw("a0"), "a map."),
        "simple": (raw("f863"), "a simple value."),
    }
    for slug, (key, description) in table.items():
        yield rejected(f"key-{slug}", f"A field's name is {description}", seal(also(None, key=key)), KEY_INVALID)


def _roots() -> Iterator[Case]:
    values = tuple(value for _, value in pairs())
    table: dict[str, tuple[str, bytes | Pairs]] = {
        "root-array": ("The payload is an array of the values.", encode(values)),
        "root-array-of-map": ("The payload is an array of the map.", b"\x81" + PAYLOAD),
        "root-array-indefinite": ("The payload is an indefinite array.", b"\x9f" + PAYLOAD + b"\xff"),
        "root-integer": ("The payload is an integer.", b"\x00"),
        "root-text": ("The payload is a text.", encode("SHA384")),
        "root-null": ("The payload is null.", b"\xf6"),
        "root-bytes": ("The payload is wrapped in one more byte string.", encode(PAYLOAD)),
        "root-document": ("The payload is a whole untagged document.", GOOD),
    }
    yield from _refused(KEY_INVALID, table)
