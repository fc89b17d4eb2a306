import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.nsm import SeededKeys, encode_map, encode_payload
from tests.support.core import fields
from verifier.evidence.document import AttestationDocument, decode_document
from verifier.policy.bindings import check_bindings
from verifier.policy.model import KeyKind, PublicKeyRule, Requirements
from verifier.reasons import Reason


def spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


RSA_2048 = spki(rsa.RSAPublicNumbers(e=65537, n=(1 << 2047) + 1).public_key())
P_384 = spki(SeededKeys(seed=b"b").private_key("b").public_key())
RSA_PKCS_1 = (
    rsa.RSAPublicNumbers(e=65537, n=(1 << 2047) + 1).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
)
P_384_COMPRESSED = bytes.fromhex("3046301006072a8648ce3d020106052b81040022033200") + SeededKeys(seed=b"b").private_key(
    "b"
).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
P_256 = spki(SeededKeys(seed=b"b").private_key("b", ec.SECP256R1()).public_key())
ED25519 = spki(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())
RSA = PublicKeyRule(kind=KeyKind.RSA, bits=(2048,))
LONG_RSA = PublicKeyRule(kind=KeyKind.RSA, bits=(4096,))
EC = PublicKeyRule(kind=KeyKind.EC, curves=("secp384r1",))
RAW = PublicKeyRule(kind=KeyKind.RAW, lengths=(32, 120))


def document(**changes: Any) -> AttestationDocument:  # noqa: ANN401 - the fields of a document, whatever they are
    return decode_document(encode_payload(fields(**changes)))


def reasons(read: AttestationDocument, require: Requirements) -> list[Reason]:
    return [rejection.reason for rejection in check_bindings(read, require)]


ABSENT, UNACCEPTABLE = [Reason.BINDING_PUBLIC_KEY_ABSENT], [Reason.BINDING_PUBLIC_KEY_UNACCEPTABLE]


@pytest.mark.parametrize(
    ("public_key", "rule", "expected"),
    [
        (None, None, []),
        (b"anything", None, []),
        (None, RSA, ABSENT),
        (b"", RSA, ABSENT),
        (b"", RAW, ABSENT),
        (RSA_2048, RSA, []),
        (RSA_PKCS_1, RSA, UNACCEPTABLE),
        (P_384_COMPRESSED, EC, UNACCEPTABLE),
        (RSA_2048, LONG_RSA, UNACCEPTABLE),
        (RSA_2048, EC, UNACCEPTABLE),
        (P_384, EC, []),
        (P_384, RSA, UNACCEPTABLE),
        (P_256, EC, UNACCEPTABLE),
        (ED25519, EC, UNACCEPTABLE),
        (ED25519, RSA, UNACCEPTABLE),
        (b"not a key", EC, UNACCEPTABLE),
        (P_384 + b"\x00", EC, UNACCEPTABLE),
        (P_384[:-1] + bytes((P_384[-1] ^ 1,)), EC, UNACCEPTABLE),
        (bytes.fromhex("300e300606032a0304 0500") + b"\x03\x02\x00\x00", EC, UNACCEPTABLE),
        (bytes(32), RAW, []),
        (P_384, RAW, []),
        (bytes(31), RAW, UNACCEPTABLE),
    ],
)
def test_a_public_key_is_of_the_kind_and_size_that_the_policy_names(
    public_key: bytes | None, rule: PublicKeyRule | None, expected: list[Reason]
) -> None:
    """A Relying Party would encrypt to a key that is none, or a weak one."""
    assert reasons(document(public_key=public_key), Requirements(public_key=rule)) == expected


DIGEST = hashlib.sha256(b"bound").digest()
EMPTY = hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    ("user_data", "allowed", "expected"),
    [
        (None, None, []),
        (b"bound", (bytes(32), DIGEST), []),
        (b"bound ", (DIGEST,), [Reason.BINDING_USER_DATA_MISMATCH]),
        (b"", (DIGEST,), [Reason.BINDING_USER_DATA_MISMATCH]),
        (b"", (EMPTY,), []),
        (None, (EMPTY,), [Reason.BINDING_USER_DATA_ABSENT]),
    ],
)
def test_user_data_is_one_of_those_that_the_policy_names(
    user_data: bytes | None, allowed: tuple[bytes, ...] | None, expected: list[Reason]
) -> None:
    """A document made for another purpose would be accepted for this one."""
    assert reasons(document(user_data=user_data), Requirements(user_data_sha256=allowed)) == expected


def test_unknown_fields_are_refused_only_where_the_policy_says_so() -> None:
    """AWS adding a field would be an outage, or a cautious policy would pass over it."""
    unknown = decode_document(encode_map([*fields().pairs(), ("new", 1)]))
    assert reasons(unknown, Requirements()) == []
    assert reasons(unknown, Requirements(known_fields_only=True)) == [Reason.DOCUMENT_FIELD_UNRECOGNISED]
    assert reasons(document(), Requirements(known_fields_only=True)) == []


def test_everything_that_is_wrong_is_found() -> None:
    """An operator would fix a policy in three rounds."""
    found = reasons(document(), Requirements(public_key=RSA, user_data_sha256=(DIGEST,)))
    assert found == [Reason.BINDING_PUBLIC_KEY_ABSENT, Reason.BINDING_USER_DATA_ABSENT]
