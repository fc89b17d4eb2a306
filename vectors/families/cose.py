"""The envelope: everything around the signed payload, where one encoding alone is right."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from issuer.nsm import Encoded, assemble_sign1, encode, sign1, sign_raw, signature_structure
from vectors.case import affirmed, rejected
from vectors.world import CHAIN, GOOD, KEY, pairs, payload, seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuer.nsm import CborValue
    from vectors.case import Case

PROTECTED = bytes.fromhex("a1013822")
EMPTY = Encoded(b"\xa0")
PAYLOAD = payload()
SIGNATURE = GOOD[-96:]

MALFORMED, TAG = "envelope.malformed", "envelope.tag-unexpected"
STRUCTURE, TRAILING = "envelope.structure-invalid", "envelope.trailing-bytes"
PROTECTED_INVALID, MISSING = "envelope.protected-invalid", "envelope.algorithm-missing"
UNSUPPORTED, HEADER = "envelope.algorithm-unsupported", "envelope.header-unexpected"
UNPROTECTED, PAYLOAD_INVALID = "envelope.unprotected-not-empty", "envelope.payload-invalid"


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _not_cose()
    yield from _tags()
    yield from _elements()
    yield from _protected_forms()
    yield from _protected_content()
    yield from _unprotected()
    yield from _payload_forms()


def message(
    protected: CborValue = PROTECTED,
    unprotected: CborValue = EMPTY,
    said: CborValue = PAYLOAD,
    signature: CborValue = SIGNATURE,
    *extra: CborValue,
) -> bytes:
    """Assemble the good message with some of its parts exchanged and nothing signed anew."""
    return assemble_sign1(protected, unprotected, said, signature, extra=extra)


def raw(text: str) -> Encoded:
    """Give CBOR written in hex."""
    return Encoded(bytes.fromhex(text))


def _not_cose() -> Iterator[Case]:
    yield rejected("no-bytes", "No bytes at all are no evidence.", b"", "evidence.empty")
    yield rejected("one-byte-over", "16385 bytes are too many.", sized(16385), "evidence.too-large")
    yield affirmed("size.limit", "16384 bytes are just few enough.", sized(16384))
    table = {
        "hex": (GOOD.hex().encode()[:9000], "Hex that nobody decoded."),
        "base64": (base64.b64encode(GOOD), "Base64 that nobody decoded."),
        "json": (b'{"document": ""}', "JSON instead of CBOR."),
        "byte-string-around": (encode(GOOD), "The whole document wrapped in one more byte string."),
        "length-prefixed": (len(GOOD).to_bytes(4) + GOOD, "A length prefix that was not taken off."),
        "one-byte": (GOOD[:1], "The head of an array and nothing more."),
        "cut-in-protected": (GOOD[:4], "Cut off inside the protected header."),
        "cut-before-unprotected": (GOOD[:6], "Cut off before the unprotected header."),
        "cut-before-payload": (GOOD[:7], "Cut off before the payload."),
        "cut-in-payload": (GOOD[:2000], "Cut off inside the payload."),
        "cut-before-signature": (GOOD[:-98], "Cut off before the signature."),
        "cut-in-signature": (GOOD[:-40], "Cut off inside the signature."),
        "last-byte-missing": (GOOD[:-1], "The last byte is missing."),
        "array-head-long": (b"\x98\x04" + GOOD[1:], "The array's head is longer than needed."),
        "array-indefinite": (b"\x9f" + GOOD[1:] + b"\xff", "The array is of indefinite length."),
        "tag-head-long": (b"\xd8\x12" + GOOD, "Tag 18 with a head longer than needed."),
        "map-of-four": (b"\xa4" + GOOD[1:], "A map where the array belongs."),
        "payload-length-2-63": (GOOD[:7] + bytes.fromhex("5b8000000000000000"), "A payload of 2^63 bytes."),
        "payload-length-2-32": (GOOD[:7] + bytes.fromhex("5b0000000100000000"), "A payload of 2^32 bytes."),
        "array-length-2-63": (bytes.fromhex("9b8000000000000000")[:9], "An array of 2^63 elements."),
        "break-alone": (b"\xff", "A break code that ends nothing."),
        "null": (b"\xf6", "Null."),
        "http-error-page": (b"<html>502 Bad Gateway</html>", "What a broken proxy sends."),
    } | {
        f"reserved-{info}": (
            bytes((0x80 | info,)) + GOOD[1:],
            f"An array head with reserved additional information {info}.",
        )
        for info in (28, 29, 30)
    }
    for slug, (evidence, description) in table.items():
        reason = STRUCTURE if slug == "array-length-2-63" else MALFORMED
        yield rejected(slug, description, evidence, reason)
    for slug, tail in {
        "newline": b"\n",
        "zero": b"\0",
        "padding": bytes(16),
        "break": b"\xff",
        "second-document": GOOD,
        "null": b"\xf6",
    }.items():
        yield rejected(slug, "Something follows the message.", GOOD + tail, TRAILING)
    yield rejected("tagged-then-newline", "Something follows the tagged message.", b"\xd2" + GOOD + b"\n", TRAILING)


def sized(size: int) -> bytes:
    """Give a rightly signed document of exactly so many bytes, filled up in a field nobody knows."""
    filler = size - len(seal((*pairs(), ("filler", bytes(1000))))) + 1000
    return seal((*pairs(), ("filler", bytes(filler))))


def _tags() -> Iterator[Case]:
    tagged = b"\xd2" + GOOD
    yield rejected("twice", "Tag 18 twice.", b"\xd2" + tagged, TAG)
    table = {
        "cwt": ("d83d", tagged, "A CWT tag (61) around a tagged message."),
        "cwt-untagged": ("d83d", GOOD, "A CWT tag (61) around an untagged message."),
        "self-described": ("d9d9f7", GOOD, "The tag for self-described CBOR (55799)."),
        "sign": ("d862", GOOD, "The tag of COSE_Sign (98)."),
        "mac0": ("d1", GOOD, "The tag of COSE_Mac0 (17)."),
        "encrypt0": ("d0", GOOD, "The tag of COSE_Encrypt0 (16)."),
        "embedded-cbor": ("d818", encode(GOOD), "Tag 24 around the message as a byte string."),
        "inside-18": ("d2d83d", GOOD, "Tag 61 inside tag 18."),
        "bignum": ("c2", encode(GOOD), "The tag of a bignum."),
        "largest": ("dbffffffffffffffff", GOOD, "The largest tag there is."),
        "shareable": ("d81c", GOOD, "The tag that marks a value as shared (28)."),
    }
    for slug, (head, rest, description) in table.items():
        yield rejected(slug, description, bytes.fromhex(head) + rest, TAG)


def _elements() -> Iterator[Case]:
    unsigned = encode((PROTECTED, EMPTY, PAYLOAD))
    yield rejected("three", "Three elements: the signature is missing.", unsigned, STRUCTURE)
    yield rejected(
        "five-null", "A fifth element, null.", message(PROTECTED, EMPTY, PAYLOAD, SIGNATURE, None), STRUCTURE
    )
    five = message(PROTECTED, EMPTY, PAYLOAD, SIGNATURE, SIGNATURE)
    yield rejected("five-signatures", "A second signature as a fifth element.", five, STRUCTURE)
    yield rejected("five-announced", "The head says five, four follow.", b"\x85" + GOOD[1:], STRUCTURE)
    yield rejected("three-announced", "The head says three, four follow.", b"\x83" + GOOD[1:], STRUCTURE)
    yield rejected("none", "An empty array.", b"\x80", STRUCTURE)
    yield rejected("payload-alone", "An array of the payload alone.", encode((PAYLOAD,)), STRUCTURE)


def _protected_forms() -> Iterator[Case]:
    """The right meaning in another form; each is signed as it stands."""
    table = {
        "duplicate-algorithm": ("a2013822013822", "alg twice, the same both times."),
        "duplicate-weaker-first": ("a20126013822", "alg twice, ES256 and then ES384."),
        "duplicate-weaker-last": ("a20138220126", "alg twice, ES384 and then ES256."),
        "duplicate-as-true": ("a2013822f526", "alg once as 1 and once as true."),
        "duplicate-as-float": ("a2013822f93c0026", "alg once as 1 and once as 1.0."),
        "label-long": ("a118013822", "The label 1 with a head longer than needed."),
        "value-long": ("a101390022", "The value -35 with a head longer than needed."),
        "value-eight-bytes": ("a1013b0000000000000022", "The value -35 in eight bytes."),
        "map-long": ("b801013822", "The map's head is longer than needed."),
        "map-indefinite": ("bf013822ff", "The map is of indefinite length."),
        "trailing-zero": ("a101382200", "A zero after the map."),
        "trailing-map": ("a1013822a0", "A second map after the map."),
        "truncated": ("a10138", "The map is cut off."),
        "bignum": ("a101c34122", "The value -35 as a bignum."),
        "tagged": ("d818a1013822", "The map has a tag."),
        "array": ("81013822", "An array instead of a map."),
        "integer": ("3822", "The algorithm's number alone, without a map."),
        "two-announced": ("a2013822", "The head says two headers, one follows."),
        "depth-bomb": ("a101" + "81" * 200 + "00", "A value nested two hundred times."),
        "length-2-63": ("a1015b8000000000000000", "A value of 2^63 bytes."),
        "shared-reference": ("a101d81d00", "A reference to a shared value (tag 29)."),
        "regular-expression": ("a101d823615b", "A broken regular expression (tag 35)."),
    }
    for slug, (protected, description) in table.items():
        yield rejected(slug, f"Protected header: {description}", signed_with(protected), PROTECTED_INVALID)
    yield from _protected_wrappings()


def _protected_wrappings() -> Iterator[Case]:
    table = {
        "not-wrapped": (Encoded(PROTECTED), "the map itself, not wrapped in a byte string."),
        "null": (None, "null."),
        "text": (Encoded(b"\x64" + PROTECTED), "a text string."),
        "chunked": (raw("5f44a1013822ff"), "a byte string in chunks."),
        "head-long": (raw("5804a1013822"), "a byte string whose head is longer than needed."),
        "tag-24": (raw("d81844a1013822"), "a byte string tagged as embedded CBOR."),
        "undefined": (raw("f7"), "undefined."),
    }
    for slug, (protected, description) in table.items():
        yield rejected(slug, f"Protected header: {description}", message(protected), PROTECTED_INVALID)


def signed_with(protected: str, unprotected: str = "a0") -> bytes:
    """Sign the good payload under other headers, given in hex."""
    return sign1(PAYLOAD, KEY, protected=bytes.fromhex(protected), unprotected=bytes.fromhex(unprotected))


def _protected_content() -> Iterator[Case]:
    missing = {
        "empty-string": ("", "a0", "An empty protected header."),
        "empty-map": ("a0", "a0", "An empty map, which should have been an empty byte string."),
        "only-unprotected": ("", "a1013822", "alg stands in the unprotected header only."),
        "only-unprotected-empty-map": (
            "a0",
            "a1013822",
            "alg stands only in the unprotected header; the other is empty.",
        ),
        "label-true": ("a1f53822", "a0", "The label is true, which some languages take for 1."),
        "label-float": ("a1f93c003822", "a0", "The label is 1.0."),
        "label-double": ("a1fb3ff00000000000003822", "a0", "The label is 1.0 in double precision."),
        "label-text-digit": ("a161313822", "a0", 'The label is the text "1".'),
        "label-text-name": ("a163616c673822", "a0", 'The label is the text "alg".'),
        "label-bytes": ("a141013822", "a0", "The label is the byte 1."),
        "label-two": ("a1023822", "a0", "The label is 2, which is crit."),
        "label-minus-one": ("a1203822", "a0", "The label is -1."),
        "label-null": ("a1f63822", "a0", "The label is null."),
        "key-id-only": ("a1044131", "a0", "A key id and no alg."),
    }
    for slug, (protected, unprotected, description) in missing.items():
        yield rejected(slug, description, signed_with(protected, unprotected), MISSING)
    unsupported = {
        "es256": ("26", "ES256 (-7)."),
        "es512": ("3823", "ES512 (-36)."),
        "eddsa": ("27", "EdDSA (-8)."),
        "esp384": ("3832", "ESP384 (-51): the same by its fully specified name, which no module writes."),
        "ps384": ("3825", "PS384 (-38)."),
        "rs1": ("39fffe", "RS1 (-65535)."),
        "hmac-384": ("06", "HMAC with SHA-384 (6): the key of a signature is public."),
        "minus-one": ("20", "-1, which emulators that do not sign write."),
        "thirty-five": ("1823", "35 without its sign."),
        "text": ("654553333834", 'The text "ES384".'),
        "text-number": ("632d3335", 'The text "-35".'),
        "float": ("f9d060", "-35.0."),
        "true": ("f5", "true."),
        "null": ("f6", "null."),
        "undefined": ("f7", "undefined."),
        "array": ("813822", "A list of one algorithm."),
        "zero": ("00", "0, which is reserved."),
    }
    for slug, (value, description) in unsupported.items():
        yield rejected(slug, f"alg is {description}", signed_with("a101" + value), UNSUPPORTED)
    unexpected = {
        "crit": ("a2013822028101", "crit, naming alg itself."),
        "crit-empty": ("a20138220280", "crit, empty."),
        "crit-unknown": ("a3013822028119ffff19fffff5", "crit, naming a header that this one is."),
        "key-id": ("a20138220441aa", "A key id."),
        "content-type": ("a201382203182a", "A content type."),
        "iv": ("a20138220541aa", "An initialisation vector."),
        "x5chain": ("a2013822182141aa", "A certificate chain."),
        "text-label": ("a2013822617801", "A header with a text label."),
        "alg-as-text-too": ("a2013822613126", 'A second alg under the text "1".'),
        "before-alg": ("a204413a013822", "A key id before alg."),
        "cwt-claims": ("a20138220fa0", "CWT claims."),
    }
    for slug, (protected, description) in unexpected.items():
        yield rejected(slug, f"Protected header: {description}", signed_with(protected), HEADER)


def _unprotected() -> Iterator[Case]:
    chain = encode({33: (CHAIN.certificate,)}).hex()
    table = {
        "algorithm": ("a1013822", "alg again, outside the signature."),
        "algorithm-weaker": ("a10126", "ES256, outside the signature."),
        "key-id": ("a1044131", "A key id."),
        "x5chain": (chain, "A certificate chain: another leaf than the document's could stand there."),
        "crit": ("a1028101", "crit, which belongs to the protected header."),
        "countersignature": ("a10b41aa", "A countersignature."),
        "text-label": ("a16178f6", "A header with a text label."),
        "indefinite": ("bfff", "An empty map of indefinite length."),
        "head-long": ("b800", "An empty map with a head longer than needed."),
        "array": ("80", "An array."),
        "null": ("f6", "null."),
        "wrapped": ("41a0", "A map wrapped in a byte string."),
        "empty-bytes": ("40", "An empty byte string."),
        "tagged": ("d818a0", "A tagged map."),
    }
    for slug, (header, description) in table.items():
        evidence = signed_with(PROTECTED.hex(), header)
        yield rejected(slug, f"Unprotected header: {description}", evidence, UNPROTECTED)


def _payload_forms() -> Iterator[Case]:
    half = len(PAYLOAD) // 2
    chunks = b"\x5f" + encode(PAYLOAD[:half]) + encode(PAYLOAD[half:]) + b"\xff"
    table = {
        "detached": (None, "null: the payload is elsewhere."),
        "undefined": (raw("f7"), "undefined."),
        "text": (Encoded(b"\x79" + encode(PAYLOAD)[1:]), "a text string."),
        "chunked": (Encoded(chunks), "a byte string in two chunks."),
        "one-chunk": (Encoded(b"\x5f" + encode(PAYLOAD) + b"\xff"), "a byte string in one chunk."),
        "head-four-bytes": (Encoded(b"\x5a" + len(PAYLOAD).to_bytes(4) + PAYLOAD), "a byte string with a long head."),
        "head-eight-bytes": (Encoded(b"\x5b" + len(PAYLOAD).to_bytes(8) + PAYLOAD), "one with a very long head."),
        "tag-24": (Encoded(b"\xd8\x18" + encode(PAYLOAD)), "a byte string tagged as embedded CBOR."),
        "inline": (Encoded(PAYLOAD), "the map itself, not wrapped in a byte string."),
        "integer": (0, "an integer."),
        "array": ((PAYLOAD,), "an array."),
        "reserved-28": (Encoded(b"\x5c" + PAYLOAD), "a byte string with reserved additional information."),
    }
    for slug, (said, description) in table.items():
        yield rejected(slug, f"The payload is {description}", message(said=said), PAYLOAD_INVALID)
    detached = sign_raw(signature_structure(PROTECTED, b""), KEY)
    evidence = message(said=None, signature=detached)
    yield rejected("detached-signed-empty", "null, the signature over no payload.", evidence, PAYLOAD_INVALID)
