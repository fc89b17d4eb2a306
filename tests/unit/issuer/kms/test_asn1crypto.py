"""The CMS of asn1crypto as second opinion: what LocalStack writes its answers with."""

import pytest
from asn1crypto import algos, cms, x509

from issuer.kms import RecipientKey, decode_envelope
from tests.unit.issuer.kms.envelopes import STYLES, Style, seal

SECRET = b"a secret of 23 bytes ..."


@pytest.mark.parametrize("style", [*STYLES.values(), Style(chunk=16), Style(chunk=5)])
def test_asn1crypto_reads_the_same_parts(recipient_key: RecipientKey, style: Style) -> None:
    """Two readers that differ on an envelope decrypt two secrets."""
    data = style.write(seal(recipient_key.public_key, SECRET))
    theirs = cms.ContentInfo.load(data, strict=True)["content"]
    (recipient,) = theirs["recipient_infos"]
    content = theirs["encrypted_content_info"]
    ours = decode_envelope(data)
    assert ours.wrapped_key == recipient.chosen["encrypted_key"].native
    assert ours.iv == content["content_encryption_algorithm"]["parameters"].native
    assert ours.ciphertext == content["encrypted_content"].native


def test_what_asn1crypto_writes_is_opened(recipient_key: RecipientKey) -> None:
    """LocalStack puts its envelopes together like this: DER, version 0, issuer "recipient" and serial number 1."""
    sealed = seal(recipient_key.public_key, SECRET)
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    mask = {"algorithm": "mgf1", "parameters": sha256}
    parameters = algos.RSAESOAEPParams({"hash_algorithm": sha256, "mask_gen_algorithm": mask})
    issuer = x509.Name.build({"common_name": "recipient"})
    recipient = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": {"issuer_and_serial_number": {"issuer": issuer, "serial_number": 1}},
            "key_encryption_algorithm": {"algorithm": "rsaes_oaep", "parameters": parameters},
            "encrypted_key": sealed.wrapped_key,
        }
    )
    content = {
        "content_type": "data",
        "content_encryption_algorithm": {"algorithm": "aes256_cbc", "parameters": sealed.iv},
        "encrypted_content": sealed.ciphertext,
    }
    enveloped = {"version": "v0", "recipient_infos": [recipient], "encrypted_content_info": content}
    data = cms.ContentInfo({"content_type": "enveloped_data", "content": cms.EnvelopedData(enveloped)}).dump()
    assert recipient_key.open(data) == SECRET
