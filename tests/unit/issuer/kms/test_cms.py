from dataclasses import replace

import pytest

from issuer.kms import Envelope, EnvelopeError, decode_envelope
from tests.unit.issuer.kms.envelopes import (
    ISSUER_AND_SERIAL,
    KMS_CHUNKED,
    KMS_PRIMITIVE,
    LOCALSTACK,
    MGF1_OID,
    OAEP_OID,
    SET,
    SHA1,
    SHA256,
    STYLES,
    Sealed,
    Style,
    hash_algorithm,
    label,
    oaep,
    oid,
    tlv,
)

NULLED, BARE = hash_algorithm(SHA256), hash_algorithm(SHA256, null=False)
SEALED = Sealed(wrapped_key=bytes(range(256)), iv=b"i" * 16, ciphertext=b"c" * 48)
PARTS = Envelope(wrapped_key=SEALED.wrapped_key, iv=SEALED.iv, ciphertext=SEALED.ciphertext)


@pytest.mark.parametrize(
    ("style", "blocks", "size"), [(KMS_CHUNKED, 3, 493), (KMS_PRIMITIVE, 1, 457)], ids=["chunked", "primitive"]
)
def test_both_structures_that_aws_published_are_read(style: Style, blocks: int, size: int) -> None:
    """These are the only two answers of KMS that anybody published: not reading one of them loses real secrets.

    Structure and sizes are those of `input_ber` and `input_ber_w_ctx` in aws-nitro-enclaves-sdk-c's tests/cms_test.c;
    the bytes are our own.
    """
    sealed = replace(SEALED, ciphertext=bytes(16 * blocks))
    data = style.write(sealed)
    assert len(data) == size
    assert decode_envelope(data) == replace(PARTS, ciphertext=bytes(16 * blocks))


@pytest.mark.parametrize(
    "style",
    [
        *STYLES.values(),
        Style(chunk=16),
        Style(chunk=1),
        Style(chunk=7, indefinite=False),
        Style(rid=ISSUER_AND_SERIAL),
        Style(rid=tlv(0x80)),
        Style(version=0, recipient_version=4),
        replace(LOCALSTACK, version=127),
        Style(key_algorithm=oaep(BARE, BARE)),
        Style(key_algorithm=oaep(NULLED, BARE)),
        Style(key_algorithm=oaep(BARE, NULLED, label(b""))),
    ],
)
def test_form_without_meaning_is_accepted(style: Style) -> None:
    """KMS, LocalStack and OpenSSL differ in all of this, and AWS may change it any day."""
    assert decode_envelope(style.write(SEALED)) == PARTS


@pytest.mark.parametrize(
    "style",
    [
        Style(key_algorithm=oaep(hash_algorithm(SHA1), NULLED)),
        Style(key_algorithm=oaep(NULLED, hash_algorithm(SHA1))),
        Style(key_algorithm=oaep(hash_algorithm("2.16.840.1.101.3.4.2.2"), NULLED)),
        Style(key_algorithm=oaep(NULLED, NULLED, label(b"label"))),
        Style(key_algorithm=oaep(NULLED, NULLED, label(b"") * 2)),
        Style(key_algorithm=tlv(0x30, oid("1.2.840.113549.1.1.1"), tlv(5))),  # PKCS #1 v1.5
        Style(key_algorithm=tlv(0x30, oid(OAEP_OID))),  # defaults, which are SHA-1
        Style(key_algorithm=tlv(0x30, oid(OAEP_OID), tlv(0x30))),
        Style(key_algorithm=tlv(0x30, oid(OAEP_OID), tlv(0x30, tlv(0xA0, NULLED)))),  # MGF1 with SHA-1
        Style(key_algorithm=tlv(0x30, oid(OAEP_OID), tlv(0x30, tlv(0xA1, tlv(0x30, oid(MGF1_OID), NULLED))))),
        Style(key_algorithm=tlv(0x30, oid(OAEP_OID), tlv(5))),
    ],
)
def test_keys_are_wrapped_with_oaep_and_sha256_throughout(style: Style) -> None:
    """PKCS #1 v1.5 is Bleichenbacher's oracle, and an algorithm the sender may choose is one he will."""
    with pytest.raises(EnvelopeError, match="RSAES-OAEP"):
        decode_envelope(style.write(SEALED))


@pytest.mark.parametrize(
    "style",
    [
        Style(content_algorithm="2.16.840.1.101.3.4.1.2"),  # AES-128-CBC
        Style(content_algorithm="2.16.840.1.101.3.4.1.46"),  # AES-256-GCM, which EnvelopedData cannot carry
        Style(content_algorithm="1.2.840.113549.3.7"),  # triple DES
    ],
)
def test_content_is_encrypted_with_aes256_cbc(style: Style) -> None:
    """Another cipher would read the same bytes as another secret."""
    with pytest.raises(EnvelopeError, match="AES-256-CBC"):
        decode_envelope(style.write(SEALED))


@pytest.mark.parametrize("iv", [b"", b"i" * 15, b"i" * 17])
def test_the_initialisation_vector_is_one_block(iv: bytes) -> None:
    """`cryptography` would raise something else than our error."""
    with pytest.raises(EnvelopeError, match="AES-256-CBC"):
        decode_envelope(KMS_PRIMITIVE.write(replace(SEALED, iv=iv)))


@pytest.mark.parametrize("size", [0, 1, 15, 17, 47])
@pytest.mark.parametrize("style", [KMS_CHUNKED, KMS_PRIMITIVE], ids=["chunked", "primitive"])
def test_the_ciphertext_is_whole_blocks(style: Style, size: int) -> None:
    """It is known before the private key is used, so it is said before."""
    with pytest.raises(EnvelopeError, match=f"has {size} bytes"):
        decode_envelope(style.write(replace(SEALED, ciphertext=bytes(size))))


@pytest.mark.parametrize("copies", [0, 2, 3])
def test_there_is_exactly_one_recipient(copies: int) -> None:
    """A second recipient is a second reader."""
    with pytest.raises(EnvelopeError, match=f"{copies} recipients"):
        decode_envelope(Style(copies=copies).write(SEALED))


@pytest.mark.parametrize(
    ("style", "complaint"),
    [
        (Style(content_type="1.2.840.113549.1.7.2"), "not EnvelopedData"),  # SignedData
        (Style(content_type="1.2.840.113549.1.9.16.1.23"), "not EnvelopedData"),  # AuthEnvelopedData
        (Style(inner_type="1.2.840.113549.1.7.2"), "not of type data"),
        (Style(before_recipients=tlv(0xA0)), "not a version, a set"),  # originatorInfo
        (Style(after_content=tlv(0xA1, tlv(0x30))), "not a version, a set"),  # unprotectedAttrs
        (Style(recipient_tag=0xA1), "KeyTransRecipientInfo"),  # key agreement
        (Style(recipient_tag=SET), "KeyTransRecipientInfo"),
        (Style(rid=b""), "KeyTransRecipientInfo"),
        (Style(rid=tlv(0x80) * 2), "KeyTransRecipientInfo"),
        (Style(content_tag=0x81), "content is missing"),
        (Style(content_tag=0x04), "content is missing"),
        (Style(content_tag=0xA1, chunk=16), "content is missing"),
        (Style(chunk=16, chunk_tag=0x80), "chunk"),
        (Style(chunk=48, chunk_tag=0x02), "chunk"),
    ],
)
def test_every_other_structure_is_refused_by_name(style: Style, complaint: str) -> None:
    """Whatever is ignored is a place where two readers can differ."""
    with pytest.raises(EnvelopeError, match=complaint):
        decode_envelope(style.write(SEALED))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (tlv(0x30), "ContentInfo"),
        (tlv(0x31, oid("1.2.840.113549.1.7.3"), tlv(0xA0, tlv(0x30))), "ContentInfo"),
        (tlv(0x30, oid("1.2.840.113549.1.7.3")), "ContentInfo"),
        (tlv(0x30, oid("1.2.840.113549.1.7.3"), tlv(0xA0)), "ContentInfo"),
        (tlv(0x30, oid("1.2.840.113549.1.7.3"), tlv(0xA0, tlv(0x30), tlv(0x30))), "ContentInfo"),
        (tlv(0x30, oid("1.2.840.113549.1.7.3"), tlv(0xA0, tlv(0x30))), "not a version, a set"),
        (tlv(0x04, b"plaintext"), "ContentInfo"),
        (KMS_PRIMITIVE.write(SEALED) + b"\x00", "bytes after"),
        (KMS_PRIMITIVE.write(SEALED)[:-2], "cut off"),
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes, complaint: str) -> None:
    """The parent may hand in anything."""
    with pytest.raises(EnvelopeError, match=complaint):
        decode_envelope(data)


def test_an_encrypted_content_has_three_parts() -> None:
    """`EncryptedContentInfo` may leave its content out; then there is nothing to decrypt."""
    data = LOCALSTACK.write(SEALED)
    whole = tlv(0x80, SEALED.ciphertext)
    assert whole in data
    with pytest.raises(EnvelopeError):
        decode_envelope(data.replace(whole, b""))


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_no_prefix_of_an_envelope_is_an_envelope(style: Style) -> None:
    """A connection may end anywhere."""
    data = style.write(SEALED)
    for end in range(len(data)):
        with pytest.raises(EnvelopeError):
            decode_envelope(data[:end])
