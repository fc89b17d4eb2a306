"""What the enclave put into the document: its public key and its user_data, as the policy asks for them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, assert_never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from verifier.policy.model import KeyKind, PublicKeyRule, Requirements
from verifier.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.evidence.document import AttestationDocument


def check_bindings(document: AttestationDocument, require: Requirements) -> Iterator[Rejection]:
    """Compare public_key and user_data with what the policy requires; a public_key of zero length is none."""
    if require.public_key is not None:
        if not document.public_key:
            yield Rejection(Reason.BINDING_PUBLIC_KEY_ABSENT, "the document has no public_key")
        elif not _is_acceptable(document.public_key, require.public_key):
            yield Rejection(Reason.BINDING_PUBLIC_KEY_UNACCEPTABLE, "public_key is not of a kind the policy accepts")
    if require.user_data_sha256 is not None:
        if document.user_data is None:
            yield Rejection(Reason.BINDING_USER_DATA_ABSENT, "the document has no user_data")
        elif hashlib.sha256(document.user_data).digest() not in require.user_data_sha256:
            yield Rejection(Reason.BINDING_USER_DATA_MISMATCH, "user_data is none of those the policy names")
    if require.known_fields_only and document.unrecognised:
        count = len(document.unrecognised)
        yield Rejection(Reason.DOCUMENT_FIELD_UNRECOGNISED, f"{count} fields that this version does not know")


def _is_acceptable(public_key: bytes, rule: PublicKeyRule) -> bool:
    match rule.kind:
        case KeyKind.RAW:
            return len(public_key) in rule.lengths
        case KeyKind.RSA | KeyKind.EC:
            return _is_acceptable_spki(public_key, rule)
        case _:
            assert_never(rule.kind)


def _is_acceptable_spki(public_key: bytes, rule: PublicKeyRule) -> bool:
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        return False
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public_key:
        # Also a bare PKCS#1 key loads, and a point or parameters in another form than readers expect.
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return rule.kind is KeyKind.RSA and key.key_size in rule.bits
    return isinstance(key, ec.EllipticCurvePublicKey) and rule.kind is KeyKind.EC and key.curve.name in rule.curves
