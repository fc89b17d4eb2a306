"""Certificates taken apart and put together again, wrong in exactly one place.

`cryptography` builds nothing that is not valid; most attacks on a certificate are. So a valid one is split into the
fields of its TBSCertificate, one field is replaced by whatever bytes, and the result is signed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
UTF8_STRING, PRINTABLE_STRING, UTC_TIME, GENERALIZED_TIME = 0x0C, 0x13, 0x17, 0x18
SEQUENCE, SET, EXTENSIONS = 0x30, 0x31, 0xA3

TRUE, FALSE = bytes.fromhex("0101ff"), bytes.fromhex("010100")

BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
KEY_USAGE = bytes.fromhex("0603551d0f")
SUBJECT_KEY_ID = bytes.fromhex("0603551d0e")
AUTHORITY_KEY_ID = bytes.fromhex("0603551d23")

_LONG_FORM = 0x80


def tlv(tag: int, content: bytes) -> bytes:
    """Write one element with the shortest length."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def sequence(*elements: bytes) -> bytes:
    """Write a SEQUENCE of elements."""
    return tlv(SEQUENCE, b"".join(elements))


def split(data: bytes) -> list[bytes]:
    """Cut well-formed DER into its top-level elements."""
    elements = []
    while data:
        end = _content_start(data) + _length(data)
        elements.append(data[:end])
        data = data[end:]
    return elements


def content(element: bytes) -> bytes:
    """Give what an element holds."""
    return element[_content_start(element) :]


def inner(element: bytes) -> list[bytes]:
    """Give the elements that an element holds."""
    return split(content(element))


def _content_start(data: bytes) -> int:
    return 2 + (data[1] & 0x7F if data[1] >= _LONG_FORM else 0)


def _length(data: bytes) -> int:
    return int.from_bytes(data[2 : _content_start(data)]) if data[1] >= _LONG_FORM else data[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The fields of a TBSCertificate as whole elements, and the algorithm that stands outside it."""

    version: bytes
    serial: bytes
    algorithm: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    spki: bytes
    extensions: tuple[bytes, ...]
    outer_algorithm: bytes
    between: bytes = b""
    """What stands between spki and the extensions: unique identifiers, normally nothing."""
    tail: bytes = b""
    """What stands after the extensions, normally nothing."""
    wrapped: bytes | None = None
    """The extensions field whole, where the list alone could not say it."""

    def tbs(self) -> bytes:
        """Write the TBSCertificate."""
        extensions = tlv(EXTENSIONS, sequence(*self.extensions)) if self.wrapped is None else self.wrapped
        return sequence(
            *(self.version, self.serial, self.algorithm, self.issuer, self.validity, self.subject, self.spki),
            *(self.between, extensions, self.tail),
        )

    def find(self, oid: bytes) -> bytes:
        """Give the extension with this identifier."""
        return next(entry for entry in self.extensions if inner(entry)[0] == oid)

    def with_extension(self, oid: bytes, *elements: bytes) -> Parts:
        """Replace what follows an extension's identifier, or append the extension."""
        entry = sequence(oid, *elements)
        kept = tuple(entry if inner(old)[0] == oid else old for old in self.extensions)
        return replace(self, extensions=kept if entry in kept else (*kept, entry))

    def without_extension(self, oid: bytes) -> Parts:
        """Leave an extension out."""
        return replace(self, extensions=tuple(entry for entry in self.extensions if inner(entry)[0] != oid))


Edit = Callable[[Parts], Parts]


def take_apart(der: bytes) -> Parts:
    """Split a valid v3 certificate."""
    tbs, outer_algorithm, _ = inner(der)
    version, serial, algorithm, issuer, validity, subject, spki, *rest = inner(tbs)
    return Parts(
        version=version,
        serial=serial,
        algorithm=algorithm,
        issuer=issuer,
        validity=validity,
        subject=subject,
        spki=spki,
        extensions=tuple(inner(inner(rest[0])[0])) if rest else (),
        outer_algorithm=outer_algorithm,
    )


def having(oid: bytes, *elements: bytes) -> Edit:
    """Replace what follows an extension's identifier, or append the extension."""
    return lambda parts: parts.with_extension(oid, *elements)


def lacking(oid: bytes) -> Edit:
    """Leave an extension out."""
    return lambda parts: parts.without_extension(oid)


def keyed(spki: bytes) -> Edit:
    """Put another SubjectPublicKeyInfo into the certificate."""
    return lambda parts: replace(parts, spki=spki)


def critical(value: bytes) -> tuple[bytes, bytes]:
    """Give the elements of a critical extension after its identifier."""
    return TRUE, tlv(OCTET_STRING, value)


def not_critical(value: bytes) -> tuple[bytes]:
    """Give the element of an extension that is not critical, after its identifier."""
    return (tlv(OCTET_STRING, value),)


def signature_of(der: bytes) -> bytes:
    """Give the ECDSA-Sig-Value of a certificate."""
    return content(inner(der)[2])[1:]


def with_signature(der: bytes, value: bytes, *, unused_bits: int = 0) -> bytes:
    """Put another signature value into a certificate."""
    tbs, algorithm, _ = inner(der)
    return sequence(tbs, algorithm, tlv(BIT_STRING, bytes((unused_bits,)) + value))
