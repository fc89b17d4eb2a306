"""How the Recipient flow fails: one base type, and nothing that tells an attacker about a secret.

What is wrong with bytes or names that the sender knows anyway is said in words. What happened after the private
key was used is not: `DecryptionError` has one message.
"""


class KmsError(Exception):
    """A KMS answer that is not used."""


class EnvelopeError(KmsError):
    """CiphertextForRecipient is not the one CMS structure that is read here; the private key was not used."""


class DecryptionError(KmsError):
    """The private key was used and no acceptable plaintext came of it; why is not said, not even in a cause.

    Key unwrapping, padding and length fail alike: their difference is what padding oracles are made of.
    """

    def __str__(self) -> str:
        return "the ciphertext for the recipient could not be decrypted"


class ReplayedResponseError(KmsError):
    """This envelope, or another around the same wrapped key, has been opened in this session before."""

    def __str__(self) -> str:
        return "the wrapped key of this response was seen before in this session"


class SessionClosedError(KmsError):
    """The session's private key is gone: it was closed, a decryption failed, or it served its share of answers."""

    def __str__(self) -> str:
        return "the session is closed and its key is gone; make another session"


class ResponseError(KmsError):
    """A member of the answer is missing or has the wrong type."""


class PlaintextReceivedError(ResponseError):
    """The answer carries the secret in the clear: whoever sent it ignored Recipient, and others may have read it."""


class CiphertextMissingError(ResponseError):
    """The answer has no CiphertextForRecipient."""


class KeyMismatchError(ResponseError):
    """The answer names another KMS key than the pinned one."""
