"""The one secret: decrypted by KMS for this enclave alone, and kept in its memory.

TLS ends here, inside the enclave, so the parent can neither read nor forge what KMS answers (docs/kms.md says what
would otherwise remain open).
"""

from typing import Any, Final

import boto3  # type: ignore[import-untyped]  # boto3 ships no types
import msgspec
from botocore.config import Config  # type: ignore[import-untyped]  # nor does botocore

from enclave_app.settings import Settings
from issuer.kms import RecipientSession
from issuer.nsm import Nsm

MIN_SECRET_BYTES: Final = 16
_LIMITS: Final = {"connect_timeout": 5, "read_timeout": 10, "retries": {"mode": "standard", "total_max_attempts": 2}}


class WeakSecretError(ValueError):
    """What KMS decrypted is too short for a key."""


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Temporary credentials of the parent's role. By themselves KMS lets them decrypt nothing."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        """Show none of it."""
        return "Credentials(...)"


def decrypt(settings: Settings, nsm: Nsm, credentials: Credentials, ciphertext: bytes) -> bytes:
    """Have KMS decrypt the secret.

    Raises:
        KmsError: the answer was not made for this enclave.
        WeakSecretError: the secret is no key.
        Exception: what boto3 and the NSM raise, unchanged.
    """
    with RecipientSession(_client(settings, credentials), lambda key: nsm.attestation(public_key=key)) as session:
        secret = session.decrypt(ciphertext, settings.key).plaintext
    if len(secret) < MIN_SECRET_BYTES:
        raise WeakSecretError(f"a secret has {MIN_SECRET_BYTES} bytes at least")
    return secret


def _client(settings: Settings, credentials: Credentials) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    session = boto3.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        region_name=settings.region,
    )
    return session.client(
        "kms",
        endpoint_url=settings.kms_endpoint,
        verify=settings.kms_ca or True,  # never False
        config=Config(proxies={}, **_LIMITS),  # an empty dict: no proxy of the environment either
    )
