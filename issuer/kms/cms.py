"""CMS EnvelopedData (RFC 5652 section 6) as KMS writes CiphertextForRecipient: bytes to parts, decrypting nothing.

Strict where security lies: one recipient, RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 4055), AES-256-CBC (RFC 3565),
content of type data, no attributes, no originator. Lenient where nothing depends on it: versions, the recipient
identifier (nobody but us has the key), definite or indefinite lengths, content in one piece or in chunks. KMS sends
version 2 with a subject key identifier in BER, LocalStack version 0 with issuer and serial number in DER.
"""

from dataclasses import dataclass
from itertools import product
from typing import Final

from issuer.kms.ber import Element, Tag, Value, decode_element
from issuer.kms.errors import EnvelopeError

AES_BLOCK_BYTES: Final = 16


def _oid(content: str) -> Element:
    return Element(Tag.OBJECT_IDENTIFIER, bytes.fromhex(content))


def _sequence(*elements: Element) -> Element:
    return Element(Tag.SEQUENCE, elements)


ENVELOPED_DATA: Final = _oid("2a864886f70d010703")  # 1.2.840.113549.1.7.3
DATA: Final = _oid("2a864886f70d010701")  # 1.2.840.113549.1.7.1
RSAES_OAEP: Final = _oid("2a864886f70d010107")  # 1.2.840.113549.1.1.7
MGF1: Final = _oid("2a864886f70d010108")  # 1.2.840.113549.1.1.8
P_SPECIFIED: Final = _oid("2a864886f70d010109")  # 1.2.840.113549.1.1.9
SHA256: Final = _oid("608648016503040201")  # 2.16.840.1.101.3.4.2.1
AES256_CBC: Final = _oid("60864801650304012a")  # 2.16.840.1.101.3.4.1.42

# RFC 4055 section 2.1: a hash's parameters are NULL or absent, and readers take both. Section 4.1: the label's source
# has a default, the empty label, which DER leaves out and BER may spell out.
_SHA256_FORMS: Final = (_sequence(SHA256, Element(Tag.NULL, b"")), _sequence(SHA256))
_EMPTY_LABEL: Final = Element(Tag.CONTEXT_2, (_sequence(P_SPECIFIED, Element(Tag.OCTET_STRING, b"")),))
OAEP_SHA256: Final = frozenset(
    _sequence(
        RSAES_OAEP,
        _sequence(
            Element(Tag.CONTEXT_0, (digest,)),
            Element(Tag.CONTEXT_1, (_sequence(MGF1, mask_digest),)),
            *label,
        ),
    )
    for digest, mask_digest, label in product(_SHA256_FORMS, _SHA256_FORMS, ((), (_EMPTY_LABEL,)))
)
"""Every AlgorithmIdentifier that means RSAES-OAEP with SHA-256, MGF1 with SHA-256 and no label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The parts of an envelope that decryption needs; well formed, and believed in nothing."""

    wrapped_key: bytes
    iv: bytes
    ciphertext: bytes


def decode_envelope(data: bytes) -> Envelope:
    """Split CiphertextForRecipient into its parts.

    Raises:
        EnvelopeError: it is not one EnvelopedData for one recipient with the algorithms above.
    """
    content_type, enveloped = _content_info(data)
    if content_type != ENVELOPED_DATA:
        raise EnvelopeError("the content is not EnvelopedData")
    match enveloped:
        case (Element(Tag.INTEGER), Element(Tag.SET, recipients), Element(Tag.SEQUENCE, content)):
            wrapped_key = _wrapped_key(recipients)
            iv, ciphertext = _encrypted_content(content)
            return Envelope(wrapped_key=wrapped_key, iv=iv, ciphertext=ciphertext)
        case _:
            raise EnvelopeError("the EnvelopedData is not a version, a set of recipients and an encrypted content")


def _content_info(data: bytes) -> tuple[object, Value]:
    match decode_element(data):
        case Element(Tag.SEQUENCE, (content_type, Element(Tag.CONTEXT_0, (Element(Tag.SEQUENCE, enveloped),)))):
            return content_type, enveloped
        case _:
            raise EnvelopeError("this is not a CMS ContentInfo")


def _wrapped_key(recipients: Value) -> bytes:
    """The one recipient's encrypted content-encryption key. Two recipients would be a second reader."""
    if len(recipients) != 1:
        raise EnvelopeError(f"there are {len(recipients)} recipients instead of one")
    match recipients[0]:
        case Element(
            Tag.SEQUENCE,
            (Element(Tag.INTEGER), Element(), algorithm, Element(Tag.OCTET_STRING, bytes() as wrapped_key)),
        ):
            if algorithm not in OAEP_SHA256:
                raise EnvelopeError("the key is not wrapped with RSAES-OAEP, SHA-256 and MGF1 with SHA-256")
            return wrapped_key
        case _:
            raise EnvelopeError("the recipient is not a KeyTransRecipientInfo")


def _content_parts(content: Value) -> tuple[object, Value, Element]:
    match content:
        case (content_type, Element(Tag.SEQUENCE, algorithm), Element() as encrypted):
            return content_type, algorithm, encrypted
        case _:
            raise EnvelopeError("the EncryptedContentInfo is not a type, an algorithm and a content")


def _encrypted_content(content: Value) -> tuple[bytes, bytes]:
    """The initialisation vector and the ciphertext, its chunks joined."""
    content_type, algorithm, encrypted = _content_parts(content)
    if content_type != DATA:
        raise EnvelopeError("the encrypted content is not of type data")
    iv, ciphertext = _iv(algorithm), _octets(encrypted)
    if not ciphertext or len(ciphertext) % AES_BLOCK_BYTES:
        raise EnvelopeError(f"the ciphertext has {len(ciphertext)} bytes, which are no whole blocks")
    return iv, ciphertext


def _iv(algorithm: Value) -> bytes:
    match algorithm:
        case (oid, Element(Tag.OCTET_STRING, bytes() as iv)) if oid == AES256_CBC and len(iv) == AES_BLOCK_BYTES:
            return iv
        case _:
            raise EnvelopeError("the content is not encrypted with AES-256-CBC")


def _octets(encrypted: Element) -> bytes:
    """``[0] IMPLICIT OCTET STRING``: in one piece, or constructed of primitive chunks (X.690 section 8.7)."""
    match encrypted:
        case Element(Tag.CONTEXT_0_PRIMITIVE, bytes() as octets):
            return octets
        case Element(Tag.CONTEXT_0, tuple() as chunks):
            return b"".join(_chunk(chunk) for chunk in chunks)
        case _:
            raise EnvelopeError("the encrypted content is missing")


def _chunk(chunk: Element) -> bytes:
    match chunk:
        case Element(Tag.OCTET_STRING, bytes() as octets):
            return octets
        case _:
            raise EnvelopeError("a chunk of the encrypted content is no primitive OCTET STRING")
