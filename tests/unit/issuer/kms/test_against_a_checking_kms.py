"""The whole flow: software NSM, real boto3 client, a KMS that checks documents with the verifier."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from issuer.kms import PinnedKey, RecipientSession
from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from tests.unit.issuer.kms.boto import ClientError
from tests.unit.issuer.kms.fake_kms import ARN, FakeKms
from verifier import Verifier, load_anchor, read_policy

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PKI = ThrowawayPki(seed=b"kms")
CONTEXT = {"purpose": "payments"}
KEY = PinnedKey(arn=ARN, encryption_context=CONTEXT)
POLICY = 'name = "kms"\nnonce = "none"\n[[build]]\nname = "v1"\n[build.pcrs]\n' + "".join(
    f'{index} = "{value.hex()}"\n' for index, value in build_pcrs("payments v1").items()
)


@pytest.fixture
def kms() -> FakeKms:
    """A KMS whose key policy names one build."""
    anchor = load_anchor(PKI.root_der, name="throwaway", sha256=PKI.root_sha256.hex())
    return FakeKms(verifier=Verifier(anchors=(anchor,)), policy=read_policy(POLICY), at=AT)


def enclave(kms: FakeKms, *, build: str = "payments v1", debug: bool = False) -> RecipientSession:
    """A session in an enclave that runs a build."""
    nsm = SoftwareNsm(clock=lambda: AT, pki=PKI, build=build, debug=debug)
    return RecipientSession(kms.client(), lambda key: nsm.attestation(public_key=key))


def test_an_enclave_decrypts_what_was_encrypted_for_its_build(kms: FakeKms) -> None:
    """This is what the product is for."""
    blob = kms.store(b"database password", CONTEXT)
    with enclave(kms) as session:
        assert session.decrypt(blob, KEY).plaintext == b"database password"
        data_key = session.generate_data_key(KEY)
        assert session.decrypt(data_key.ciphertext_blob, KEY).plaintext == data_key.plaintext
        assert len(session.generate_random(100).plaintext) == 100


def test_key_pairs_and_shared_secrets_come_through(kms: FakeKms) -> None:
    """Their secrets are larger or have no fixed size."""
    own = ec.generate_private_key(ec.SECP256R1())
    public_key = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with enclave(kms) as session:
        pair = session.generate_data_key_pair(KEY, key_pair_spec="ECC_NIST_P256")
        agreed = session.derive_shared_secret(public_key, PinnedKey(arn=ARN))
    assert load_der_private_key(pair.private_key, None).public_key() == load_der_public_key(pair.public_key)
    assert agreed.shared_secret == own.exchange(ec.ECDH(), kms.agreement_key.public_key())


@pytest.mark.parametrize(("build", "debug"), [("payments v2", False), ("payments v1", True)])
def test_another_build_and_a_debug_enclave_get_nothing(kms: FakeKms, build: str, debug: bool) -> None:  # noqa: FBT001 - a case of the table
    """The document must be the NSM's and bind the key, or this KMS would not be checking anything."""
    blob = kms.store(b"database password", CONTEXT)
    with enclave(kms, build=build, debug=debug) as session, pytest.raises(ClientError, match="AccessDenied"):
        session.decrypt(blob, KEY)


def test_a_ciphertext_for_another_purpose_is_not_decrypted(kms: FakeKms) -> None:
    """Swapping stored ciphertexts is the attack that the encryption context stops."""
    refunds = kms.store(b"another password", {"purpose": "refunds"})
    with enclave(kms) as session, pytest.raises(ClientError, match="InvalidCiphertext"):
        session.decrypt(refunds, KEY)
