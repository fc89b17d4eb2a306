"""The parts of the example application that its whole run, in tests/e2e_issuer, does not show."""

import asyncio
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from enclave_app.identity import Identity
from enclave_app.network import bring_loopback_up, lead_to_loopback
from enclave_app.secret import Credentials
from enclave_app.service import Service
from enclave_app.settings import Settings, SettingsError
from issuer.nsm import Nsm, SoftwareBackend, SoftwareNsm
from issuer.vsock import TcpAddress, VsockAddress

ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
IMAGE = {"ENCLAVE_POLICY": "enclave-app", "ENCLAVE_KMS_KEY_ARN": ARN}
NSM = Nsm(SoftwareBackend(SoftwareNsm(clock=lambda: datetime(2026, 3, 1, tzinfo=UTC))))
IDENTITY = Identity(ec.generate_private_key(ec.SECP384R1()))
CREDENTIALS = {"access_key_id": "a", "secret_access_key": "b", "session_token": "c"}


def answer(message: bytes) -> object:
    async def ask() -> bytes:
        return await Service(Settings.read(IMAGE), NSM, IDENTITY)(message)

    return json.loads(asyncio.run(ask()))


def test_an_image_that_says_only_what_it_must_has_nitros_addresses() -> None:
    """It would listen or connect where nobody is."""
    settings = Settings.read({**IMAGE, "PATH": "/bin", "ENCLAVE_VERIFIER": ""})
    assert settings.verifier == VsockAddress(cid=3, port=8080)
    assert settings.kms_proxy == VsockAddress(cid=3, port=8000)
    assert settings.kms_endpoint == "https://kms.eu-west-1.amazonaws.com"
    assert (settings.kms_host, settings.region) == ("kms.eu-west-1.amazonaws.com", "eu-west-1")
    assert settings.kms_entrance == TcpAddress(host="127.0.0.1", port=443)
    assert settings.kms_ca is None


def test_a_key_in_china_is_asked_for_in_china() -> None:
    """Its endpoints have another name."""
    arn = ARN.replace("aws:kms:eu-west-1", "aws-cn:kms:cn-north-1")
    assert Settings.read({**IMAGE, "ENCLAVE_KMS_KEY_ARN": arn}).kms_host == "kms.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ENCLAVE_POLICY": ""}, "missing settings: ENCLAVE_POLICY"),
        ({"ENCLAVE_KMS_KEY": ARN}, "unknown settings: ENCLAVE_KMS_KEY"),
        ({"ENCLAVE_KMS_KEY_ARN": "alias/secret"}, "not the ARN of a KMS key"),
        ({"ENCLAVE_VERIFIER": "3:8080"}, "an address is"),
        ({"ENCLAVE_KMS_ENDPOINT": "http://kms.eu-west-1.amazonaws.com"}, "is an https:// URL"),
        ({"ENCLAVE_KMS_ENDPOINT": "https://"}, "is an https:// URL"),
        ({"ENCLAVE_KMS_ENDPOINT": "https://kms:99999"}, "ort"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, str], problem: str) -> None:
    """A typing error in the Dockerfile would be measured, attested and trusted."""
    with pytest.raises(SettingsError, match=problem):
        Settings.read({**IMAGE, **changes})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b'{"do": "show"}',
        b'{"do": "sign"}',
        b'{"do": "sign", "message": "%"}',
        b'{"do": "sign", "message": "", "key": ""}',
        b'{"do": "unlock", "ciphertext": ""}',
        json.dumps({"do": "unlock", "ciphertext": "", "credentials": {**CREDENTIALS, "endpoint": "x"}}).encode(),
        b"[" * 5000,
    ],
)
def test_what_is_no_request_is_one_word(message: bytes) -> None:
    """The parent would learn how we read, or end the service with one message."""
    assert answer(message) == {"error": "malformed"}


@given(st.binary(max_size=100))
def test_any_bytes_have_an_answer_that_gives_nothing_away(message: bytes) -> None:
    """The same, for what nobody thought of."""
    assert answer(message) in ({"error": "malformed"}, {"error": "locked"})


def test_without_a_secret_nothing_is_signed() -> None:
    """Tags made with nothing would be accepted by whoever has no secret either."""
    assert answer(b'{"do": "sign", "message": ""}') == {"error": "locked"}


def test_what_the_parent_handed_over_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Credentials would be in the console, and in whatever collects it."""
    with caplog.at_level(logging.DEBUG):
        request = {"do": "unlock", "ciphertext": "AAAA", "credentials": CREDENTIALS | {"session_token": "t0ken"}}
        settings = {"ENCLAVE_KMS_ENDPOINT": "https://localhost:1"}

        async def ask() -> bytes:
            logging.getLogger("botocore").setLevel(logging.INFO)  # what it has to say in debug is its own business
            return await Service(Settings.read({**IMAGE, **settings}), NSM, IDENTITY)(json.dumps(request).encode())

        assert json.loads(asyncio.run(ask())) == {"error": "not-unlocked"}
    assert "not unlocked: EndpointConnectionError" in caplog.text
    assert "t0ken" not in caplog.text
    assert "t0ken" not in repr(Credentials(access_key_id="a", secret_access_key="b", session_token="t0ken"))


def test_an_identity_is_of_a_kind_that_signs_as_the_readme_says() -> None:
    """Whoever checks signatures would find none that he can check."""
    with pytest.raises(TypeError, match="elliptic curve"):
        Identity(rsa.generate_private_key(65537, 2048))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "127.0.0.1 kms.example\n"),
        ("", "127.0.0.1 kms.example\n"),
        ("::1 kms.example", "::1 kms.example\n127.0.0.1 kms.example\n"),
        ("127.0.0.1 kms.example.org\n", "127.0.0.1 kms.example.org\n127.0.0.1 kms.example\n"),
        ("127.0.0.1 localhost kms.example\n", "127.0.0.1 localhost kms.example\n"),
    ],
)
def test_a_name_leads_to_the_loopback_and_is_written_once(before: str | None, after: str, tmp_path: Path) -> None:
    """TLS would ask another name's certificate, or the file would grow with each start."""
    hosts = tmp_path / "hosts"
    if before is not None:
        hosts.write_text(before)
    for _ in range(2):
        lead_to_loopback("kms.example", hosts)
    assert hosts.read_text() == after


def test_a_loopback_that_is_up_is_left_alone() -> None:
    """An application without privileges would fail where there is nothing to do."""
    assert bring_loopback_up() is False


def test_a_loopback_that_is_down_is_brought_up(checkout: Path) -> None:
    """Nothing of the enclave's own would reach anything else of it: in an enclave nobody does this for us."""
    script = (
        "import socket; from enclave_app.network import bring_loopback_up as up\n"
        "print(up(), up()); socket.create_server(('127.0.0.1', 0)).close()"
    )
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-c", script]
    path = {"PYTHONPATH": str(checkout / "examples" / "enclave-app")}
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=False)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert (done.stdout, done.stderr) == ("True False\n", "")
