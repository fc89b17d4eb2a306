"""X.509 certificates (RFC 5280) described as values, then signed.

A chain is a sequence of `CertificateSpec`, root first. What a specification leaves out follows from the one
before it, so one `dataclasses.replace` makes one mutation and everything else stays rightly signed.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
HashAlgorithm: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

# AlgorithmIdentifier { ecdsa-with-SHA384 }, parameters absent (RFC 5758, section 3.2).
ECDSA_WITH_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
_SEQUENCE = 0x30
_BIT_STRING = 0x03
_SHORT_LENGTH = 0x80


class KeyIdentifier(enum.Enum):
    """An extension whose content is the SHA-1 of a key's bits, known once the keys are (RFC 5280, 4.2.1.2)."""

    SUBJECT = enum.auto()
    AUTHORITY = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionSpec:
    """One extension; `x509.UnrecognizedExtension` carries any OID and any bytes."""

    value: x509.ExtensionType | KeyIdentifier
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSpec:
    """All that a certificate says, and the keys behind it.

    Attributes:
        key: the subject's private key; it signs the next certificate of the chain.
        issuer: None means the subject of the certificate before, or of this one if it is the first.
        issuer_key: None means the key of the certificate before, or of this one if it is the first.
        public_key: None means the public half of `key`.
        hash_algorithm: None for Ed25519 issuers only.
    """

    subject: x509.Name
    serial: int
    not_before: datetime
    not_after: datetime
    key: PrivateKey = field(repr=False)
    extensions: tuple[ExtensionSpec, ...] = ()
    issuer: x509.Name | None = None
    issuer_key: PrivateKey | None = field(default=None, repr=False)
    public_key: PublicKey | None = None
    hash_algorithm: HashAlgorithm | None = field(default_factory=hashes.SHA384)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedChain:
    """A chain in DER, as a document carries it, with the key that signs documents."""

    certificate: bytes
    cabundle: tuple[bytes, ...]
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def issue_chain(specs: Sequence[CertificateSpec]) -> IssuedChain:
    """Sign a chain, root first, leaf last.

    Raises:
        TypeError: the last key is not an EC key. For a leaf that shows another kind, set its `public_key`.
    """
    key = specs[-1].key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("documents are signed with ECDSA: the last specification wants an EC key")
    parents = (None, *specs[:-1])
    *cabundle, certificate = (
        sign_certificate(spec, issuer=parent) for parent, spec in zip(parents, specs, strict=True)
    )
    return IssuedChain(certificate=certificate, cabundle=tuple(cabundle), key=key)


def sign_certificate(spec: CertificateSpec, *, issuer: CertificateSpec | None = None) -> bytes:
    """Sign one certificate and return its DER; without an issuer it is self-signed.

    ECDSA signatures are deterministic (RFC 6979): the same specification always makes the same bytes.
    """
    parent = issuer or spec
    signer = parent.key if spec.issuer_key is None else spec.issuer_key
    public_key = spec.key.public_key() if spec.public_key is None else spec.public_key
    builder = x509.CertificateBuilder(
        issuer_name=parent.subject if spec.issuer is None else spec.issuer,
        subject_name=spec.subject,
        public_key=public_key,
    )
    builder = builder.serial_number(spec.serial)
    builder = builder.not_valid_before(spec.not_before).not_valid_after(spec.not_after)
    for extension in spec.extensions:
        content = _extension_content(extension.value, public_key, signer.public_key())
        builder = builder.add_extension(content, critical=extension.critical)
    deterministic = True if isinstance(signer, ec.EllipticCurvePrivateKey) else None
    certificate = builder.sign(signer, spec.hash_algorithm, ecdsa_deterministic=deterministic)
    return certificate.public_bytes(Encoding.DER)


def sign_tbs(
    tbs: bytes,
    key: ec.EllipticCurvePrivateKey,
    *,
    hash_algorithm: HashAlgorithm | None = None,
    algorithm: bytes = ECDSA_WITH_SHA384,
) -> bytes:
    """Sign hand-made TBSCertificate bytes, for what `x509.CertificateBuilder` refuses to say.

    Args:
        tbs: the DER of a TBSCertificate, or of whatever is to stand in its place.
        key: the issuer's key.
        hash_algorithm: what the signature is made with, SHA-384 unless told otherwise.
        algorithm: the outer AlgorithmIdentifier, whatever the signature was made with.
    """
    scheme = ec.ECDSA(hash_algorithm or hashes.SHA384(), deterministic_signing=True)
    signature = key.sign(tbs, scheme)
    return _der(_SEQUENCE, tbs + algorithm + _der(_BIT_STRING, b"\x00" + signature))


def _extension_content(
    value: x509.ExtensionType | KeyIdentifier, subject: PublicKey, authority: PublicKey
) -> x509.ExtensionType:
    match value:
        case KeyIdentifier.SUBJECT:
            return x509.SubjectKeyIdentifier.from_public_key(subject)
        case KeyIdentifier.AUTHORITY:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority)
        case _:
            return value


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < _SHORT_LENGTH:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, _SHORT_LENGTH | len(octets))) + octets + content
