"""The Recipient flow around a boto3 KMS client: attest, ask, check the answer, decrypt.

The parent instance carries the traffic and may change it unless TLS ends inside the enclave; docs/kms.md says what
this flow does not authenticate.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from issuer.kms.keys import KeyBits, RecipientKey
from issuer.kms.pin import PinnedKey
from issuer.kms.responses import (
    Response,
    bytes_member,
    ciphertext_for_recipient,
    require_key,
    require_key_pair_spec,
)
from issuer.kms.results import DataKey, DataKeyPair, Decrypted, RandomBytes, SharedSecret

KEY_ENCRYPTION_ALGORITHM: Final = "RSAES_OAEP_SHA_256"  # the only one the KMS API has

Attest: TypeAlias = Callable[[bytes], bytes]
"""Takes a public key in DER, gives an attestation document that carries it as `public_key`."""

Operation: TypeAlias = Callable[..., Response]


class KmsClient(Protocol):
    """What is used of ``boto3.client("kms")``; its exceptions pass through unchanged."""

    @property
    def decrypt(self) -> Operation: ...  # noqa: D102 - Decrypt of the KMS API
    @property
    def derive_shared_secret(self) -> Operation: ...  # noqa: D102 - DeriveSharedSecret
    @property
    def generate_data_key(self) -> Operation: ...  # noqa: D102 - GenerateDataKey
    @property
    def generate_data_key_pair(self) -> Operation: ...  # noqa: D102 - GenerateDataKeyPair
    @property
    def generate_random(self) -> Operation: ...  # noqa: D102 - GenerateRandom


def recipient_parameter(document: bytes) -> dict[str, object]:
    """The Recipient member of a request."""
    return {"AttestationDocument": document, "KeyEncryptionAlgorithm": KEY_ENCRYPTION_ALGORITHM}


class RecipientSession:
    """One key pair and the requests made with it; use it in a ``with`` statement.

    Every request carries a document of its own. Safe to share between threads if client and `attest` are.
    Every method raises what the client and `attest` raise, and otherwise a `KmsError`; after a `DecryptionError` the
    session is closed. An answer that cannot be used is never returned in part.
    """

    __slots__ = ("_attest", "_client", "_key")

    def __init__(self, client: KmsClient, attest: Attest, *, bits: KeyBits = 2048) -> None:
        """Make the key pair.

        Args:
            client: ``boto3.client("kms")`` or anything with its methods.
            attest: gives a document for a public key, such as ``lambda key: nsm.attestation(public_key=key)``.
            bits: size of the RSA key: 2048, 3072 or 4096.
        """
        self._client: Final = client
        self._attest: Final = attest
        self._key: Final = RecipientKey(bits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def public_key(self) -> bytes:
        """What answers are encrypted to, DER SubjectPublicKeyInfo."""
        return self._key.public_key

    @property
    def closed(self) -> bool:
        """Whether the private key is gone."""
        return self._key.closed

    def close(self) -> None:
        """Drop the private key."""
        self._key.close()

    def decrypt(self, ciphertext_blob: bytes, key: PinnedKey) -> Decrypted:
        """Decrypt what was encrypted under a symmetric KMS key."""
        response = self._ask(self._client.decrypt, {"CiphertextBlob": ciphertext_blob, **key.members()})
        key_id = require_key(response, key.arn)
        return Decrypted(plaintext=self._open(response), key_id=key_id)

    def generate_data_key(self, key: PinnedKey, *, number_of_bytes: int = 32) -> DataKey:
        """Have KMS make a data key; 32 bytes are what it calls AES_256."""
        response = self._ask(self._client.generate_data_key, {"NumberOfBytes": number_of_bytes, **key.members()})
        key_id = require_key(response, key.arn)
        blob = bytes_member(response, "CiphertextBlob")
        return DataKey(plaintext=self._open(response, number_of_bytes), ciphertext_blob=blob, key_id=key_id)

    def generate_data_key_pair(self, key: PinnedKey, *, key_pair_spec: str) -> DataKeyPair:
        """Have KMS make an asymmetric key pair, such as ``ECC_NIST_P256``."""
        response = self._ask(self._client.generate_data_key_pair, {"KeyPairSpec": key_pair_spec, **key.members()})
        return DataKeyPair(
            key_id=require_key(response, key.arn),
            key_pair_spec=require_key_pair_spec(response, key_pair_spec),
            public_key=bytes_member(response, "PublicKey"),
            private_key_ciphertext_blob=bytes_member(response, "PrivateKeyCiphertextBlob"),
            private_key=self._open(response),
        )

    def generate_random(self, number_of_bytes: int) -> RandomBytes:
        """Have KMS make random bytes. No key is named, so nothing tells the answer from a forged one but TLS."""
        response = self._ask(self._client.generate_random, {"NumberOfBytes": number_of_bytes})
        return RandomBytes(plaintext=self._open(response, number_of_bytes))

    def derive_shared_secret(self, public_key: bytes, key: PinnedKey) -> SharedSecret:
        """Agree on a secret (ECDH) between a KMS key and a peer's public key in DER.

        Raises:
            ValueError: the pin has an encryption context, which KMS would not look at here.
        """
        if key.encryption_context:
            raise ValueError("DeriveSharedSecret has no encryption context: pin the key without one")
        members = {"PublicKey": public_key, "KeyAgreementAlgorithm": "ECDH", **key.members()}
        response = self._ask(self._client.derive_shared_secret, members)
        key_id = require_key(response, key.arn)
        return SharedSecret(shared_secret=self._open(response), key_id=key_id)

    def _ask(self, operation: Operation, members: dict[str, object]) -> Response:
        """Send a request with a fresh document; refuse an answer that was not encrypted to us."""
        document = self._attest(self._key.public_key)
        response = operation(**members, Recipient=recipient_parameter(document))
        ciphertext_for_recipient(response)
        return response

    def _open(self, response: Response, length: int | None = None) -> bytes:
        return self._key.open(ciphertext_for_recipient(response), length=length)
