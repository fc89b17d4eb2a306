"""Our tokens, read by those whom Relying Parties read them with: PyJWT, the npm package jose, pycose, plain COSE."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import cbor2
import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pycose.algorithms import Es256, Es384
from pycose.headers import KID, Algorithm
from pycose.keys.curves import P256, P384
from pycose.keys.ec2 import EC2Key
from pycose.messages.sign1message import Sign1Message

from tests.conftest import CHECKOUT
from tests.support.core import AT, NONCE, appraise, document
from tests.support.tokens import CURVES, ISSUER, TO, jwks, key, payload_of
from verifier import AttestationResult
from verifier.ear.signing import sign_cwt, sign_jwt

NODE = Path(sys.prefix) / "node"
RESULTS = {
    "affirmed": appraise(document()),
    "rejected": appraise(document(), nonce=NONCE + b"?"),
    "forged": appraise(b"not a document"),
}
REQUIRED = ["iss", "aud", "exp", "iat", "jti"]

both = pytest.mark.parametrize("curve", CURVES)
each = pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)


def with_pyjwt(token: str, *, audience: str = "https://rp.example", at: float = 0) -> dict[str, Any]:
    """Read a token as PyJWT's documentation shows, with the JWKS alone; its clock is the real one, ours is told."""
    key_set = jwt.PyJWKSet.from_json(jwks())
    signed_with = key_set[jwt.get_unverified_header(token)["kid"]]
    options = {"require": REQUIRED, "verify_exp": False, "verify_iat": False}
    claims = jwt.decode(
        token,
        signed_with,
        algorithms=[str(signed_with.algorithm_name)],
        audience=audience,
        issuer=ISSUER.name,
        options=cast("Any", options),
    )
    assert claims["iat"] <= (at or AT.timestamp()) < claims["exp"]
    return claims


@both
@each
def test_pyjwt_reads_a_token_with_the_jwks_alone(curve: str, result: AttestationResult) -> None:
    """Relying Parties in Python could not use our results."""
    token = sign_jwt(result, issuer=ISSUER, key=key(curve), to=TO)

    assert with_pyjwt(token) == payload_of(token)
    assert jwt.get_unverified_header(token)["typ"] == "eat+jwt"


@both
def test_pyjwt_refuses_it_for_another_audience_and_once_altered(curve: str) -> None:
    """What it accepts above would be accepted whatever it says."""
    token = sign_jwt(RESULTS["affirmed"], issuer=ISSUER, key=key(curve), to=TO)
    header, payload, signature = token.split(".")

    with pytest.raises(jwt.InvalidAudienceError):
        with_pyjwt(token, audience="https://other.example")
    with pytest.raises(jwt.InvalidSignatureError):
        with_pyjwt(f"{header}.{payload}.{signature[:8]}{'A' if signature[8] != 'A' else 'B'}{signature[9:]}")


def with_jose(tokens: list[str], *, at: str) -> list[dict[str, Any]]:
    """Read tokens with jose, in a process that knows nothing of ours but the JWKS."""
    if not (NODE / "node_modules" / "jose").is_dir():
        pytest.skip(f"{NODE} has no npm package jose: make setup installs it")
    script = (CHECKOUT / "tests" / "node" / "read-tokens.mjs").read_text()
    asked = {"jwks": json.loads(jwks()), "tokens": tokens, "issuer": ISSUER.name, "audience": TO.audience, "at": at}
    done = subprocess.run(
        [Path(sys.executable).with_name("node"), "--input-type=module", "--eval", script],
        input=json.dumps(asked), capture_output=True, text=True, check=True, cwd=NODE, timeout=60,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return cast("list[dict[str, Any]]", json.loads(done.stdout))


def test_the_npm_package_jose_reads_tokens_with_the_jwks_alone() -> None:
    """Relying Parties in JavaScript could not use our results."""
    tokens = [sign_jwt(result, issuer=ISSUER, key=key(curve), to=TO) for result in RESULTS.values() for curve in CURVES]
    elsewhere = sign_jwt(RESULTS["affirmed"], issuer=ISSUER, key=key())

    *read, refused = with_jose([*tokens, elsewhere], at=AT.isoformat())

    assert [reading["payload"] for reading in read] == [payload_of(token) for token in tokens]
    assert {reading["header"]["alg"] for reading in read} == {"ES256", "ES384", "EdDSA"}
    assert refused == {"refused": "ERR_JWT_CLAIM_VALIDATION_FAILED"}
    later = (AT + timedelta(minutes=6)).isoformat()
    assert with_jose(tokens[:1], at=later) == [{"refused": "ERR_JWT_EXPIRED"}]


def public_numbers(kid: str) -> tuple[str, bytes, bytes]:
    """A key of the JWKS, found by kid and read by hand: curve and coordinates."""
    entry = next(entry for entry in json.loads(jwks())["keys"] if entry["kid"] == kid)
    x, y = (jwt.utils.base64url_decode(entry.get(name, "")) for name in ("x", "y"))
    return entry["crv"], x, y


def is_signed(token: bytes) -> bool:
    """Verify a COSE_Sign1 as RFC 9052 section 4.4 says, with cbor2 and cryptography and nothing of ours."""
    tagged = cbor2.loads(token)
    assert (type(tagged), tagged.tag) == (cbor2.CBORTag, 18)
    protected, unprotected, payload, signature = tagged.value
    headers = cbor2.loads(protected)
    assert headers.keys() == {1, 4, 16}
    assert (headers[16], unprotected) == ("application/eat+cwt", {})
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    curve, x, y = public_numbers(headers[4].decode())
    try:
        if curve == "Ed25519":
            assert headers[1] == -8
            Ed25519PublicKey.from_public_bytes(x).verify(signature, signed)
            return True
        group, digest, alg = {
            "P-256": (ec.SECP256R1(), hashes.SHA256(), -7), "P-384": (ec.SECP384R1(), hashes.SHA384(), -35),
        }[curve]  # fmt: skip
        assert headers[1] == alg
        half = len(signature) // 2
        der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
        public = ec.EllipticCurvePublicKey.from_encoded_point(group, b"\x04" + x + y)
        public.verify(der, signed, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


@both
@each
def test_a_cwt_is_a_cose_sign1_as_the_rfc_says(curve: str, result: AttestationResult) -> None:
    """Only our own reader could read our own tokens."""
    token = sign_cwt(result, issuer=ISSUER, key=key(curve), to=TO)

    assert is_signed(token)
    assert not is_signed(token[:-1] + bytes([token[-1] ^ 1]))
    claims = cbor2.loads(cbor2.loads(token).value[2])
    assert claims[265] == "tag:ietf.org,2026:rats/ear#04"
    assert (claims[1], claims[3], claims[10]) == (ISSUER.name, TO.audience, TO.nonce)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_pycose_verifies_a_cwt_s_parts(curve: str) -> None:
    """Our Sig_structure would be another than everybody's."""
    token = sign_cwt(RESULTS["affirmed"], issuer=ISSUER, key=key(curve), to=TO)
    protected, _, payload, signature = cbor2.loads(token).value
    _, x, y = public_numbers(key(curve).kid)
    algorithm, group = {"P-256": (Es256, P256), "P-384": (Es384, P384)}[curve]
    message = Sign1Message(phdr={Algorithm: algorithm, KID: key(curve).kid.encode()}, uhdr={}, payload=payload)
    message.key = EC2Key(crv=group, x=x, y=y)
    # It writes the headers it knows anew, and typ is not among them, so it is given the bytes that were signed.
    message._phdr_encoded = protected
    message._signature = signature
    assert message.phdr_encoded == protected

    assert message.verify_signature()
    message._signature = signature[:-1] + bytes([signature[-1] ^ 1])
    assert not message.verify_signature()
