"""One certificate as `cryptography` reads it, compared with what the verifier's own reader says."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import SignatureAlgorithmOID

from verifier.trust.certificate import Certificate

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NAME_CONTENT = "cryptography refuses the inside of a name"
EXTENSION_CONTENT = "cryptography refuses the inside of an extension that nobody here processes"
POINT = "the point is not on the curve"

# Where ours is kinder, and who is right.
NAME = "the inside of a name"
"""Both right. Ours compares names as bytes and shows them to nobody, so what is inside decides nothing; a CA that signs
a broken name signs one that no other certificate's issuer field equals by accident."""
UNPROCESSED = "the inside of an extension that is not critical and not processed"
"""Both right. RFC 5280 section 4.2: a non-critical extension may be ignored; `cryptography` parses those it knows."""
OFF_CURVE = "a point off the curve"
"""Both right, at different times: ours finds it when an engine loads the key, before it verifies anything."""
ENCIPHER_ONLY = "encipherOnly or decipherOnly without keyAgreement"
"""Ours ignores these bits (RFC 5280 leaves their meaning undefined then); neither signs anything."""
LONG_PATH = "a path length above 255"
"""Ours reads any number; RFC 5280 knows no bound, and a path of eight certificates fits under all of them."""

EXCUSES = {
    NAME: re.compile(
        rf"{NAME_CONTENT}|cryptography refuses it: .*(TbsCertificate::(issuer|subject)|AttributeTypeValue)"
    ),
    LONG_PATH: re.compile(rf"{EXTENSION_CONTENT}: .*IntegerOverflow.*BasicConstraints::path_length"),
    ENCIPHER_ONLY: re.compile(rf"{EXTENSION_CONTENT}: encipher_only and decipher_only"),
    UNPROCESSED: re.compile(rf"{EXTENSION_CONTENT}: (?!.*(BasicConstraints|KeyUsage))"),
    OFF_CURVE: re.compile(POINT),
}


def excuse(difference: str) -> str:
    """Name the exception that a difference falls under, or give it back as it is."""
    return next((name for name, pattern in EXCUSES.items() if pattern.match(difference)), difference)


def differences(ours: Certificate) -> Iterator[str]:
    """Name every field that `cryptography` reads in another way, or why it does not read the certificate at all."""
    try:
        theirs = x509.load_der_x509_certificate(ours.der)
    except ValueError as error:
        yield f"cryptography refuses it: {error}"
        return
    yield from _fields(ours, theirs)
    yield from _key(ours, theirs)
    yield from _extensions(ours, theirs)


def _fields(ours: Certificate, theirs: x509.Certificate) -> Iterator[str]:
    r, s = utils.decode_dss_signature(theirs.signature)
    pairs = {
        "version": (x509.Version.v3, theirs.version),
        "tbs": (ours.tbs, theirs.tbs_certificate_bytes),
        "signature": (ours.signature, r.to_bytes(48) + s.to_bytes(48)),
        "algorithm": (SignatureAlgorithmOID.ECDSA_WITH_SHA384, theirs.signature_algorithm_oid),
        "hash": (hashes.SHA384.name, getattr(theirs.signature_hash_algorithm, "name", None)),
        "serial": (ours.serial, theirs.serial_number),
        "not before": (_moment(ours.not_before), theirs.not_valid_before_utc),
        "not after": (_moment(ours.not_after), theirs.not_valid_after_utc),
    }
    yield from (f"{name}: {mine!r}, not {other!r}" for name, (mine, other) in pairs.items() if mine != other)
    for name, mine, read in (("issuer", ours.issuer, "issuer"), ("subject", ours.subject, "subject")):
        try:
            other: x509.Name = getattr(theirs, read)
            encoded = other.public_bytes()
        except (ValueError, TypeError):
            yield NAME_CONTENT
            continue
        if encoded != mine:
            yield f"{name}: {mine.hex()}, not {encoded.hex()}"


def _key(ours: Certificate, theirs: x509.Certificate) -> Iterator[str]:
    try:
        key = theirs.public_key()
    except ValueError:
        yield POINT
        return
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        yield f"key: {key!r}"
    elif key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != ours.spki:
        yield "key: another one"


def _extensions(ours: Certificate, theirs: x509.Certificate) -> Iterator[str]:
    try:
        extensions = theirs.extensions
    except ValueError as error:
        yield f"{EXTENSION_CONTENT}: {error}"
        return
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    known = {constraints.oid, x509.KeyUsage.oid}
    pairs = {
        "CA": (ours.is_ca, constraints.value.ca),
        "path length": (ours.path_length, constraints.value.path_length),
        "critical constraints": (ours.constraints_critical, constraints.critical),
        "digitalSignature": (ours.signs_data, usage.digital_signature),
        "keyCertSign": (ours.signs_certificates, usage.key_cert_sign),
        "critical unknown": (False, any(entry.critical and entry.oid not in known for entry in extensions)),
    }
    yield from (f"{name}: {mine}, not {other}" for name, (mine, other) in pairs.items() if mine != other)


def _moment(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
