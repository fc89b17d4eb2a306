"""Keys from files: three kinds are taken, everything else is refused with a word that helps."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.tokens import CURVES, key
from verifier import ConfigurationError
from verifier.ear.keyrings import SigningKeys, ephemeral_signing_keys
from verifier.ear.keys import EarKey, generate_key, key_of_jwk, read_key

P256, P384, ED = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()), Ed25519PrivateKey
PRIVATE: dict[str, Any] = {"P-256": P256, "P-384": P384, "Ed25519": ED.generate()}


def pem(private: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:  # noqa: ANN401 - any kind of key
    encoded: bytes = private.private_bytes(Encoding.PEM, form, NoEncryption())
    return encoded


def public_pem(private: Any) -> bytes:  # noqa: ANN401 - as above
    encoded: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def private_jwk(of: EarKey) -> dict[str, Any]:
    assert of.private is not None
    return dict(of.private.as_dict(private=True))


@pytest.mark.parametrize("curve", CURVES)
def test_a_key_is_the_same_in_every_form(curve: str) -> None:
    """A rotation from PEM to JWK would be a new key to every Relying Party."""
    private = PRIVATE[curve]
    read = read_key(pem(private))
    as_jwk = read_key(json.dumps(private_jwk(read)).encode())
    public = read_key(public_pem(private))

    assert read.kid == as_jwk.kid == public.kid
    assert read.algorithm.curve == curve
    assert read.public_jwk() == as_jwk.public_jwk() == public.public_jwk()
    assert read.private is not None
    assert as_jwk.private is not None
    assert public.private is None


def test_sec1_is_read_as_openssl_writes_it() -> None:
    """`openssl ecparam -genkey` writes the curve first, and the key after it."""
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    sec1 = pem(P256, PrivateFormat.TraditionalOpenSSL)

    assert read_key(sec1).kid == read_key(parameters + sec1).kid == read_key(pem(P256)).kid


def test_kid_is_the_thumbprint_of_rfc_7638() -> None:
    """Nobody could find the key that a token names by its content (this is RFC 8037's example key, appendix A.3)."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

    assert key_of_jwk(jwk).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_jwk_s_own_kid_and_use_do_not_matter_where_they_agree() -> None:
    """A key from elsewhere could not be used."""
    jwk = private_jwk(key()) | {"kid": "my key", "use": "sig", "alg": "ES256", "key_ops": ["sign"]}

    assert read_key(json.dumps(jwk).encode()).kid == key().kid


def padded(jwk: dict[str, Any], name: str) -> dict[str, Any]:
    return jwk | {name: jwk[name] + "="}


EC_JWK, OKP_JWK = private_jwk(key("P-256")), private_jwk(key("Ed25519"))
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "neither a JWK nor one PEM key"),
    "words": (b"secret", "neither a JWK nor one PEM key"),
    "DER": (P256.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "neither a JWK nor one PEM key"),
    "too long": (b" " * 20_000, "longer than"),
    "encrypted": (
        P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")), "encrypted",
    ),
    "RSA": (pem(rsa.generate_private_key(65537, 2048)), "another kind"),
    "P-521": (pem(ec.generate_private_key(ec.SECP521R1())), "another kind"),
    "secp256k1": (pem(ec.generate_private_key(ec.SECP256K1())), "another kind"),
    "Ed448": (pem(Ed448PrivateKey.generate()), "another kind"),
    "X25519": (pem(X25519PrivateKey.generate()), "another kind"),
    "a broken PEM": (pem(P256).replace(b"M", b"N"), "neither a JWK nor one PEM key"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "neither"),
    "JSON that is no object": (b"{]", "begins like a JWK"),
    "a JWK with a name twice": (b'{"kty":"EC","kty":"EC"}', "begins like a JWK"),
    "a JWK set": (json.dumps({"keys": [EC_JWK]}).encode(), "another kind"),
    "a secret": (b'{"kty":"oct","k":"AAAA"}', "another kind"),
    "an RSA JWK": (b'{"kty":"RSA","n":"AQAB","e":"AQAB"}', "another kind"),
    "kty and crv of two kinds": (json.dumps(EC_JWK | {"kty": "OKP"}).encode(), "another kind"),
    "crv of no text": (json.dumps(EC_JWK | {"crv": ["P-256"]}).encode(), "another kind"),
    "for encryption": (json.dumps(EC_JWK | {"use": "enc"}).encode(), "another use"),
    "for another algorithm": (json.dumps(EC_JWK | {"alg": "ES384"}).encode(), "another use"),
    "for HMAC": (json.dumps(EC_JWK | {"alg": "HS256"}).encode(), "another use"),
    "no x": (json.dumps({"kty": "EC", "crv": "P-256"}).encode(), "not a well-formed JWK"),
    "x of no text": (json.dumps(EC_JWK | {"x": 1}).encode(), "not a well-formed JWK"),
    "off the curve": (json.dumps(EC_JWK | {"x": EC_JWK["y"]}).encode(), "not a well-formed JWK"),
    "another private part": (
        json.dumps(EC_JWK | {"d": private_jwk(generate_key())["d"]}).encode(), "not a well-formed JWK",
    ),
    "padded": (json.dumps(padded(EC_JWK, "x")).encode(), "not a well-formed JWK"),
    "an Ed25519 of another public part": (
        json.dumps(OKP_JWK | {"x": private_jwk(generate_key("Ed25519"))["x"]}).encode(), "not of one key",
    ),
    "an Ed25519 with y": (json.dumps(OKP_JWK | {"y": "AAAA"}).encode(), "not of one key"),
    "x with a leading zero": (
        json.dumps(EC_JWK | {"x": "AA" + EC_JWK["x"], "d": EC_JWK["d"]}).encode(), "JWK",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_a_word_that_helps(data: bytes, said: str) -> None:
    """A service would sign with a key that Relying Parties do not take, or that is none."""
    with pytest.raises(ConfigurationError, match=said):
        read_key(data)


def test_a_key_never_shows_its_private_part() -> None:
    """It would be in a log."""
    secret = private_jwk(key())["d"]

    assert secret not in repr(key())
    assert secret not in repr(SigningKeys(current=key()))
    assert secret not in json.dumps(SigningKeys(current=key()).jwks())


def test_a_public_key_does_not_sign() -> None:
    """Something would be signed with nothing."""
    with pytest.raises(ValueError, match="cannot sign"):
        read_key(public_pem(P256)).sign(b"message")


def test_current_must_be_private_and_all_must_differ() -> None:
    """A service would come up that cannot sign, or a rotation would be none."""
    public = read_key(public_pem(P256))
    with pytest.raises(ConfigurationError, match="current is a public key"):
        SigningKeys(current=public)
    with pytest.raises(ConfigurationError, match="different keys"):
        SigningKeys(current=read_key(pem(P256)), previous=public)


def test_next_and_previous_are_published_beside_current() -> None:
    """Tokens would be refused around each rotation."""
    keys = SigningKeys(current=key("P-256"), next=key("P-384"), previous=key("Ed25519"))
    published = keys.jwks()["keys"]

    assert isinstance(published, list)
    assert {entry["kid"] for entry in published} == {key(curve).kid for curve in CURVES}
    assert {entry["alg"] for entry in published} == {"ES256", "ES384", "EdDSA"}
    assert all(entry.keys() <= {"kty", "crv", "x", "y", "kid", "alg", "use"} for entry in published)


def test_an_ephemeral_key_says_that_it_is_one() -> None:
    """Two starts would look like one."""
    first, second = ephemeral_signing_keys(), ephemeral_signing_keys()

    assert first.ephemeral
    assert first.current.kid != second.current.kid
    assert not SigningKeys(current=key()).ephemeral
