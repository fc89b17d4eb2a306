"""What kind of public key a document carries, for whoever wonders why it is not accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from verifier.policy.model import KeyKind

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def describe_key(public_key: bytes | None, wanted: KeyKind) -> str:
    """Describe a public key as far as it can be read; where raw bytes are wanted, their number says it all."""
    if not public_key:
        return "no public_key" if public_key is None else "a public_key of zero length"
    size = f"{len(public_key)} bytes"
    if wanted is KeyKind.RAW:
        return size
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        return f"{size} that are no DER SubjectPublicKeyInfo"
    whole = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public_key
    form = "" if whole else ", written in another form than DER SubjectPublicKeyInfo with an uncompressed point"
    return f"{size} with {_kind_of(key)}{form}"


def _kind_of(key: PublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    return f"a key on {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else "a key of another kind"
