"""Extensions of one certificate: their list, their criticality, and what the two that count say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vectors.case import affirmed
from vectors.der import (
    BASIC_CONSTRAINTS,
    BIT_STRING,
    EXTENSIONS,
    FALSE,
    KEY_USAGE,
    OCTET_STRING,
    TRUE,
    critical,
    having,
    not_critical,
    sequence,
    tlv,
)
from vectors.families.certificate import edited, edits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vectors.case import Case
    from vectors.der import Edit

_USAGE = bytes.fromhex("030206c0")
"""digitalSignature and nonRepudiation, as the leaf has them."""


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _extensions()
    yield from _constraints_and_usage()


def _extensions() -> Iterator[Case]:
    unknown = bytes.fromhex("06032a0304")

    def duplicate(oid: bytes) -> Edit:
        return lambda parts: replace(parts, extensions=(*parts.extensions, parts.find(oid)))

    def wrapped(make: Callable[[bytes], bytes]) -> Edit:
        return lambda parts: replace(parts, wrapped=make(sequence(*parts.extensions)))

    empty = tlv(OCTET_STRING, b"")
    yield from edits(
        {
            "duplicate-constraints": ("basicConstraints twice.", duplicate(BASIC_CONSTRAINTS)),
            "duplicate-usage": ("keyUsage twice.", duplicate(KEY_USAGE)),
            "duplicate-usage-stronger": (
                "keyUsage twice, the second with keyCertSign.",
                lambda parts: replace(
                    parts, extensions=(*parts.extensions, sequence(KEY_USAGE, *not_critical(b"\x03\x02\x02\x04")))
                ),
            ),
            "duplicate-unknown": (
                "An unknown extension twice.",
                lambda parts: replace(parts, extensions=(*parts.extensions, *[sequence(unknown, empty)] * 2)),
            ),
            "critical-false": (
                "critical is written as FALSE, which DER leaves out.",
                having(KEY_USAGE, FALSE, tlv(OCTET_STRING, _USAGE)),
            ),
            "critical-one": ("critical is TRUE as 1.", having(KEY_USAGE, b"\1\1\1", tlv(OCTET_STRING, _USAGE))),
            "critical-two-bytes": (
                "critical has two bytes.",
                having(KEY_USAGE, b"\1\2\xff\xff", tlv(OCTET_STRING, _USAGE)),
            ),
            "critical-twice": ("critical is there twice.", having(KEY_USAGE, TRUE, TRUE, tlv(OCTET_STRING, _USAGE))),
            "critical-last": ("critical follows the value.", having(KEY_USAGE, tlv(OCTET_STRING, _USAGE), TRUE)),
            "extension-trailing": (
                "Something follows an extension's value.",
                having(KEY_USAGE, tlv(OCTET_STRING, _USAGE), b"\x05\0"),
            ),
            "oid-unfinished": (
                "An extension's identifier ends within an arc.",
                having(bytes.fromhex("06032a0383"), empty),
            ),
            "oid-padded": (
                "An extension's identifier has an arc that begins with zero.",
                having(bytes.fromhex("06042a800304"), empty),
            ),
            "oid-empty": ("An extension's identifier is empty.", having(b"\x06\0", empty)),
            "oid-usage-padded": (
                "keyUsage under an identifier in a longer form, beside the right one.",
                having(bytes.fromhex("060455801d0f"), empty),
            ),
            "extension-no-value": ("An extension has no value.", having(unknown)),
            "extension-value-bits": ("An extension's value is a BIT STRING.", having(unknown, tlv(BIT_STRING, b"\0"))),
            "extension-not-sequence": (
                "An extension is a SET.",
                lambda parts: replace(parts, extensions=(*parts.extensions, b"\x31" + sequence(unknown, empty)[1:])),
            ),
            "extensions-twice": (
                "There are two extension fields.",
                lambda parts: replace(parts, tail=tlv(EXTENSIONS, sequence(*parts.extensions))),
            ),
            "extensions-trailing": (
                "Something follows the list of extensions.",
                wrapped(lambda listed: tlv(EXTENSIONS, listed + b"\x05\0")),
            ),
            "extensions-implicit": (
                "The extensions' wrapper is under another tag.",
                wrapped(lambda listed: tlv(0xA4, listed)),
            ),
        }
    )
    yield affirmed(
        "certificate.unknown-extension",
        "The leaf has an unknown extension that is not critical.",
        edited(having(unknown, empty)),
    )
    critical_usage = edited(having(KEY_USAGE, *critical(_USAGE)))
    yield affirmed("certificate.critical-usage", "The leaf's keyUsage is critical.", critical_usage)
    swapped = edited(lambda parts: replace(parts, extensions=parts.extensions[::-1]))
    yield affirmed("certificate.extension-order", "The leaf's extensions are in another order.", swapped)


def _constraints_and_usage() -> Iterator[Case]:
    def constraints(value: str, *, is_critical: bool = True) -> Edit:
        wrap = critical if is_critical else not_critical
        return having(BASIC_CONSTRAINTS, *wrap(bytes.fromhex(value)))

    def usage(value: str) -> Edit:
        return having(KEY_USAGE, *not_critical(bytes.fromhex(value)))

    yield from edits(
        {
            "ca-false": ("cA is written as FALSE, which DER leaves out.", constraints("3003010100")),
            "ca-one": ("cA is TRUE as 1.", constraints("3003010101")),
            "ca-integer": ("cA is an integer.", constraints("3003020101")),
            "path-length-without-ca": ("A path length where there is no CA.", constraints("3003020100")),
            "path-length-negative": ("A path length of -1.", constraints("30060101ff0201ff")),
            "path-length-padded": ("A path length with a zero too many.", constraints("30070101ff02020001")),
            "path-length-empty": ("A path length without bytes.", constraints("30050101ff0200")),
            "constraints-trailing": ("Something follows basicConstraints.", constraints("30000500")),
            "constraints-trailing-inside": (
                "Something follows inside basicConstraints.",
                constraints("30080101ff0201000500"),
            ),
            "constraints-empty": ("basicConstraints has no value.", constraints("")),
            "constraints-null": ("basicConstraints is NULL.", constraints("0500")),
            "usage-empty": ("keyUsage has no value.", usage("")),
            "usage-no-bits": ("keyUsage has no bits.", usage("030100")),
            "usage-nothing": ("keyUsage has not even a count of unused bits.", usage("0300")),
            "usage-unused-8": ("keyUsage has eight unused bits.", usage("030208c0")),
            "usage-unused-set": ("keyUsage has an unused bit that is set.", usage("030206c1")),
            "usage-trailing": ("Something follows keyUsage.", usage("030206c00500")),
            "usage-octets": ("keyUsage is an OCTET STRING.", usage("040206c0")),
            "usage-indefinite": ("keyUsage is of indefinite length.", usage("2380030206c00000")),
        }
    )
    constraints_loose = edited(constraints("3000", is_critical=False))
    yield affirmed(
        "certificate.leaf-constraints-not-critical", "The leaf's basicConstraints is not critical.", constraints_loose
    )
    yield affirmed(
        "certificate.usage-signature-only", "The leaf's keyUsage is digitalSignature alone.", edited(usage("03020780"))
    )
    yield affirmed(
        "certificate.usage-agreement-too", "The leaf's keyUsage has keyAgreement too.", edited(usage("03020388"))
    )
