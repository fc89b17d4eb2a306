"""Answers that can be told from forged ones: signed with the key whose public half is in every document."""

import hashlib
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

LABEL: Final = b"enclave-app tag v1\0"
"""What is signed begins with what it is, so that no signature serves for anything else."""


class Identity:
    """The enclave's own key. Whoever verified a document checks signatures with the public key in it."""

    __slots__ = ("_key",)

    def __init__(self, key: object) -> None:
        """Take the key that `issuer.Attester` made.

        Raises:
            TypeError: it is not an elliptic curve's.
        """
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the identity is a key on an elliptic curve")
        self._key: Final = key

    def sign(self, message: bytes, tag: bytes) -> bytes:
        """Say that the enclave made this tag for this message: ECDSA with SHA-384, in DER."""
        return self._key.sign(signed_bytes(message, tag), ec.ECDSA(hashes.SHA384()))


def signed_bytes(message: bytes, tag: bytes) -> bytes:
    """What a signature is over: the label, SHA-384 of the message, the tag."""
    return LABEL + hashlib.sha384(message).digest() + tag
