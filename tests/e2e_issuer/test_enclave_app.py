"""The example application, from its start to a tag made with a secret that only KMS and the enclave know."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.e2e_issuer.enclave_world import CHECKOUT, EXAMPLE, World, console, enclave, serving_kms, world

SECRET = b"32 bytes that nobody else knows."
CREDENTIALS = {
    "Version": 1,
    "AccessKeyId": "ASIAEXAMPLE",
    "SecretAccessKey": "the-parents-secret-access-key",
    "SessionToken": "the-parents-session-token",
}
CONTEXT = {"application": "enclave-app", "secret": "signing-key", "version": "1"}


@pytest.fixture(scope="module")
def outside() -> Iterator[World]:
    with world() as started:
        yield started


def until_serving(outside: World, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while "serving challenges on" not in console(outside):
        assert process.poll() is None, console(outside)
        assert time.monotonic() < deadline, console(outside)
        time.sleep(0.05)


def client(outside: World, command: str, argument: str) -> Any:  # noqa: ANN401 - JSON
    """What the parent's client.py prints."""
    line = [sys.executable, str(EXAMPLE / "parent" / "client.py"), command, f"unix:{outside.folder}/requests", argument]
    given = json.dumps(CREDENTIALS)
    done = subprocess.run(line, input=given, capture_output=True, text=True, check=False, timeout=90)
    answer = json.loads(done.stdout)
    assert done.returncode == (1 if "error" in answer else 0), done.stderr
    return answer


def sealed(outside: World, secret: bytes, context: dict[str, str]) -> str:
    """A file with a ciphertext, as `aws kms encrypt --output text` writes it."""
    path = outside.folder / "secret.b64"
    path.write_text(base64.b64encode(outside.tls.kms.store(secret, context)).decode() + "\n")
    return str(path)


def challenged(outside: World) -> tuple[bytes, int, dict[str, Any]]:
    """Challenge the enclave with a nonce of the verifier's, and have the document judged."""
    nonce = str(outside.service.post("/v1/nonces", b'{"policy": "enclave-app"}', "application/json").body["nonce"])
    command = [sys.executable, "-m", "issuer.cli", "ask", f"unix:{outside.folder}/challenges", "--nonce", nonce]
    document = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    answer = outside.service.post("/v1/verify?policy=enclave-app", document, "application/cose")
    return document, answer.status, answer.body


def test_it_attests_and_uses_a_secret_that_only_kms_and_itself_can_read(outside: World) -> None:
    """This is all that the example is for."""
    with enclave(outside) as process:
        until_serving(outside, process)
        assert client(outside, "sign", "hello") == {"error": "locked"}
        _, status, body = challenged(outside)
        assert (status, body["verdict"], body["build"]) == (200, "affirmed", "v1")
        key = base64.urlsafe_b64decode(body["claims"]["public_key"] + "==")
        own = load_der_public_key(key)
        assert isinstance(own, ec.EllipticCurvePublicKey)
        assert challenged(outside)[2]["claims"]["public_key"] == body["claims"]["public_key"]
        ciphertext = sealed(outside, SECRET, CONTEXT)
        assert client(outside, "unlock", ciphertext) == {"unlocked": True}
        answer = client(outside, "sign", "hello")
        tag, signature = base64.b64decode(answer["tag"]), base64.b64decode(answer["signature"])
        assert tag == hmac.new(SECRET, b"hello", hashlib.sha256).digest()
        signed = b"enclave-app tag v1\0" + hashlib.sha384(b"hello").digest() + tag
        own.verify(signature, signed, ec.ECDSA(hashes.SHA384()))
        assert client(outside, "unlock", ciphertext) == {"error": "unlocked-already"}
    assert "Credential=ASIAEXAMPLE/" in outside.tls.authorizations[-1]
    said = console(outside)
    for secret in (SECRET.decode(), *CREDENTIALS.values(), Path(ciphertext).read_text().strip()):
        assert str(secret) == "1" or str(secret) not in said
    assert (outside.folder / "hosts").read_text() == "127.0.0.1 localhost\n"


def test_an_image_that_the_policy_does_not_name_serves_nobody(outside: World) -> None:
    """It would take secrets first and learn later that nobody trusts it."""
    with enclave(outside, build="enclave-app v2") as process:
        assert process.wait(60) != 0
    assert "RejectedError" in console(outside)
    assert "measurement.pcr-mismatch" in console(outside)
    assert not {"serving", "Traceback"} & set(console(outside).split())


@pytest.mark.parametrize(
    ("secret", "context", "why"),
    [
        (SECRET, {**CONTEXT, "version": "0"}, "InvalidCiphertextException"),
        (b"short", CONTEXT, "WeakSecretError"),
    ],
)
def test_another_ciphertext_of_the_same_key_is_not_taken(
    outside: World, secret: bytes, context: dict[str, str], why: str
) -> None:
    """The parent would choose what the enclave signs with."""
    with enclave(outside) as process:
        until_serving(outside, process)
        assert client(outside, "unlock", sealed(outside, secret, context)) == {"error": "not-unlocked"}
        assert client(outside, "sign", "hello") == {"error": "locked"}
    assert f"not unlocked: {why}\n" in console(outside)


def test_kms_in_anothers_name_gets_neither_document_nor_credentials(outside: World, tmp_path: Path) -> None:
    """Whoever carries the traffic would answer in KMS's place, with a secret of its own."""
    asked = len(outside.tls.authorizations)
    with serving_kms(tmp_path, outside.tls.kms) as other:
        (tmp_path / "ca.pem").write_bytes(other.certificate)
        with enclave(outside, ENCLAVE_KMS_CA=str(tmp_path / "ca.pem")) as process:
            until_serving(outside, process)
            assert client(outside, "unlock", sealed(outside, SECRET, CONTEXT)) == {"error": "not-unlocked"}
    assert "not unlocked: SSLError\n" in console(outside)
    assert len(outside.tls.authorizations) == asked


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "SettingsError: missing settings: ENCLAVE_KMS_KEY_ARN, ENCLAVE_POLICY"),
        (
            {"ENCLAVE_POLICY": "p", "ENCLAVE_KMS_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/x"},
            "NsmUnavailableError: opening /dev/nsm",
        ),
    ],
)
def test_what_the_image_runs_knows_no_nsm_but_the_device(settings: dict[str, str], why: str) -> None:
    """An image with a wrong kernel would come up with make-believe documents."""
    environment = {"PYTHONPATH": f"{EXAMPLE}:{CHECKOUT}", "ENCLAVE_VERIFIER": "unix:/x", **settings}
    command = [sys.executable, "-m", "enclave_app"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"CRITICAL {why}")
