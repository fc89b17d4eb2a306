"""Reading KMS answers: nothing in the clear, the right key, the right types."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from issuer.kms.errors import CiphertextMissingError, KeyMismatchError, PlaintextReceivedError, ResponseError

Response: TypeAlias = Mapping[str, object]

CLEAR_MEMBERS: Final = ("Plaintext", "PrivateKeyPlaintext", "SharedSecret")
"""Where KMS puts the secret when it is not encrypted to a recipient."""


def ciphertext_for_recipient(response: Response) -> bytes:
    """Take CiphertextForRecipient out of an answer that carries nothing in the clear.

    KMS documents the clear member as "null or empty" beside it, so both of these are fine.

    Raises:
        PlaintextReceivedError: a secret is there to read.
        CiphertextMissingError: there is no ciphertext for us.
    """
    for name in CLEAR_MEMBERS:
        if response.get(name):
            raise PlaintextReceivedError(f"the answer carries {name}, although Recipient was sent")
    ciphertext = response.get("CiphertextForRecipient")
    if not isinstance(ciphertext, bytes) or not ciphertext:
        raise CiphertextMissingError("the answer has no CiphertextForRecipient")
    return ciphertext


def require_key(response: Response, arn: str) -> str:
    """Give the key's ARN as the answer names it.

    Raises:
        KeyMismatchError: it names another key, or none.
    """
    if response.get("KeyId") != arn:
        raise KeyMismatchError(f"the answer names another key than {arn}, or none")
    return arn


def require_key_pair_spec(response: Response, spec: str) -> str:
    """Give the kind of key pair, which must be the one that was asked for.

    Raises:
        ResponseError: it is another.
    """
    if response.get("KeyPairSpec") != spec:
        raise ResponseError(f"the answer is of another kind of key pair than {spec}")
    return spec


def bytes_member(response: Response, name: str) -> bytes:
    """Give a blob member.

    Raises:
        ResponseError: it is missing, empty, or not bytes.
    """
    value = response.get(name)
    if not isinstance(value, bytes) or not value:
        raise ResponseError(f"the answer has no {name}")
    return value
