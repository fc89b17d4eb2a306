from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from issuer.nsm import (
    CertificateSpec,
    ExtensionSpec,
    KeyIdentifier,
    SeededKeys,
    ThrowawayPki,
    issue_chain,
    sign_certificate,
    sign_tbs,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENCLAVE_ID = bytes.fromhex("019b5640fdf630d6")
SPECS = ThrowawayPki(seed=b"certificates").chain_specs(enclave_id=ENCLAVE_ID, at=AT)
INSTANCE, LEAF = SPECS[-2:]
KEYS = SeededKeys(seed=b"others")
RSA_KEY = rsa.generate_private_key(65537, 2048)
SOMEBODY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else, test")])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")

Mutation = Callable[[CertificateSpec], CertificateSpec]


def load(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def with_ca_true(spec: CertificateSpec) -> CertificateSpec:
    constraints = ExtensionSpec(value=x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return replace(spec, extensions=(constraints, *spec.extensions[1:]))


def with_unknown_critical(spec: CertificateSpec) -> CertificateSpec:
    return replace(spec, extensions=(*spec.extensions, ExtensionSpec(value=UNKNOWN, critical=True)))


@pytest.mark.parametrize(
    ("mutation", "seen"),
    [
        (with_ca_true, lambda c: c.extensions.get_extension_for_class(x509.BasicConstraints).value.ca),
        (with_unknown_critical, lambda c: c.extensions.get_extension_for_oid(UNKNOWN.oid).critical),
        (lambda s: replace(s, extensions=s.extensions[:1]), lambda c: len(c.extensions) == 1),
        (lambda s: replace(s, extensions=()), lambda c: len(c.extensions) == 0),
        (lambda s: replace(s, issuer=SOMEBODY), lambda c: c.issuer == SOMEBODY),
        (lambda s: replace(s, subject=x509.Name([])), lambda c: len(c.subject) == 0),
        (lambda s: replace(s, not_after=AT - timedelta(seconds=1)), lambda c: c.not_valid_after_utc < AT),
        (lambda s: replace(s, not_after=AT.replace(year=2060)), lambda c: c.not_valid_after_utc.year == 2060),
        (lambda s: replace(s, hash_algorithm=hashes.SHA256()), lambda c: c.signature_hash_algorithm.name == "sha256"),
        (lambda s: replace(s, serial=1), lambda c: c.serial_number == 1),
        (
            lambda s: replace(s, key=KEYS.private_key("p256", ec.SECP256R1())),
            lambda c: c.public_key().curve.name == "secp256r1",
        ),
        (lambda s: replace(s, public_key=RSA_KEY.public_key()), lambda c: c.public_key() == RSA_KEY.public_key()),
    ],
)
def test_one_replace_is_one_mutation_and_the_signature_holds(
    mutation: Mutation, seen: Callable[[x509.Certificate], bool]
) -> None:
    """A vector would be refused for its signature and not for what it is about."""
    certificate = load(sign_certificate(mutation(LEAF), issuer=INSTANCE))
    assert seen(certificate)
    issuer_key = INSTANCE.key.public_key()
    assert isinstance(issuer_key, ec.EllipticCurvePublicKey)
    assert certificate.signature_hash_algorithm is not None
    issuer_key.verify(
        certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(certificate.signature_hash_algorithm)
    )


def test_a_replaced_issuer_key_carries_through_the_chain() -> None:
    """Key swaps in the middle of a chain would break the certificates below."""
    specs = list(SPECS)
    specs[2] = replace(specs[2], key=KEYS.private_key("another zonal"))
    chain = issue_chain(specs)
    certificates = [load(der) for der in (*chain.cabundle, chain.certificate)]
    for issuer, issued in pairwise(certificates):
        issued.verify_directly_issued_by(issuer)
    authority = certificates[3].extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = certificates[2].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority.key_identifier == subject.digest


def test_a_foreign_issuer_key_signs_under_the_right_name() -> None:
    """The same-name attacker is a vector of its own."""
    forged = load(sign_certificate(replace(LEAF, issuer_key=KEYS.private_key("attacker")), issuer=INSTANCE))
    assert forged.issuer == INSTANCE.subject
    with pytest.raises(InvalidSignature):
        forged.verify_directly_issued_by(load(sign_certificate(INSTANCE, issuer=SPECS[2])))


@pytest.mark.parametrize("key", [RSA_KEY, ed25519.Ed25519PrivateKey.generate()])
def test_other_kinds_of_issuer_sign_too(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
    """RSA and Ed25519 chains are attack families."""
    hash_algorithm = hashes.SHA384() if isinstance(key, rsa.RSAPrivateKey) else None
    issuer = replace(INSTANCE, key=key)
    leaf = load(sign_certificate(replace(LEAF, hash_algorithm=hash_algorithm), issuer=issuer))
    root = replace(SPECS[0], subject=INSTANCE.subject, key=key, hash_algorithm=hash_algorithm)
    leaf.verify_directly_issued_by(load(sign_certificate(root)))


def test_hand_made_tbs_bytes_are_signed_as_they_stand() -> None:
    """Inner and outer algorithms that differ, and all else the builder refuses, could not be made."""
    key = INSTANCE.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = load(sign_certificate(LEAF, issuer=INSTANCE))
    tbs = certificate.tbs_certificate_bytes
    again = load(sign_tbs(tbs, key))
    assert again.public_bytes(Encoding.DER) == certificate.public_bytes(Encoding.DER)
    sha256 = sign_tbs(tbs, key, algorithm=bytes.fromhex("300a06082a8648ce3d040302"))
    assert tbs in sha256
    assert sha256 != certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 70000])
def test_hand_made_der_has_the_lengths_that_der_wants(size: int) -> None:
    """Size-limit vectors would be refused as malformed."""
    key = INSTANCE.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    der = sign_tbs(bytes(size), key)
    head = 2 if der[1] < 128 else 2 + (der[1] & 127)
    length = der[1] if head == 2 else int.from_bytes(der[2:head])
    assert len(der) == head + length
    assert der[head:].startswith(bytes(size))


def test_a_chain_whose_leaf_cannot_sign_documents_is_refused() -> None:
    """An RSA leaf is made with `public_key`; its `key` could sign nothing."""
    with pytest.raises(TypeError, match="EC key"):
        issue_chain([*SPECS[:-1], replace(LEAF, key=RSA_KEY)])


def test_key_identifiers_follow_the_key_that_is_shown() -> None:
    """A swapped public key would drag along the identifier of the old one."""
    other = KEYS.private_key("shown").public_key()
    spec = replace(LEAF, public_key=other, extensions=(ExtensionSpec(value=KeyIdentifier.SUBJECT),))
    certificate = load(sign_certificate(spec, issuer=INSTANCE))
    shown = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert shown == x509.SubjectKeyIdentifier.from_public_key(other)
