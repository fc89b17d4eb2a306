"""Keys that sign Attestation Results: P-256, P-384 and Ed25519, and nothing else.

Each curve has one algorithm, so a key pins it: no token can choose. A key is known by its RFC 7638 thumbprint, whatever
name the file gives it. A private key never leaves this module but to sign.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, import_key
from joserfc.jws import JWSRegistry

from verifier.ear.strict_json import decode_object
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc._rfc7515.model import JWSAlgModel  # it has no public name

MAX_KEY_BYTES = 16 * 1024

_WANTED = "P-256, P-384 and Ed25519 keys sign results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A signature algorithm, by its names in JOSE and COSE, and the one curve whose keys use it."""

    jose: str
    cose: int
    kind: str
    """kty of its keys in a JWK."""
    curve: str


ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.curve: algorithm
    for algorithm in (
        Algorithm(jose="ES256", cose=-7, kind="EC", curve="P-256"),
        Algorithm(jose="ES384", cose=-35, kind="EC", curve="P-384"),
        # Not RFC 9864's "Ed25519" and -19, which PyJWT and others do not know yet.
        Algorithm(jose="EdDSA", cose=-8, kind="OKP", curve="Ed25519"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EarKey:
    """One key: public always, private where results are signed with it."""

    kid: str
    algorithm: Algorithm
    public: ECKey | OKPKey
    private: ECKey | OKPKey | None = field(default=None, repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign: r || s as JOSE and COSE both want it, or an EdDSA signature.

        Raises:
            ValueError: there is no private part.
        """
        if self.private is None:
            msg = "a public key cannot sign"
            raise ValueError(msg)
        return _signer(self.algorithm).sign(message, self.private)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key signed the message, by its one algorithm."""
        return _signer(self.algorithm).verify(message, signature, self.public)

    def public_jwk(self) -> dict[str, str]:
        """Give the public part alone, as a JWKS shows it."""
        members = self.public.as_dict(private=False)
        shown = {name: str(members[name]) for name in ("kty", "crv", "x", "y") if name in members}
        return shown | {"kid": self.kid, "alg": self.algorithm.jose, "use": "sig"}


def read_key(data: bytes) -> EarKey:
    """Read a key from a file's bytes: PEM (PKCS #8, SEC 1, or SubjectPublicKeyInfo) or a JWK.

    Raises:
        ConfigurationError: neither, encrypted, or of another kind than those that sign results.
    """
    if len(data) > MAX_KEY_BYTES:
        msg = f"longer than {MAX_KEY_BYTES} bytes"
        raise ConfigurationError(msg)
    if data.lstrip()[:1] == b"{":
        return key_of_jwk(_jwk(data))
    return _key_of(_raw_of_pem(data))


def key_of_jwk(jwk: Mapping[str, object]) -> EarKey:
    """Take a JWK (RFC 7517) as a key that signs results.

    Raises:
        ConfigurationError: it is of another kind, for another use, or not written as RFC 7518 and RFC 8037 say.
    """
    curve, kind = jwk.get("crv"), jwk.get("kty")
    algorithm = ALGORITHMS.get(curve) if isinstance(curve, str) else None
    if algorithm is None or kind != algorithm.kind:
        raise ConfigurationError(f"a JWK of another kind; {_WANTED}")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm.jose) != algorithm.jose:
        raise ConfigurationError(f"a JWK for another use or algorithm than {algorithm.jose}")
    material = {name: jwk[name] for name in ("kty", "crv", "x", "y", "d") if name in jwk}
    try:
        raw = import_key(cast("dict[str, str | list[str]]", material)).raw_value  # it checks the types itself
    except (JoseError, ValueError, TypeError, KeyError) as error:
        msg = "not a well-formed JWK"
        raise ConfigurationError(msg) from error
    key = _key_of(raw)
    shown = (key.private or key.public).dict_value
    if {name: shown[name] for name in material if name in shown} != material or len(material) != len(shown):
        msg = "a JWK whose members are padded, of the wrong length, or not of one key"
        raise ConfigurationError(msg)
    return key


def generate_key(curve: str = "P-256") -> EarKey:
    """Make a new key pair from the operating system's entropy."""
    raw = Ed25519PrivateKey.generate() if curve == "Ed25519" else _generate_ec(curve)
    return _key_of(raw)


def _generate_ec(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[curve])


def _jwk(data: bytes) -> Mapping[str, object]:
    try:
        return decode_object(data)
    except ValueError as error:
        msg = "begins like a JWK, and is not one JSON object"
        raise ConfigurationError(msg) from error


def _raw_of_pem(data: bytes) -> object:
    try:
        if b"PRIVATE KEY-----" in data:
            return load_pem_private_key(data, password=None)
        return load_pem_public_key(data)
    except TypeError as error:
        msg = "encrypted; a service cannot ask for the pass phrase, so store the key unencrypted where only it can read"
        raise ConfigurationError(msg) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = "neither a JWK nor one PEM key (PKCS #8, SEC 1, or SubjectPublicKeyInfo)"
        raise ConfigurationError(msg) from error


def _key_of(raw: object) -> EarKey:
    if isinstance(raw, (Ed25519PrivateKey, Ed25519PublicKey)):
        return _pair(OKPKey.import_key(raw), ALGORITHMS["Ed25519"])
    if isinstance(raw, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        curve = {"secp256r1": "P-256", "secp384r1": "P-384"}.get(raw.curve.name)
        if curve is not None:
            return _pair(ECKey.import_key(raw), ALGORITHMS[curve])
    raise ConfigurationError(f"a key of another kind; {_WANTED}")


def _pair(key: ECKey | OKPKey, algorithm: Algorithm) -> EarKey:
    public = type(key).import_key(key.public_key)  # type: ignore[arg-type]  # of its own kind
    return EarKey(kid=public.thumbprint(), algorithm=algorithm, public=public, private=key if key.is_private else None)


def _signer(algorithm: Algorithm) -> JWSAlgModel:
    """Give joserfc's implementation, which is the same for COSE; by name, so without its advice on the name EdDSA."""
    return JWSRegistry.algorithms[algorithm.jose]
