"""One certificate of the path: strict DER of the one profile, everything else refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from issuer.nsm import sign_tbs
from vectors.case import affirmed, rejected
from vectors.der import (
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    UTC_TIME,
    UTF8_STRING,
    content,
    inner,
    sequence,
    signature_of,
    take_apart,
    tlv,
    with_signature,
)
from vectors.families.keys import rsa_key
from vectors.pki import pem
from vectors.world import CHAIN, ISSUERS, KEYS, LEAF, SHORT_SPECS, attest, ec_key, edit, exchange, respecify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case
    from vectors.der import Edit

MALFORMED, ALGORITHM = "path.certificate-malformed", "path.algorithm-unsupported"
ISSUER_AT, LEAF_AT = 1, 2
_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

_LEAF_DER = CHAIN.certificate
_SERIAL = content(take_apart(_LEAF_DER).serial)


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _structure()
    yield from _versions_and_serials()
    yield from _times()
    yield from _names_and_identifiers()
    yield from _signature_values()
    yield from _algorithms()


def edited(change: Edit, level: int = LEAF_AT) -> bytes:
    """Give a document whose leaf (or other certificate) is edited and rightly signed."""
    return attest(edit(level, change, SHORT_SPECS))


def edits(table: dict[str, tuple[str, Edit]], reason: str = MALFORMED) -> Iterator[Case]:
    """Give a case for each edit of the leaf."""
    for slug, (description, change) in table.items():
        yield rejected(slug, description, edited(change), reason)


def _structure() -> Iterator[Case]:
    def signed(tbs: bytes) -> bytes:
        return sign_tbs(tbs, ec_key(SHORT_SPECS[ISSUER_AT]))

    tbs, algorithm, signature = inner(_LEAF_DER)
    head, body = _LEAF_DER[:4], _LEAF_DER[4:]
    table = {
        "zeros": (bytes(64), "zeros, as emulators write it."),
        "text": (b"certificate", "a text."),
        "pem": (pem(_LEAF_DER).encode(), "PEM."),
        "one-byte": (b"\x30", "one byte."),
        "empty-sequence": (b"\x30\x00", "an empty SEQUENCE."),
        "trailing-zero": (_LEAF_DER + b"\0", "followed by a zero."),
        "trailing-certificate": (_LEAF_DER + sequence(), "followed by another SEQUENCE."),
        "cut": (_LEAF_DER[:-1], "cut off."),
        "indefinite": (b"\x30\x80" + body + b"\0\0", "BER of indefinite length."),
        "indefinite-tbs": (
            signed(b"\x30\x80" + content(tbs) + b"\0\0"),
            "one whose inner part is of indefinite length.",
        ),
        "length-long": (b"\x30\x83\0" + head[2:] + body, "one whose length is longer than needed."),
        "length-two-63": (b"\x30\x88" + (2**63).to_bytes(8) + body, "one that announces 2^63 bytes."),
        "length-long-inside": (signed(b"\x30\x83\0" + tbs[2:4] + content(tbs)), "one with a long length inside."),
        "set": (b"\x31" + _LEAF_DER[1:], "a SET."),
        "context-tag": (b"\xa0" + _LEAF_DER[1:], "under another tag."),
        "two-elements": (sequence(tbs, algorithm), "without a signature."),
        "four-elements": (sequence(tbs, algorithm, signature, signature), "with two signatures."),
        "order": (sequence(algorithm, tbs, signature), "with its elements in another order."),
        "tbs-alone": (tbs, "the inner part alone."),
        "signature-octet-string": (
            sequence(tbs, algorithm, tlv(OCTET_STRING, content(signature))),
            "signed in an OCTET STRING.",
        ),
        "list-inside": (sequence(_LEAF_DER), "a SEQUENCE of one certificate."),
    }
    for slug, (der, description) in table.items():
        evidence = attest(exchange(LEAF_AT, der, CHAIN))
        yield rejected(slug, f"The leaf is {description}", evidence, MALFORMED)
    evidence = attest(exchange(ISSUER_AT, CHAIN.cabundle[ISSUER_AT] + b"\0", CHAIN))
    yield rejected("issuer-trailing-zero", "The issuer is followed by a zero.", evidence, MALFORMED)
    yield from edits(
        {"tbs-trailing": ("Something follows the extensions.", lambda parts: replace(parts, tail=b"\x05\0"))}
    )


def _versions_and_serials() -> Iterator[Case]:
    def serial(data: bytes) -> Edit:
        return lambda parts: replace(parts, serial=tlv(INTEGER, data))

    def version(data: str) -> Edit:
        return lambda parts: replace(parts, version=bytes.fromhex(data))

    yield from edits(
        {
            "version-1": ("A certificate of version 1, with extensions.", version("")),
            "version-1-explicit": ("Version 1, which DER leaves out.", version("a003020100")),
            "version-2": ("A certificate of version 2.", version("a003020101")),
            "version-4": ("A certificate of version 4.", version("a003020103")),
            "version-negative": ("A certificate of version -1.", version("a0030201ff")),
            "version-long": ("Version 3 in two bytes.", version("a00402020002")),
            "version-primitive": ("The version's wrapper is primitive.", version("800102")),
            "serial-zero": ("The serial number is zero.", serial(b"\0")),
            "serial-negative": ("The serial number is negative.", serial(b"\x80" + _SERIAL[1:])),
            "serial-minus-one": ("The serial number is -1.", serial(b"\xff")),
            "serial-padded": ("The serial number has a zero too many.", serial(b"\0\1")),
            "serial-empty": ("The serial number has no bytes.", serial(b"")),
            "serial-22-bytes": ("The serial number has 22 bytes.", serial(b"\1" * 22)),
            "serial-text": (
                "The serial number is a text.",
                lambda parts: replace(parts, serial=tlv(UTF8_STRING, b"1")),
            ),
        }
    )
    yield affirmed("certificate.serial-one", "The leaf's serial number is 1.", edited(serial(b"\1")))
    evidence = edited(serial(b"\0" + b"\xff" * 20))
    yield affirmed("certificate.serial-160-bits", "The leaf's serial number has 160 bits.", evidence)


def _times() -> Iterator[Case]:
    start, end = inner(take_apart(_LEAF_DER).validity)

    def times(*elements: bytes) -> Edit:
        return lambda parts: replace(parts, validity=sequence(*elements))

    def utc(text: str) -> Edit:
        return times(start, tlv(UTC_TIME, text.encode()))

    def generalized(text: str) -> Edit:
        return times(start, tlv(GENERALIZED_TIME, text.encode()))

    yield from edits(
        {
            "time-no-seconds": ("notAfter has no seconds.", utc("2601010250Z")),
            "time-offset": ("notAfter has an offset.", utc("260101025000+0000")),
            "time-no-zone": ("notAfter has no Z.", utc("260101025000")),
            "time-small-z": ("notAfter ends in a small z.", utc("260101025000z")),
            "time-month-13": ("notAfter is in month 13.", utc("261301025000Z")),
            "time-month-0": ("notAfter is in month 0.", utc("260001025000Z")),
            "time-day-0": ("notAfter is on day 0.", utc("260100025000Z")),
            "time-february-30": ("notAfter is on 30 February.", utc("260230025000Z")),
            "time-february-29": ("notAfter is on 29 February of a common year.", utc("260229025000Z")),
            "time-hour-24": ("notAfter is at hour 24.", utc("260101245000Z")),
            "time-second-60": ("notAfter is in second 60.", utc("260101025060Z")),
            "time-sign": ("notAfter has a sign among its digits.", utc("2601010250+0Z")),
            "time-blank": ("notAfter has a blank among its digits.", utc("260101 25000Z")),
            "time-arabic-digits": ("notAfter has digits beyond ASCII.", utc("26010102500\u0660Z")),
            "time-empty": ("notAfter is empty.", utc("")),
            "time-four-digit-utc": ("notAfter has a year of four digits as UTCTime.", utc("20260101025000Z")),
            "time-two-digit-generalized": (
                "notAfter has a year of two digits as GeneralizedTime.",
                generalized("260101025000Z"),
            ),
            "time-fraction": ("notAfter has a fraction of a second.", generalized("20260101025000.5Z")),
            "time-generalized-offset": (
                "notAfter has an offset as GeneralizedTime.",
                generalized("20260101025000+0000"),
            ),
            "time-generalized-local": ("notAfter is local time.", generalized("20260101025000")),
            "time-year-0": ("notAfter is in the year 0.", generalized("00000101025000Z")),
            "time-as-text": ("notAfter is a text.", times(start, tlv(UTF8_STRING, content(end)))),
            "time-as-integer": ("notAfter is an integer.", times(start, tlv(INTEGER, b"\1"))),
            "time-one": ("There is no notAfter.", times(start)),
            "time-three": ("There is a third time.", times(start, end, end)),
        }
    )
    whole = times(*(tlv(GENERALIZED_TIME, b"20" + content(element)) for element in (start, end)))
    yield affirmed("certificate.generalized-time", "The leaf's times are GeneralizedTime.", edited(whole))
    yield affirmed(
        "certificate.generalized-not-after",
        "One time in each form.",
        edited(times(start, tlv(GENERALIZED_TIME, b"20" + content(end)))),
    )
    never = edited(generalized("99991231235959Z"))
    yield affirmed("certificate.no-expiry", "notAfter is 99991231235959Z, which stands for none.", never)
    past = edited(utc("500101000000Z"))
    yield rejected("utc-year-50", "notAfter says 50, which is 1950.", past, "path.expired")
    future = edited(utc("491231235959Z"))
    yield affirmed("certificate.utc-year-49", "notAfter says 49, which is 2049.", future)
    backwards = edited(times(end, start))
    yield rejected("window-backwards", "notAfter lies before notBefore.", backwards, "path.expired")


def _names_and_identifiers() -> Iterator[Case]:
    yield from edits(
        {
            "subject-empty": ("The subject is an empty name.", lambda parts: replace(parts, subject=sequence())),
            "issuer-empty": ("The issuer is an empty name.", lambda parts: replace(parts, issuer=sequence())),
            "subject-set": ("The subject is a SET.", lambda parts: replace(parts, subject=b"\x31" + parts.subject[1:])),
            "unique-id-issuer": (
                "There is an issuerUniqueID.",
                lambda parts: replace(parts, between=bytes.fromhex("81020055")),
            ),
            "unique-id-subject": (
                "There is a subjectUniqueID.",
                lambda parts: replace(parts, between=bytes.fromhex("82020055")),
            ),
        }
    )


def _signature_values() -> Iterator[Case]:
    value = signature_of(_LEAF_DER)
    r, s = decode_dss_signature(value)
    raw = r.to_bytes(48) + s.to_bytes(48)

    def integer(number: int, *, pad: bytes = b"") -> bytes:
        return tlv(INTEGER, pad + number.to_bytes(number.bit_length() // 8 + 1))

    order = KEYS.private_key("any").curve.group_order
    malformed = {
        "raw": (raw, "r and s without DER."),
        "empty": (b"", "empty."),
        "r-negative": (sequence(tlv(INTEGER, b"\xff"), integer(s)), "one with a negative r."),
        "s-negative": (sequence(integer(r), tlv(INTEGER, b"\x80" + bytes(47))), "one with a negative s."),
        "r-zero": (sequence(integer(0), integer(s)), "one with r zero."),
        "s-zero": (sequence(integer(r), integer(0)), "one with s zero."),
        "r-padded": (sequence(integer(r, pad=b"\0"), integer(s)), "one with a zero too many before r."),
        "r-long": (sequence(integer(r << 8), integer(s)), "one with r of 49 bytes."),
        "r-empty": (sequence(tlv(INTEGER, b""), integer(s)), "one with an empty r."),
        "trailing": (value + b"\0", "followed by a zero."),
        "trailing-inside": (sequence(integer(r), integer(s), b"\x05\0"), "one with a third element."),
        "length-long": (b"\x30\x81" + value[1:], "one with a length longer than needed."),
        "one-number": (sequence(integer(r)), "r alone."),
    }
    for slug, (signature, description) in malformed.items():
        evidence = attest(exchange(LEAF_AT, with_signature(_LEAF_DER, signature), CHAIN))
        yield rejected(f"signature-{slug}", f"The leaf's own signature is {description}", evidence, MALFORMED)
    bits = attest(exchange(LEAF_AT, with_signature(_LEAF_DER, value, unused_bits=1), CHAIN))
    yield rejected("signature-unused-bits", "The leaf's own signature has an unused bit.", bits, MALFORMED)
    wrong = {
        "r-order": (sequence(integer(order), integer(s)), "has the curve's order as r."),
        "s-order": (sequence(integer(r), integer(order)), "has the curve's order as s."),
        "s-plus-order": (sequence(integer(r), integer(2**384 - 1)), "has the largest s that fits."),
        "swapped": (sequence(integer(s), integer(r)), "has r and s swapped."),
        "ones": (sequence(integer(1), integer(1)), "is (1, 1)."),
        "r-negated": (sequence(integer(order - r), integer(s)), "has r subtracted from the order."),
        "bit": (value[:-1] + bytes((value[-1] ^ 1,)), "has one bit changed."),
    }
    for slug, (signature, description) in wrong.items():
        evidence = attest(exchange(LEAF_AT, with_signature(_LEAF_DER, signature), CHAIN))
        yield rejected(f"value-{slug}", f"The leaf's own signature {description}", evidence, "path.signature-invalid")


def _algorithms() -> Iterator[Case]:
    for name, level in {**ISSUERS, "leaf": LEAF}.items():
        for algorithm in (hashes.SHA256(), hashes.SHA512()) if level == LEAF else (hashes.SHA256(),):
            chain = respecify(level, hash_algorithm=algorithm)
            yield rejected(
                f"{name}-{algorithm.name}",
                f"The {name} certificate is rightly signed with {algorithm.name}.",
                attest(chain),
                ALGORITHM,
            )
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(KEYS.octets("ed25519", 32))
    rsa_signed = respecify(LEAF_AT, SHORT_SPECS, issuer_key=rsa_key(2048))
    yield rejected("leaf-rsa", "The leaf is signed with RSA.", attest(rsa_signed), ALGORITHM)
    ed_signed = respecify(LEAF_AT, SHORT_SPECS, issuer_key=edwards, hash_algorithm=None)
    yield rejected("leaf-ed25519", "The leaf is signed with Ed25519.", attest(ed_signed), ALGORITHM)
    null, sha1 = bytes.fromhex("300c06082a8648ce3d0403030500"), bytes.fromhex("300906072a8648ce3d0401")
    table: dict[str, tuple[str, Edit]] = {
        "inner-sha256": (
            "The inner algorithm says SHA-256, the outer SHA-384.",
            lambda parts: replace(parts, algorithm=_SHA256),
        ),
        "outer-sha256": (
            "The outer algorithm says SHA-256, the inner SHA-384.",
            lambda parts: replace(parts, outer_algorithm=_SHA256),
        ),
        "inner-null": ("The inner algorithm has NULL parameters.", lambda parts: replace(parts, algorithm=null)),
        "outer-null": ("The outer algorithm has NULL parameters.", lambda parts: replace(parts, outer_algorithm=null)),
        "both-null": (
            "Both algorithms have NULL parameters.",
            lambda parts: replace(parts, algorithm=null, outer_algorithm=null),
        ),
        "sha1": ("Both algorithms say SHA-1.", lambda parts: replace(parts, algorithm=sha1, outer_algorithm=sha1)),
        "named-only": (
            "Both algorithms say SHA-256, the signature is of SHA-384.",
            lambda parts: replace(parts, algorithm=_SHA256, outer_algorithm=_SHA256),
        ),
        "key-algorithm": (
            "The algorithm is that of a key.",
            lambda parts: replace(parts, algorithm=inner(parts.spki)[0], outer_algorithm=inner(parts.spki)[0]),
        ),
        "empty": (
            "Both algorithms are empty.",
            lambda parts: replace(parts, algorithm=sequence(), outer_algorithm=sequence()),
        ),
    }
    yield from edits(table, ALGORITHM)
