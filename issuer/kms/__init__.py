"""Secrets from AWS KMS that only this enclave can read: the Recipient flow of five KMS operations.

An RSA key pair is made in the enclave, its public key goes into an attestation document, KMS checks the document
against the key policy and encrypts its answer to that key. `RecipientSession` does this around a boto3 client, which
is not imported here. What it does not authenticate is in docs/kms.md.
"""

from issuer.kms.cms import Envelope, decode_envelope
from issuer.kms.errors import (
    CiphertextMissingError,
    DecryptionError,
    EnvelopeError,
    KeyMismatchError,
    KmsError,
    PlaintextReceivedError,
    ReplayedResponseError,
    ResponseError,
    SessionClosedError,
)
from issuer.kms.keys import KeyBits, RecipientKey
from issuer.kms.pin import PinnedKey
from issuer.kms.results import DataKey, DataKeyPair, Decrypted, RandomBytes, SharedSecret
from issuer.kms.session import Attest, KmsClient, RecipientSession, recipient_parameter

__all__ = [
    "Attest",
    "CiphertextMissingError",
    "DataKey",
    "DataKeyPair",
    "Decrypted",
    "DecryptionError",
    "Envelope",
    "EnvelopeError",
    "KeyBits",
    "KeyMismatchError",
    "KmsClient",
    "KmsError",
    "PinnedKey",
    "PlaintextReceivedError",
    "RandomBytes",
    "RecipientKey",
    "RecipientSession",
    "ReplayedResponseError",
    "ResponseError",
    "SessionClosedError",
    "SharedSecret",
    "decode_envelope",
    "recipient_parameter",
]
