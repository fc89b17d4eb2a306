"""What kind of public key a document carries, for whoever wonders why it is not accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from verifier.policy.model import PublicKeyRule


def describe_key(public_key: bytes | None, *, raw: bool) -> str:
    """Describe a public key as far as it can be read; of a raw one, the number of its bytes says it all."""
    if not public_key:
        return "no public_key" if public_key is None else "a public_key of zero length"
    size = f"{len(public_key)} bytes"
    if raw:
        return size
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        return f"{size} that are no DER SubjectPublicKeyInfo"
    whole = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public_key
    form = "" if whole else ", written in another form than DER SubjectPublicKeyInfo with an uncompressed point"
    return f"{size} with {_kind_of(key)}{form}"


def describe_rule(rule: PublicKeyRule) -> str:
    """Describe what a policy accepts."""
    return f"{rule.kind} of {', '.join(map(str, (*rule.bits, *rule.curves, *rule.lengths)))}"


def _kind_of(key: PublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    return f"a key on {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else "a key of another kind"
