"""The enclave's public key as the key that a token confirms: ``cnf`` (RFC 7800, RFC 8747), JWK and COSE_Key."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from verifier.ear.codecs import Form
from verifier.ear.strict_json import decode_bytes, encode_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_KTY, _CRV = 1, -1
_COSE_KTY = {"OKP": 1, "EC": 2, "RSA": 3}
_COSE_CURVES = {
    "P-256": 1,
    "P-384": 2,
    "P-521": 3,
    "X25519": 4,
    "X448": 5,
    "Ed25519": 6,
    "Ed448": 7,
    "secp256k1": 8,
}
_COSE_PARAMETERS = {"OKP": (("x", -2),), "EC": (("x", -2), ("y", -3)), "RSA": (("n", -1), ("e", -2))}
_RSA = "RSA"
_EC_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1"}
_OKP_CURVES: Mapping[type[object], str] = {
    Ed25519PublicKey: "Ed25519",
    Ed448PublicKey: "Ed448",
    X25519PublicKey: "X25519",
    X448PublicKey: "X448",
}
_JWK_MEMBER, _COSE_KEY_MEMBER = "jwk", 1


def read_spki(public_key: bytes | None) -> PublicKeyTypes | None:
    """Take a document's public_key as the DER of a SubjectPublicKeyInfo, in its one encoding; ``None`` when it is not.

    A bare PKCS #1 key, a compressed point or explicit parameters load too, and others would read them differently.
    """
    if not public_key:
        return None
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public_key else None


def jwk_of(key: PublicKeyTypes) -> dict[str, str] | None:
    """Give a key as a JWK; ``None`` for kinds that have none."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _jwk_of_point(key)
    curve = next((curve for kind, curve in _OKP_CURVES.items() if isinstance(key, kind)), None)
    if curve is None:
        return None
    return {"kty": "OKP", "crv": curve, "x": encode_bytes(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _jwk_of_point(key: ec.EllipticCurvePublicKey) -> dict[str, str] | None:
    curve = _EC_CURVES.get(key.curve.name)
    if curve is None:
        return None
    numbers, size = key.public_numbers(), (key.curve.key_size + 7) // 8
    x, y = encode_bytes(numbers.x.to_bytes(size)), encode_bytes(numbers.y.to_bytes(size))
    return {"kty": "EC", "crv": curve, "x": x, "y": y}


def _integer(number: int) -> str:
    return encode_bytes(number.to_bytes((number.bit_length() + 7) // 8))


class Confirmation:
    """The codec of ``cnf``; the value is a JWK in both forms."""

    def write(self, value: object, form: Form) -> object:
        """Give a JWK, or the COSE_Key that says the same (RFC 9053 section 7, RFC 8230)."""
        jwk = cast("Mapping[str, str]", value)
        if form is Form.JSON:
            return {_JWK_MEMBER: dict(jwk)}
        kind = jwk["kty"]
        cose: dict[int, object] = {_KTY: _COSE_KTY[kind]}
        if kind != _RSA:
            cose[_CRV] = _COSE_CURVES[jwk["crv"]]
        return {_COSE_KEY_MEMBER: cose | {label: decode_bytes(jwk[name]) for name, label in _COSE_PARAMETERS[kind]}}

    def read(self, item: object, form: Form) -> object:
        """Read what ``write`` wrote; whether it is the attested key is found out by comparing the two."""
        member: object = _JWK_MEMBER if form is Form.JSON else _COSE_KEY_MEMBER
        if type(item) is not dict or list(item) != [member] or type(item[member]) is not dict:
            msg = "not one key"
            raise ValueError(msg)
        return item[member] if form is Form.JSON else _jwk_of_cose(item[member])


def _jwk_of_cose(key: dict[object, object]) -> dict[str, object]:
    """Give the JWK that says the same as a COSE_Key; of anything else, something that no JWK is like."""
    kind = next((kind for kind, code in _COSE_KTY.items() if code == key.get(_KTY)), "")
    jwk: dict[str, object] = {"kty": kind}
    if kind != _RSA:
        jwk["crv"] = next((curve for curve, code in _COSE_CURVES.items() if code == key.get(_CRV)), None)
    for name, label in _COSE_PARAMETERS.get(kind, ()):
        value = key.get(label)
        jwk[name] = encode_bytes(value) if type(value) is bytes else None
    return jwk
