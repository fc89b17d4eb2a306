"""OpenSSL's own CMS code as second opinion, in both directions."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from issuer.kms import EnvelopeError, KeyBits, RecipientKey
from tests.unit.issuer.kms.envelopes import STYLES, Style, seal

OAEP_SHA256 = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
SECRET = bytes(range(256)) * 3


def openssl(*arguments: str | Path) -> None:
    """Run ``openssl cms``; without it these facts are unproven, so its absence is a failure."""
    program = shutil.which("openssl")
    assert program is not None, "the openssl command is not installed"
    subprocess.run([program, "cms", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def certificate(key: RecipientKey, folder: Path) -> Path:
    """A self-signed certificate with a subject key identifier: how OpenSSL is told a public key."""
    private_key = key._private_key
    assert private_key is not None
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recipient")])
    builder = x509.CertificateBuilder(name, name, private_key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2036, 1, 1, tzinfo=UTC)
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(private_key.public_key())
    path = folder / f"{id(key)}.pem"
    signed = builder.add_extension(identifier, critical=False).sign(private_key, hashes.SHA256())
    path.write_bytes(signed.public_bytes(Encoding.PEM))
    return path


def sealed_by_openssl(key: RecipientKey, folder: Path, *options: str | Path) -> bytes:
    """Encrypt `SECRET` to a key."""
    clear, sealed = folder / "clear", folder / "sealed"
    clear.write_bytes(SECRET)
    recipient = ("-recip", certificate(key, folder))
    openssl("-encrypt", "-binary", "-in", clear, "-outform", "DER", "-out", sealed, *recipient, *options)
    return sealed.read_bytes()


@pytest.mark.parametrize("bits", [2048, 3072])
@pytest.mark.parametrize("stream", [(), ("-stream",)], ids=["definite", "indefinite"])
@pytest.mark.parametrize("identifier", [(), ("-keyid",)], ids=["issuer and serial", "key id"])
def test_what_openssl_encrypts_is_opened(
    bits: KeyBits, stream: tuple[str, ...], identifier: tuple[str, ...], tmp_path: Path
) -> None:
    """A reader that knows only its own writer may share a mistake with it."""
    key = RecipientKey(bits)
    assert key.open(sealed_by_openssl(key, tmp_path, "-aes256", *OAEP_SHA256, *stream, *identifier)) == SECRET


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_what_the_tests_write_is_opened_by_openssl(recipient_key: RecipientKey, style: Style, tmp_path: Path) -> None:
    """Otherwise the tests would prove that two of our own programs agree."""
    private_key = recipient_key._private_key
    assert private_key is not None
    sealed, opened, pem = tmp_path / "sealed", tmp_path / "opened", tmp_path / "key.pem"
    sealed.write_bytes(style.write(seal(recipient_key.public_key, SECRET)))
    pem.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    openssl("-decrypt", "-binary", "-inform", "DER", "-in", sealed, "-inkey", pem, "-out", opened)
    assert opened.read_bytes() == SECRET


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("-aes256",), "RSAES-OAEP"),  # PKCS #1 v1.5 is OpenSSL's default
        (("-aes256", "-keyopt", "rsa_padding_mode:oaep"), "RSAES-OAEP"),  # with SHA-1
        (("-aes256", *OAEP_SHA256, "-keyopt", "rsa_mgf1_md:sha1"), "RSAES-OAEP"),
        (("-aes256", *OAEP_SHA256, "-keyopt", "rsa_oaep_label:6c"), "RSAES-OAEP"),
        (("-aes128", *OAEP_SHA256), "AES-256-CBC"),
        (("-des3", *OAEP_SHA256), "AES-256-CBC"),
        (("-aes-256-gcm", *OAEP_SHA256), "not EnvelopedData"),
    ],
)
def test_what_openssl_does_otherwise_is_refused(
    recipient_key: RecipientKey, options: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    """The sender must not get to choose the algorithms."""
    with pytest.raises(EnvelopeError, match=complaint):
        recipient_key.open(sealed_by_openssl(recipient_key, tmp_path, *options))


def test_a_second_recipient_is_refused(recipient_key: RecipientKey, tmp_path: Path) -> None:
    """It is a second reader."""
    other = certificate(RecipientKey(), tmp_path)
    options = ("-aes256", *OAEP_SHA256, "-recip", other, *OAEP_SHA256)
    with pytest.raises(EnvelopeError, match="2 recipients"):
        recipient_key.open(sealed_by_openssl(recipient_key, tmp_path, *options))
