"""The RSA key pair that answers are encrypted to: made in the enclave, never written anywhere, used and dropped.

CBC without a MAC and OAEP both break under an attacker who may try again (Vaudenay's and Manger's oracles), and the
parent instance may try as often as requests are made. So success and failure cannot be hidden, but trying can be
bounded: a wrapped key is opened once, and the first failed decryption ends the key pair's life.
"""

import secrets
import threading
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.kms.cms import AES_BLOCK_BYTES, Envelope, decode_envelope
from issuer.kms.errors import DecryptionError, ReplayedResponseError, SessionClosedError

KeyBits: TypeAlias = Literal[2048, 3072, 4096]

KEY_BITS: Final = (2048, 3072, 4096)
"""What KMS takes as the public key of a document."""

MAX_OPENED: Final = 10_000
"""Envelopes per key pair: every one leaves a digest behind, and no key should live for ever."""

_PUBLIC_EXPONENT: Final = 65537
_CONTENT_KEY_BYTES: Final = 32


class RecipientKey:
    """One key pair; safe to share between threads, one of which decrypts at a time.

    `close` drops the only reference to the private key, whereupon OpenSSL overwrites it before freeing it. What Python
    cannot overwrite: content keys and plaintexts, which are `bytes`, and copies the allocator made. They are dropped.
    """

    __slots__ = ("_mutex", "_opened", "_private_key", "_public_key")

    def __init__(self, bits: KeyBits = 2048) -> None:
        """Make a key pair.

        Raises:
            ValueError: KMS takes no keys of this size.
        """
        if bits not in KEY_BITS:
            raise ValueError(f"KMS takes RSA keys of {KEY_BITS} bits, not of {bits}")
        key = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=bits)
        self._public_key: Final = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._private_key: rsa.RSAPrivateKey | None = key
        self._opened: set[bytes] = set()
        self._mutex: Final = threading.Lock()

    @property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo, for the document's `public_key`.

        Raises:
            SessionClosedError: nothing could open an answer any more, so none should be asked for.
        """
        if self._private_key is None:
            raise SessionClosedError
        return self._public_key

    @property
    def closed(self) -> bool:
        """Whether the private key is gone."""
        return self._private_key is None

    def close(self) -> None:
        """Drop the private key; doing it twice does no harm."""
        self._private_key = None
        self._opened.clear()

    def open(self, ciphertext_for_recipient: bytes, *, length: int | None = None) -> bytes:
        """Decrypt one CiphertextForRecipient.

        Args:
            ciphertext_for_recipient: as KMS sent it.
            length: how long the plaintext must be, where the request determined it.

        Raises:
            EnvelopeError: it is not the structure KMS sends. The key stays in use.
            ReplayedResponseError: its wrapped key was opened before. The key stays in use.
            DecryptionError: anything else; the key is closed.
            SessionClosedError: the key was closed before.
        """
        envelope = decode_envelope(bytes(memoryview(ciphertext_for_recipient)))
        with self._mutex:
            plaintext = _decrypt(self._spend(envelope.wrapped_key), envelope, length)
            if plaintext is None or len(self._opened) >= MAX_OPENED:
                self.close()
        if plaintext is None:
            raise DecryptionError
        return plaintext

    def _spend(self, wrapped_key: bytes) -> rsa.RSAPrivateKey:
        """Note that this wrapped key has had its one use. OAEP is randomised: KMS never sends the same one twice."""
        if self._private_key is None:
            raise SessionClosedError
        digest = sha256(wrapped_key).digest()
        if digest in self._opened:
            raise ReplayedResponseError
        self._opened.add(digest)
        return self._private_key


def _decrypt(private_key: rsa.RSAPrivateKey, envelope: Envelope, length: int | None) -> bytes | None:
    """Go all the way whatever fails, so that neither the time nor an exception's context says what it was."""
    content_key, unwrapped = _unwrap(private_key, envelope.wrapped_key)
    decryptor = Cipher(algorithms.AES(content_key), modes.CBC(envelope.iv)).decryptor()
    plaintext, unpadded = _unpad(decryptor.update(envelope.ciphertext) + decryptor.finalize())
    # KMS encrypts nothing empty, and an empty key is worse than none.
    sized = len(plaintext) == length if length is not None else bool(plaintext)
    return plaintext if unwrapped & unpadded & sized else None


def _unwrap(private_key: rsa.RSAPrivateKey, wrapped_key: bytes) -> tuple[bytes, bool]:
    """RSAES-OAEP (RFC 8017 section 7.1.2); a random key stands in for one that does not come out."""
    stand_in = secrets.token_bytes(_CONTENT_KEY_BYTES)
    try:
        content_key = private_key.decrypt(wrapped_key, OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None))
    except ValueError:
        return stand_in, False
    return (content_key, True) if len(content_key) == _CONTENT_KEY_BYTES else (stand_in, False)


def _unpad(padded: bytes) -> tuple[bytes, bool]:
    """PKCS#7 (RFC 5652 section 6.3), checked by `cryptography` in constant time."""
    unpadder = PKCS7(AES_BLOCK_BYTES * 8).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize(), True
    except ValueError:
        return b"", False
