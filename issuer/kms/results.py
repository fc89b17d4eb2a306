"""What the five operations give, decrypted; secrets are left out of every `repr`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Decrypted:
    """The answer to Decrypt."""

    plaintext: bytes = field(repr=False)
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """The answer to GenerateDataKey: the key, and the same key encrypted for storage outside."""

    plaintext: bytes = field(repr=False)
    ciphertext_blob: bytes
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyPair:
    """The answer to GenerateDataKeyPair; the private key is DER PKCS#8, the public one DER SubjectPublicKeyInfo."""

    private_key: bytes = field(repr=False)
    private_key_ciphertext_blob: bytes
    public_key: bytes
    key_pair_spec: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomBytes:
    """The answer to GenerateRandom."""

    plaintext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecret:
    """The answer to DeriveSharedSecret: raw ECDH output, to be put through a key derivation function."""

    shared_secret: bytes = field(repr=False)
    key_id: str
