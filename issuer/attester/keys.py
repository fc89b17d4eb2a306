"""The key pair that a document binds to its enclave: made here, written nowhere, gone with the process."""

from typing import Final, Literal, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KeyKind: TypeAlias = Literal["ec-p384", "rsa-2048"]
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEY_KINDS: Final = ("ec-p384", "rsa-2048")
_RSA_BITS: Final = 2048
_RSA_EXPONENT: Final = 65537


def new_key(kind: KeyKind) -> PrivateKey:
    """Make a private key: EC to sign and agree on secrets, RSA also for what is encrypted to it."""
    if kind == "rsa-2048":
        return rsa.generate_private_key(public_exponent=_RSA_EXPONENT, key_size=_RSA_BITS)
    return ec.generate_private_key(ec.SECP384R1())


def public_key_of(key: PrivateKey) -> bytes:
    """Write the public half as DER SubjectPublicKeyInfo, the form for a document's `public_key`."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
