"""A KMS in this process, behind a real boto3 client: it checks documents with our verifier and encrypts as KMS does.

boto3 serialises, signs and parses as always; botocore's `before-send` event answers in place of the network.
"""

import base64
import io
import itertools
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from tests.unit.issuer.kms.boto import AWSPreparedRequest, AWSResponse, boto3_client
from tests.unit.issuer.kms.envelopes import KMS_CHUNKED, KMS_PRIMITIVE, seal
from verifier import Affirmed, Policy, Verifier

ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class _Raw(io.BytesIO):
    """What botocore reads a body from."""

    def stream(self) -> Iterator[bytes]:
        """Give it whole."""
        yield self.read()


class Refused(Exception):  # noqa: N818 - the answer of a service, not an error of this program
    """An error that KMS answers with."""


@dataclass(slots=True, kw_only=True)
class FakeKms:
    """One KMS key whose policy asks for a document.

    Attributes:
        verifier: trusts the root that signs the documents.
        policy: which builds may use the key.
        at: the time at KMS.
        agreement_key: the private half of an ECC key.
        stored: plaintext and context by ciphertext blob.
    """

    verifier: Verifier
    policy: Policy
    at: datetime
    agreement_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    stored: dict[bytes, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)
    styles: Iterator[Any] = field(default_factory=lambda: itertools.cycle((KMS_CHUNKED, KMS_PRIMITIVE)))

    def client(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """A boto3 client connected to this KMS."""
        client = boto3_client()
        client.meta.events.register("before-send.kms", self._answer)
        return client

    def store(self, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """Encrypt, as whoever set the secret up did."""
        blob = secrets.token_bytes(64)
        self.stored[blob] = (plaintext, dict(context))
        return blob

    def reply(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Answer one operation of the API: a status and JSON."""
        try:
            status, answer = 200, getattr(self, f"_{operation}")(json.loads(body))
        except Refused as refusal:
            status, answer = 400, {"__type": str(refusal), "message": "refused"}
        return status, json.dumps(answer).encode()

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        operation = request.headers["X-Amz-Target"].decode().removeprefix("TrentService.")
        status, body = self.reply(operation, request.body)
        return AWSResponse(request.url, status, {"Content-Type": "application/x-amz-json-1.1"}, _Raw(body))

    def _for_recipient(self, request: Any, plaintext: bytes) -> str:  # noqa: ANN401 - JSON
        """What AWS does: check the document, then the key policy's conditions on it, then encrypt to its key."""
        recipient = request["Recipient"]
        assert recipient["KeyEncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
        document = base64.b64decode(recipient["AttestationDocument"])
        result = self.verifier.appraise(document, policy=self.policy, at=self.at)
        if not isinstance(result, Affirmed) or result.claims.public_key is None:
            raise Refused("AccessDeniedException")
        return base64.b64encode(next(self.styles).write(seal(result.claims.public_key, plaintext))).decode()

    def _Decrypt(self, request: Any) -> dict[str, object]:  # noqa: ANN401, N802 - JSON; the operation's name
        plaintext, context = self.stored[base64.b64decode(request["CiphertextBlob"])]
        if request["KeyId"] != ARN or request.get("EncryptionContext", {}) != context:
            raise Refused("InvalidCiphertextException")
        return {"KeyId": ARN, "CiphertextForRecipient": self._for_recipient(request, plaintext)}

    def _GenerateDataKey(self, request: Any) -> dict[str, object]:  # noqa: ANN401, N802 - as above
        plaintext = secrets.token_bytes(request["NumberOfBytes"])
        blob = self.store(plaintext, request.get("EncryptionContext", {}))
        return {
            "KeyId": ARN,
            "CiphertextBlob": base64.b64encode(blob).decode(),
            "CiphertextForRecipient": self._for_recipient(request, plaintext),
        }

    def _GenerateDataKeyPair(self, request: Any) -> dict[str, object]:  # noqa: ANN401, N802 - as above
        key = ec.generate_private_key(ec.SECP256R1())
        private_key = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        blob = self.store(private_key, request.get("EncryptionContext", {}))
        return {
            "KeyId": ARN,
            "KeyPairSpec": request["KeyPairSpec"],
            "PublicKey": base64.b64encode(public_key).decode(),
            "PrivateKeyCiphertextBlob": base64.b64encode(blob).decode(),
            "CiphertextForRecipient": self._for_recipient(request, private_key),
        }

    def _GenerateRandom(self, request: Any) -> dict[str, object]:  # noqa: ANN401, N802 - as above
        return {"CiphertextForRecipient": self._for_recipient(request, secrets.token_bytes(request["NumberOfBytes"]))}

    def _DeriveSharedSecret(self, request: Any) -> dict[str, object]:  # noqa: ANN401, N802 - as above
        peer = load_der_public_key(base64.b64decode(request["PublicKey"]))
        assert isinstance(peer, ec.EllipticCurvePublicKey)
        secret = self.agreement_key.exchange(ec.ECDH(), peer)
        return {"KeyId": ARN, "CiphertextForRecipient": self._for_recipient(request, secret)}
