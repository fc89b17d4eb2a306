"""The signature section of an enclave image: who signed exactly this PCR0, and whether they did.

CBOR: one map of ``signing_certificate`` (PEM) and ``signature`` (a COSE_Sign1 over the CBOR of PCR0's index and value).
The payload is never parsed and trusted: the only acceptable one is built here from the PCR0 that was measured, and must
be what was signed. Validity in time is the hypervisor's to judge, when the enclave starts; the dates are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509 import Certificate, load_der_x509_certificate

from verifier.evidence.cbor import CborError, decode_item
from verifier.reference_values.formulas import certificate_der
from verifier.reference_values.layout import EifError, EifFault

if TYPE_CHECKING:
    from datetime import datetime

_ENTRY_KEYS = {"signing_certificate", "signature"}
_TAG_18 = b"\xd2"
_ALG_LABEL = 1
_BYTE_STRING_HEAD = 0x40
_ONE_BYTE_LENGTH = 24
"""RFC 8949 section 3: smaller arguments stand in the head itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Algorithm:
    """A COSE algorithm and the one curve that it is used with here."""

    name: str
    identifier: int
    digest: hashes.HashAlgorithm
    coordinate_bytes: int


_ALGORITHMS = {
    "secp256r1": _Algorithm(name="ES256", identifier=-7, digest=hashes.SHA256(), coordinate_bytes=32),
    "secp384r1": _Algorithm(name="ES384", identifier=-35, digest=hashes.SHA384(), coordinate_bytes=48),
    "secp521r1": _Algorithm(name="ES512", identifier=-36, digest=hashes.SHA512(), coordinate_bytes=66),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSigner:
    """Whose signature of the image's PCR0 was right. The names are the certificate's own words: nobody vouches."""

    certificate: bytes
    """DER; PCR8 is of these bytes."""
    algorithm: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    """An enclave does not start from an image whose certificate has expired."""


def check_signature(section: bytes, pcr0: bytes) -> ImageSigner:
    """Check that the section holds one signature and that it is of this PCR0.

    Raises:
        EifError: anything else, such as several signatures, of which readers would take the first.
    """
    pem, message = _decode_section(section)
    try:
        der = certificate_der(pem)
        certificate = load_der_x509_certificate(der)
        key, algorithm = _key(certificate)
        signer = ImageSigner(
            certificate=der,
            algorithm=algorithm.name,
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _invalid("there is not exactly one readable certificate") from error
    protected, payload, signature = _decode_message(message)
    _check_algorithm(protected, algorithm)
    if payload not in _expected_payloads(pcr0):
        raise _invalid("what was signed is not this image's PCR0")
    if not _is_signed(key, algorithm, _to_be_signed(protected, payload), signature):
        raise _invalid("the signature is not the certificate's")
    return signer


def _invalid(detail: str) -> EifError:
    return EifError(EifFault.SIGNATURE_INVALID, detail)


def _decode_section(section: bytes) -> tuple[bytes, bytes]:
    """Take the one entry apart: certificate and COSE message."""
    try:
        entries = decode_item(section)
    except CborError as error:
        raise _invalid("the section is not CBOR") from error
    if type(entries) is not list or len(entries) != 1:
        raise _invalid("the section is not a list of exactly one signature")
    entry = entries[0]
    if type(entry) is not dict or entry.keys() != _ENTRY_KEYS:
        raise _invalid("the entry is not a certificate and a signature")
    return _octets(entry["signing_certificate"]), _octets(entry["signature"])


def _octets(value: object) -> bytes:
    """Read bytes that are written as such, or number by number as nitro-cli does."""
    if type(value) is bytes:
        return value
    if type(value) is list and all(type(octet) is int and 0 <= octet <= 0xFF for octet in value):  # noqa: PLR2004
        return bytes(value)
    raise _invalid("certificate and signature must be bytes")


def _key(certificate: Certificate) -> tuple[ec.EllipticCurvePublicKey, _Algorithm]:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _ALGORITHMS:
        raise _invalid("the signing certificate's key is on none of P-256, P-384 and P-521")
    return key, _ALGORITHMS[key.curve.name]


def _decode_message(message: bytes) -> tuple[bytes, bytes, bytes]:
    """Split a COSE_Sign1 (RFC 9052 section 4.2) into protected header, payload and signature."""
    try:
        parts = decode_item(message.removeprefix(_TAG_18))
    except CborError as error:
        raise _invalid("the signature is not CBOR") from error
    if type(parts) is not list or [type(part) for part in parts] != [bytes, dict, bytes, bytes]:
        raise _invalid("the signature is not a COSE_Sign1")
    protected, unprotected, payload, signature = parts
    if unprotected:
        raise _invalid("the unprotected header is not empty")
    return protected, payload, signature


def _check_algorithm(protected: bytes, algorithm: _Algorithm) -> None:
    try:
        headers = decode_item(protected)
    except CborError as error:
        raise _invalid("the protected header is not CBOR") from error
    if type(headers) is not dict or [(type(label), label) for label in headers] != [(int, _ALG_LABEL)]:
        raise _invalid("the protected header is not the algorithm alone")
    identifier = headers[_ALG_LABEL]
    if type(identifier) is not int or identifier != algorithm.identifier:
        raise _invalid(f"the algorithm is not {algorithm.name}, which belongs to the certificate's curve")


def _expected_payloads(pcr0: bytes) -> tuple[bytes, bytes]:
    """Write what must have been signed, with the value as numbers (nitro-cli) and as a byte string."""
    head = b"\xa2\x6eregister_index\x00\x6eregister_value"
    numbers = b"".join(bytes((octet,)) if octet < _ONE_BYTE_LENGTH else bytes((0x18, octet)) for octet in pcr0)
    return head + bytes((0x98, len(pcr0))) + numbers, head + _byte_string(pcr0)


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Write the Sig_structure of RFC 9052 section 4.4."""
    return b"\x84\x6aSignature1" + _byte_string(protected) + b"\x40" + _byte_string(payload)


def _byte_string(data: bytes) -> bytes:
    """Encode a byte string of less than 256 bytes; protected headers and payloads here are."""
    if len(data) < _ONE_BYTE_LENGTH:
        return bytes((_BYTE_STRING_HEAD + len(data),)) + data
    return bytes((_BYTE_STRING_HEAD + _ONE_BYTE_LENGTH, len(data))) + data


def _is_signed(key: ec.EllipticCurvePublicKey, algorithm: _Algorithm, message: bytes, signature: bytes) -> bool:
    size = algorithm.coordinate_bytes
    if len(signature) != 2 * size:
        return False
    numbers = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    try:
        key.verify(utils.encode_dss_signature(*numbers), message, ec.ECDSA(algorithm.digest))
    except InvalidSignature:
        return False
    return True
