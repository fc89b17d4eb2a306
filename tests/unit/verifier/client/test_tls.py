"""TLS: by default the system's roots and the host's name, and never less than what the caller's context wants."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.unit.verifier.client.conftest import Ask
from tests.unit.verifier.client.fakes import NONCE, give_nonce, verifier
from verifier.client import ClientError, VerifierProtocolError


def certificate(folder: Path, host: str) -> Path:
    """Write a key and a certificate of its own making into one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are."""
    made = tmp_path_factory.mktemp("tls")
    certificate(made, "localhost")
    certificate(made, "elsewhere.example")
    return made


def server(folder: Path, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{host}.pem")
    return context


def trusting(folder: Path, host: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / f"{host}.pem")


def test_a_private_ca_is_trusted_by_the_callers_context(ask: Ask, folder: Path) -> None:
    """A verifier inside a company could not be asked."""
    with verifier(give_nonce, tls=server(folder, "localhost")) as fake:
        assert ask(fake.url, lambda client: client.nonce(), tls=trusting(folder, "localhost")).value == NONCE


def test_a_certificate_of_nobodys_is_refused_and_not_tried_again(ask: Ask, folder: Path) -> None:
    """Whoever is on the way could affirm anything."""
    with verifier(give_nonce, tls=server(folder, "localhost")) as fake:
        with pytest.raises(VerifierProtocolError, match="TLS failed"):
            ask(fake.url, lambda client: client.nonce())
        assert fake.requests == []


def test_a_certificate_for_another_host_is_refused(ask: Ask, folder: Path) -> None:
    """Anybody with a certificate of the same CA could affirm anything."""
    with (
        verifier(give_nonce, tls=server(folder, "elsewhere.example")) as fake,
        pytest.raises(VerifierProtocolError, match="TLS failed"),
    ):
        ask(fake.url, lambda client: client.nonce(), tls=trusting(folder, "elsewhere.example"))


def test_no_answer_in_plain_http_is_taken_for_https(ask: Ask) -> None:
    """TLS could be taken away on the way."""
    with verifier(give_nonce) as fake, pytest.raises(ClientError):
        ask(fake.url.replace("http:", "https:"), lambda client: client.nonce())
    assert fake.requests == []
