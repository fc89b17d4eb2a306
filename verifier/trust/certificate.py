"""One certificate of a Nitro path, read strictly (RFC 5280, DER, P-384 with ecdsa-with-SHA384 throughout).

This is a reader for one profile, not for X.509 at large: whatever lies outside the profile is refused with its own
reason, so a path holds nothing that was not understood. Names stay bytes, because they are compared by their DER (zonal
subjects order their attributes differently from the others). ``cryptography`` reads the same certificates in the tests,
where both must agree; see docs/adr/0002.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from verifier.reasons import Reason, Rejection
from verifier.trust.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    Reader,
    object_identifier,
    positive_integer,
    time_seconds,
    unsigned_integer,
)
from verifier.trust.ecdsa import SPKI_BYTES, SPKI_PREFIX, decode_signature

_EXTENSIONS_TAG = 0xA3
_VERSION_3 = bytes.fromhex("a003020102")
_ECDSA_WITH_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
"""The AlgorithmIdentifier whole: the OID, and no parameters (RFC 5758 section 3.2)."""
_TRUE = bytes.fromhex("0101ff")
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_KEY_USAGE = bytes.fromhex("551d0f")
_USUAL_EXTENSIONS = frozenset((_BASIC_CONSTRAINTS, _KEY_USAGE, bytes.fromhex("551d0e"), bytes.fromhex("551d23")))
"""Whose identifiers need not be looked at byte by byte: these two, subjectKeyIdentifier, authorityKeyIdentifier."""
_MAX_SERIAL_BYTES = 21
"""RFC 5280 section 4.1.2.2: 20 bytes, and one for the sign."""

_DIGITAL_SIGNATURE, _KEY_CERT_SIGN = 0x80, 0x04
"""Bits 0 and 5 of keyUsage, counted from the highest of its first byte (RFC 5280 section 4.2.1.3)."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of the profile; well formed, believed by nobody."""

    der: bytes
    tbs: bytes
    signature: bytes
    """r || s, 96 bytes."""
    serial: int
    issuer: bytes
    subject: bytes
    not_before: int
    """Seconds since 1970."""
    not_after: int
    """Seconds since 1970, inclusive."""
    spki: bytes
    is_ca: bool
    constraints_critical: bool
    path_length: int | None
    signs_data: bool
    """keyUsage has digitalSignature."""
    signs_certificates: bool
    """keyUsage has keyCertSign."""


class _Extension(msgspec.Struct, frozen=True):
    """An extension as it stands in the certificate."""

    critical: bool
    value: bytes


def decode_certificate(der: bytes) -> Certificate:
    """Read one DER certificate.

    Raises:
        Rejection: not strict DER of a v3 certificate, another signature algorithm or key than the profile's, or a
            critical extension besides basicConstraints and keyUsage, or either of those missing.
    """
    try:
        return _decode(der)
    except DerError as error:
        raise Rejection(Reason.PATH_CERTIFICATE_MALFORMED, "not the strict DER of an X.509 v3 certificate") from error


def _decode(der: bytes) -> Certificate:
    outer = Reader(der)
    outer.enter(SEQUENCE)
    tbs = outer.raw(SEQUENCE)
    is_supported = _algorithm(outer)
    signature = _bits(outer.content(BIT_STRING))
    outer.leave()
    outer.finish()
    fields = Reader(tbs)
    fields.enter(SEQUENCE)
    if not fields.skip(_VERSION_3):
        raise DerError
    serial = _serial(fields.content(INTEGER))
    if not (_algorithm(fields) and is_supported):
        # Inner and outer must be the same (RFC 5280 section 4.1.1.2), and this one.
        raise Rejection(Reason.PATH_ALGORITHM_UNSUPPORTED, "not ecdsa-with-SHA384, inside and outside")
    issuer = _name(fields.raw(SEQUENCE))
    fields.enter(SEQUENCE)
    not_before, not_after = time_seconds(fields), time_seconds(fields)
    fields.leave()
    subject = _name(fields.raw(SEQUENCE))
    spki = _spki(fields.raw(SEQUENCE))
    extensions = _extensions(fields) if fields.peek >= 0 else {}
    fields.leave()
    constraints, usage = _profile(extensions)
    is_ca, path_length = _basic_constraints(constraints.value)
    uses = _key_usage(usage.value)
    return Certificate(
        der=der,
        tbs=tbs,
        signature=decode_signature(signature),
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        spki=spki,
        is_ca=is_ca,
        constraints_critical=constraints.critical,
        path_length=path_length,
        signs_data=bool(uses & _DIGITAL_SIGNATURE),
        signs_certificates=bool(uses & _KEY_CERT_SIGN),
    )


def _algorithm(reader: Reader) -> bool:
    """Take an AlgorithmIdentifier; tell whether it is ecdsa-with-SHA384."""
    if reader.skip(_ECDSA_WITH_SHA384):
        return True
    reader.content(SEQUENCE)
    return False


def _bits(content: bytes) -> bytes:
    """Read a BIT STRING that must be whole bytes."""
    if content[:1] != b"\x00":
        raise DerError
    return content[1:]


def _serial(content: bytes) -> int:
    if len(content) > _MAX_SERIAL_BYTES:
        raise DerError
    return positive_integer(content)


def _name(raw: bytes) -> bytes:
    """Take a Name as its DER; an empty one could not tell issuers apart."""
    if len(raw) == len(b"\x30\x00"):
        raise DerError
    return raw


def _spki(raw: bytes) -> bytes:
    """Take a SubjectPublicKeyInfo; that its point is on the curve is found out when an engine loads it."""
    if len(raw) != SPKI_BYTES or not raw.startswith(SPKI_PREFIX):
        raise Rejection(Reason.PATH_KEY_UNSUPPORTED, "not a P-384 key as named curve and uncompressed point")
    return raw


def _extensions(reader: Reader) -> dict[bytes, _Extension]:
    reader.enter(_EXTENSIONS_TAG)
    reader.enter(SEQUENCE)
    if not reader.is_last():
        raise DerError
    found: dict[bytes, _Extension] = {}
    while reader.peek >= 0:
        reader.enter(SEQUENCE)
        identifier = reader.content(OBJECT_IDENTIFIER)
        if identifier not in _USUAL_EXTENSIONS:
            object_identifier(identifier)
        critical, value = _optional_true(reader), reader.content(OCTET_STRING)
        reader.leave()
        if identifier in found:  # RFC 5280 section 4.2
            raise DerError
        if critical and identifier not in {_BASIC_CONSTRAINTS, _KEY_USAGE}:
            raise Rejection(Reason.PATH_EXTENSION_UNSUPPORTED, "a critical extension that is not processed here")
        found[identifier] = _Extension(critical, value)
    reader.leave()
    reader.leave()
    return found


def _optional_true(reader: Reader) -> bool:
    """Take a ``BOOLEAN DEFAULT FALSE``: in DER it is there only when true (X.690 section 11.5)."""
    if reader.skip(_TRUE):
        return True
    if reader.peek == BOOLEAN:
        raise DerError
    return False


def _profile(extensions: dict[bytes, _Extension]) -> tuple[_Extension, _Extension]:
    """Take the two extensions that a path is judged by; every certificate of a Nitro path has both."""
    constraints, usage = extensions.get(_BASIC_CONSTRAINTS), extensions.get(_KEY_USAGE)
    if constraints is None or usage is None:
        missing = "keyUsage" if usage is None else "basicConstraints"
        raise Rejection(Reason.PATH_EXTENSION_MISSING, f"a certificate has no {missing}")
    return constraints, usage


@lru_cache(maxsize=64)  # a handful of values is in use
def _basic_constraints(value: bytes) -> tuple[bool, int | None]:
    fields = Reader(value)
    fields.enter(SEQUENCE)
    is_ca = _optional_true(fields)
    path_length = unsigned_integer(fields.content(INTEGER)) if is_ca and fields.peek == INTEGER else None
    fields.leave()
    fields.finish()
    return is_ca, path_length


@lru_cache(maxsize=64)  # as above
def _key_usage(value: bytes) -> int:
    """Read keyUsage; give the first eight of its bits."""
    whole = Reader(value)
    content = whole.content(BIT_STRING)
    whole.finish()
    unused, bits = content[:1], content[1:]
    if not bits or not unused or unused[0] > 7 or bits[-1] & ((1 << unused[0]) - 1):  # noqa: PLR2004 - bits in a byte
        raise DerError
    return bits[0]
