"""docs/attestation-results.md: what it shows runs, and what it lists is all there is."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.service.harness import Running, enclave, make_settings, running
from tests.support.core import appraise, document
from tests.support.tokens import ISSUER, TO, TOKEN_ID, key, payload_of
from verifier.ear.keys import read_key
from verifier.ear.schema import EAR
from verifier.ear.signing import sign_jwt
from verifier.ear.vector import FINDINGS


@pytest.fixture(scope="module")
def page(checkout: Path) -> str:
    """The page."""
    return (checkout / "docs" / "attestation-results.md").read_text()


@pytest.fixture(scope="module")
def service(module_folder: Path) -> Iterator[Running]:
    """A service that signs, as the page's does."""
    with running(make_settings(module_folder, issuer=ISSUER.name, ephemeral_signing_key=True)) as started:
        yield started


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_its_python_verifies_a_token_of_the_service(
    page: str, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever copies it would be refused, or let everything in."""
    examples = blocks(page, "python")
    challenge = b"a challenge of the Relying Party"
    query = f"policy=open&result_audience=https://rp.example&result_nonce={challenge.hex()}"
    token = service.verify(enclave().attestation(), query, Accept="application/eat+jwt").body.decode()
    jwks = service.call("GET", "/.well-known/jwks.json").body.decode()

    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "page", "exec"), {"token": token, "jwks": jwks, "challenge": challenge})  # noqa: S102 - the page
    assert "v1" in capsys.readouterr().out


def test_its_python_refuses_a_rejected_token(page: str, service: Running) -> None:
    """A rejected result would pass the page's own example."""
    token = service.verify(
        enclave(debug=True).attestation(),
        f"policy=open&result_audience=https://rp.example&result_nonce={'00' * 8}",
        Accept="application/eat+jwt",
    ).body.decode()
    jwks = service.call("GET", "/.well-known/jwks.json").body.decode()
    for example in blocks(page, "python"):
        with pytest.raises(Exception, match=r"not-affirmed|affirming|^$"):
            exec(compile(example, "page", "exec"), {"token": token, "jwks": jwks, "challenge": bytes(8)})  # noqa: S102


def test_its_key_is_made_as_it_says(page: str, tmp_path: Path) -> None:
    """The first thing that an operator does would fail."""
    command = next(block for block in blocks(page, "sh") if "openssl" in block)
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True, capture_output=True, timeout=60)  # noqa: S607
    assert (tmp_path / "signing-1.pem").stat().st_mode & 0o077 == 0
    assert read_key((tmp_path / "signing-1.pem").read_bytes()).algorithm.jose == "ES256"


def test_it_names_every_claim_and_every_finding(page: str) -> None:
    """Somebody would meet a claim that nobody explains."""
    named = set(re.findall(r"`([a-z_.-]+)`", page))

    assert {name for name in EAR.members if name != "nbf"} <= named | {"iat", "exp"}
    assert {reason.value for reason in FINDINGS} <= named


def test_its_example_has_the_members_that_tokens_have(page: str) -> None:
    """The page would show a token that nobody makes."""
    [example] = [json.loads(block) for block in blocks(page, "json")]
    spki = key("P-384").public.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    result = appraise(document(public_key=spki, user_data=b"x"))
    token = payload_of(sign_jwt(result, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID))

    assert shape(example) == shape(token)


def shape(value: object, name: str = "") -> object:
    """The names in a JSON value; of PCRs only that there are some."""
    if isinstance(value, dict):
        return {} if name == "nitro_pcrs" else {each: shape(inner, each) for each, inner in value.items()}
    return type(value)
