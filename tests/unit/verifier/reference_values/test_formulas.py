"""PCRs out of certificates, role ARNs and instance ids."""

import hashlib

import pytest

from issuer import nsm
from tests.support.eif_writer import signer
from verifier.reference_values.formulas import certificate_der, content_pcr, instance_pcr, role_pcr, signer_pcr

SIGNER = signer()
EMPTY = "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a"
ROLE = "78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef4fc1f1a452e315b9e98f9e312e6921e6"
INSTANCE = "08f996b5d43e047a9eb51e7f548bfee7e164fd7dc8f65541f2ac09d6545ac812719327281c401a67a10fcba87ae79ce0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (role_pcr("arn:aws:iam::123456789012:role/Webserver"), ROLE),
        (instance_pcr("i-1234567890abcdef0"), INSTANCE),
        (content_pcr(hashlib.sha384().digest()), EMPTY),  # PCR2 of genuine images with one ramdisk
    ],
)
def test_formulas_give_the_published_values(value: bytes, expected: str) -> None:
    """No policy made here would ever match an enclave."""
    assert value.hex() == expected


def test_both_parties_compute_the_same() -> None:
    """The enclave's side would show other values than policies expect."""
    role, instance, content = "arn:aws:iam::123456789012:role/é", "i-0123456789abcdef0", b"content"
    assert role_pcr(role) == nsm.role_pcr(role)
    assert instance_pcr(instance) == nsm.instance_pcr(instance)
    assert content_pcr(hashlib.sha384(content).digest()) == nsm.measured(content)


def test_pcr8_is_of_the_der_whatever_form_the_certificate_comes_in() -> None:
    """A policy would depend on how the operator keeps certificates."""
    expected = hashlib.sha384(bytes(48) + hashlib.sha384(SIGNER.der).digest()).digest()
    assert signer_pcr(SIGNER.pem) == signer_pcr(SIGNER.der) == expected
    assert certificate_der(b"subject: somebody\n" + SIGNER.pem) == SIGNER.der


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no certificate",
        SIGNER.der + b"\0",
        SIGNER.der[:-1],
        SIGNER.pem + signer(name="another").pem,
        SIGNER.pem + SIGNER.pem,
        SIGNER.pem + b"-----BEGIN PRIVATE KEY-----",
        SIGNER.pem.replace(b"-----END", b"A-----END", 1),
        SIGNER.pem.replace(b"-----END CERTIFICATE-----", b""),
        SIGNER.pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
    ],
)
def test_whatever_is_not_one_certificate_is_refused(data: bytes) -> None:
    """PCR8 would be of a certificate that the operator does not mean."""
    with pytest.raises(ValueError):  # noqa: PT011 - cryptography's own among them
        signer_pcr(data)
