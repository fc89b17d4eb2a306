import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from issuer.nsm import IssuedChain, ThrowawayPki

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENCLAVE_ID = bytes.fromhex("019b5640fdf630d6")
PKI = ThrowawayPki(seed=b"pki")
REAL_DOCUMENTS = Path(__file__).parents[5] / "shared" / "real-documents"
GENUINE = sorted([*REAL_DOCUMENTS.glob("*_enc_*.cbor"), *REAL_DOCUMENTS.glob("*_dbg_*.cbor")])


def certificates(chain: IssuedChain) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der) for der in (*chain.cabundle, chain.certificate)]


def name_shape(name: x509.Name) -> list[tuple[str, str]]:
    return [(attribute.oid.dotted_string, attribute._type.name) for rdn in name.rdns for attribute in rdn]


def extension_shape(extension: x509.Extension[Any]) -> tuple[str, bool, object]:
    match extension.value:
        case x509.BasicConstraints() | x509.KeyUsage():
            content: object = extension.value.public_bytes()
        case x509.AuthorityKeyIdentifier(key_identifier=identifier, authority_cert_issuer=issuer):
            content = (len(identifier or b""), issuer)
        case x509.SubjectKeyIdentifier(digest=digest):
            content = len(digest)
        case _:
            content = type(extension.value).__name__
    return extension.oid.dotted_string, extension.critical, content


def shape(certificate: x509.Certificate) -> dict[str, object]:
    """All of a certificate that is form and not content."""
    key = certificate.public_key()
    return {
        "version": certificate.version,
        "signature": certificate.signature_algorithm_oid.dotted_string,
        "curve": key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None,
        "issuer": name_shape(certificate.issuer),
        "subject": name_shape(certificate.subject),
        "extensions": [extension_shape(extension) for extension in certificate.extensions],
    }


@pytest.mark.skipif(not GENUINE, reason="genuine documents are not part of the repository")
@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.stem)
def test_each_level_has_the_shape_of_a_genuine_certificate(path: Path) -> None:
    """What is tested against the throwaway PKI would prove nothing about AWS's."""
    payload = cbor2.loads(cbor2.loads(path.read_bytes())[2])
    genuine = [x509.load_der_x509_certificate(der) for der in (*payload["cabundle"], payload["certificate"])]
    key_ids = len(genuine[-2].extensions) == 4  # since mid-2024
    ours = certificates(replace(PKI, instance_key_ids=key_ids).issue(enclave_id=ENCLAVE_ID, at=AT))
    assert [shape(one) for one in genuine] == [shape(one) for one in ours]


def test_validity_is_that_of_awss_table() -> None:
    """The cache and the clock rules of a verifier are tuned to these lifetimes."""
    chain = certificates(PKI.issue(enclave_id=ENCLAVE_ID, at=AT + timedelta(milliseconds=999)))
    assert [one.not_valid_after_utc - one.not_valid_before_utc for one in chain] == [
        timedelta(days=10958, hours=1),
        timedelta(days=20, hours=1),
        timedelta(days=5, hours=17),
        timedelta(hours=24),
        timedelta(hours=3, seconds=3),
    ]
    assert chain[-1].not_valid_before_utc == AT - timedelta(seconds=3)
    assert chain[-1].not_valid_after_utc == AT + timedelta(hours=3)


def test_the_leafs_serial_is_enclave_id_then_time() -> None:
    """All genuine leaves tie serial, module_id and time together."""
    leaf = certificates(PKI.issue(enclave_id=ENCLAVE_ID, at=AT))[-1]
    assert f"{leaf.serial_number:032x}" == "019b5640fdf630d600000000" + f"{int(AT.timestamp()):08x}"


@pytest.mark.parametrize("intermediates", range(1, 7))
@pytest.mark.parametrize("hours", [0, 7, 50, 1000, 20000])
def test_every_chain_is_linked_valid_and_counted_down(intermediates: int, hours: int) -> None:
    """Path validation of chains that AWS does not issue today could not be tested, nor could long runs."""
    at = AT + timedelta(hours=hours)
    chain = certificates(replace(PKI, intermediates=intermediates).issue(enclave_id=ENCLAVE_ID, at=at))
    for issuer, issued in pairwise(chain):
        issued.verify_directly_issued_by(issuer)
        assert issuer.not_valid_before_utc < issued.not_valid_before_utc
        assert chain[-1].not_valid_after_utc < issuer.not_valid_after_utc
    constraints = [one.extensions.get_extension_for_class(x509.BasicConstraints).value for one in chain]
    assert [one.path_length for one in constraints] == [None, *reversed(range(intermediates)), None]
    assert [one.ca for one in constraints] == [True] * (intermediates + 1) + [False]
    assert max(len(der) for der in PKI.issue(enclave_id=ENCLAVE_ID, at=at).cabundle) <= 1024


def test_successive_leaves_share_their_issuers() -> None:
    """A verifier's cache of issuers would never hit in tests, and always hits in the field."""
    first = PKI.issue(enclave_id=ENCLAVE_ID, at=AT)
    second = PKI.issue(enclave_id=ENCLAVE_ID, at=AT + timedelta(hours=1))
    assert first.cabundle == second.cabundle
    assert first.certificate != second.certificate


def test_the_same_seed_makes_the_same_bytes_and_no_seed_never_does() -> None:
    """Vectors would change with every regeneration, or everybody would share one default root."""
    again = ThrowawayPki(seed=b"pki")
    ours, theirs = (pki.issue(enclave_id=ENCLAVE_ID, at=AT) for pki in (PKI, again))
    assert (ours.cabundle, ours.certificate) == (theirs.cabundle, theirs.certificate)
    assert ThrowawayPki().root_der != ThrowawayPki().root_der


def test_one_root_serves_all_regions_and_instances_of_a_seed() -> None:
    """Vectors pin one throwaway root; `replace` must not change it, seeded or not."""
    random = ThrowawayPki()
    variant = replace(random, region="ap-southeast-1", instance_id="i-0fedcba9876543210", intermediates=5)
    assert variant.root_der == random.root_der
    assert variant.root_der == variant.issue(enclave_id=ENCLAVE_ID, at=AT).cabundle[0]


def test_nobody_can_mistake_a_certificate_for_awss() -> None:
    """A test root in a production trust store should be seen at a glance."""
    pki = replace(PKI, region="ap-southeast-1", intermediates=6)
    for certificate in certificates(pki.issue(enclave_id=ENCLAVE_ID, at=AT)):
        organisation, common_name = (
            str(certificate.subject.get_attributes_for_oid(oid)[0].value)
            for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        )
        assert organisation == "nitro-verifier THROWAWAY TEST"
        assert "not-aws" in common_name
        assert len(common_name) <= 64
        assert b"amazon" not in certificate.tbs_certificate_bytes.lower()


def test_the_root_can_be_pinned() -> None:
    """A verifier takes an anchor as PEM with its fingerprint."""
    root = x509.load_pem_x509_certificate(PKI.root_pem.encode())
    assert root == x509.load_der_x509_certificate(PKI.root_der)
    assert PKI.root_sha256 == hashlib.sha256(PKI.root_der).digest()


def test_instance_certificates_had_no_key_identifiers_before_2024() -> None:
    """Archived documents have such chains."""
    old = certificates(replace(PKI, instance_key_ids=False).issue(enclave_id=ENCLAVE_ID, at=AT))[-2]
    assert [type(one.value) for one in old.extensions] == [x509.BasicConstraints, x509.KeyUsage]


@pytest.mark.parametrize(
    "settings", [{"intermediates": 0}, {"intermediates": 7}, {"instance_id": "i-123"}, {"instance_id": "host"}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    """A chain of no intermediates, or of an instance that cannot exist, is a mistake in the caller."""
    with pytest.raises(ValueError, match=r"intermediates|instance id"):
        ThrowawayPki(**settings)


def test_enclave_ids_have_eight_bytes_and_times_a_zone() -> None:
    """A short id would shift the leaf's serial; a naive time would be read in the local zone."""
    with pytest.raises(ValueError, match="8 bytes"):
        PKI.issue(enclave_id=b"short", at=AT)
    with pytest.raises(TypeError, match="offset-naive"):
        PKI.issue(enclave_id=ENCLAVE_ID, at=AT.replace(tzinfo=None))
