"""Writes CMS EnvelopedData as KMS and LocalStack do, right or wrong in one place; shares nothing with the reader.

The original bytes of aws-nitro-enclaves-sdk-c's tests are not in this repository. `KMS_CHUNKED` and `KMS_PRIMITIVE`
write their structure: given the parts of the originals, they write the originals, byte for byte.
"""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_public_key

INTEGER, OCTET_STRING, NULL, OID, SEQUENCE, SET = 0x02, 0x04, 0x05, 0x06, 0x30, 0x31


def tlv(tag: int, *parts: bytes, indefinite: bool = False) -> bytes:
    """One element; indefinite ones end with end-of-contents octets."""
    content = b"".join(parts)
    if indefinite:
        return bytes((tag, 0x80)) + content + b"\x00\x00"
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *arcs = (int(arc) for arc in dotted.split("."))
    octets = bytes((40 * first + second,))
    for arc in arcs:
        groups = [arc >> shift & 0x7F for shift in range(0, max(arc.bit_length(), 1), 7)]
        octets += bytes(0x80 | group for group in reversed(groups[1:])) + bytes(groups[:1])
    return tlv(OID, octets)


def hash_algorithm(dotted: str, *, null: bool = True) -> bytes:
    """The AlgorithmIdentifier of a hash."""
    return tlv(SEQUENCE, oid(dotted), tlv(NULL) if null else b"")


ENVELOPED_DATA = "1.2.840.113549.1.7.3"
DATA = "1.2.840.113549.1.7.1"
OAEP_OID = "1.2.840.113549.1.1.7"
MGF1_OID = "1.2.840.113549.1.1.8"
P_SPECIFIED = "1.2.840.113549.1.1.9"
SHA1 = "1.3.14.3.2.26"
SHA256 = "2.16.840.1.101.3.4.2.1"
AES256_CBC = "2.16.840.1.101.3.4.1.42"


def oaep(digest: bytes, mask_digest: bytes, label: bytes = b"") -> bytes:
    """RSAES-OAEP with everything spelled out."""
    mask = tlv(0xA1, tlv(SEQUENCE, oid(MGF1_OID), mask_digest))
    return tlv(SEQUENCE, oid(OAEP_OID), tlv(SEQUENCE, tlv(0xA0, digest), mask, label))


def label(octets: bytes) -> bytes:
    """A pSourceAlgorithm."""
    return tlv(0xA2, tlv(SEQUENCE, oid(P_SPECIFIED), tlv(OCTET_STRING, octets)))


OAEP_SHA256 = oaep(hash_algorithm(SHA256), hash_algorithm(SHA256))
SKI = tlv(0x80, bytes(range(32)))
ISSUER_AND_SERIAL = tlv(
    SEQUENCE,
    tlv(SEQUENCE, tlv(SET, tlv(SEQUENCE, oid("2.5.4.3"), tlv(0x0C, b"recipient")))),
    tlv(INTEGER, b"\x01"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What encryption made, before it is written down."""

    wrapped_key: bytes
    iv: bytes
    ciphertext: bytes


def seal(public_key: bytes, plaintext: bytes) -> Sealed:
    """Encrypt as KMS does."""
    padder = padding.PKCS7(128).padder()
    return seal_padded(public_key, padder.update(plaintext) + padder.finalize())


def seal_padded(public_key: bytes, padded: bytes, *, content_key: bytes = b"") -> Sealed:
    """Encrypt blocks whose padding is the caller's business, with a content key of any size."""
    recipient = load_der_public_key(public_key)
    assert isinstance(recipient, rsa.RSAPublicKey)
    content_key = content_key or secrets.token_bytes(32)
    iv = secrets.token_bytes(16)
    encryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).encryptor()
    return Sealed(
        wrapped_key=recipient.encrypt(content_key, OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)),
        iv=iv,
        ciphertext=encryptor.update(padded) + encryptor.finalize(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How an envelope is written; every field is one thing that can be changed.

    Attributes:
        chunk: bytes in each OCTET STRING of a constructed content; 0 writes a primitive one.
        copies: of the recipient.
        content_tag: of the content; None means the one its form has.
    """

    indefinite: bool = True
    version: int = 2
    recipient_version: int = 2
    rid: bytes = SKI
    recipient_tag: int = SEQUENCE
    key_algorithm: bytes = OAEP_SHA256
    copies: int = 1
    content_type: str = ENVELOPED_DATA
    inner_type: str = DATA
    content_algorithm: str = AES256_CBC
    chunk: int = 0
    chunk_tag: int = OCTET_STRING
    content_tag: int | None = None
    before_recipients: bytes = b""
    after_content: bytes = b""

    def write(self, sealed: Sealed) -> bytes:
        """Write the ContentInfo."""
        body = tlv(
            SEQUENCE,
            tlv(INTEGER, bytes((self.version,))),
            self.before_recipients,
            tlv(SET, *[self._recipient(sealed.wrapped_key)] * self.copies),
            self._encrypted_content(sealed),
            self.after_content,
            indefinite=self.indefinite,
        )
        content = tlv(0xA0, body, indefinite=self.indefinite)
        return tlv(SEQUENCE, oid(self.content_type), content, indefinite=self.indefinite)

    def _recipient(self, wrapped_key: bytes) -> bytes:
        version = tlv(INTEGER, bytes((self.recipient_version,)))
        return tlv(self.recipient_tag, version, self.rid, self.key_algorithm, tlv(OCTET_STRING, wrapped_key))

    def _encrypted_content(self, sealed: Sealed) -> bytes:
        algorithm = tlv(SEQUENCE, oid(self.content_algorithm), tlv(OCTET_STRING, sealed.iv))
        content = self._content(sealed.ciphertext)
        return tlv(SEQUENCE, oid(self.inner_type), algorithm, content, indefinite=self.indefinite)

    def _content(self, ciphertext: bytes) -> bytes:
        if not self.chunk:
            return tlv(self.content_tag or 0x80, ciphertext)
        starts = range(0, len(ciphertext), self.chunk)
        chunks = (tlv(self.chunk_tag, ciphertext[start : start + self.chunk]) for start in starts)
        return tlv(self.content_tag or 0xA0, *chunks, indefinite=self.indefinite)


KMS_CHUNKED = Style(chunk=1000)
KMS_PRIMITIVE = Style()
LOCALSTACK = Style(indefinite=False, version=0, recipient_version=0, rid=ISSUER_AND_SERIAL)
STYLES = {"kms chunked": KMS_CHUNKED, "kms primitive": KMS_PRIMITIVE, "localstack": LOCALSTACK}
