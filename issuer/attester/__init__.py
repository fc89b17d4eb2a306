"""From an enclave to a verdict: a nonce of the verifier, a key pair, a document that binds both, and its appraisal.

    with Nsm.open() as nsm:
        affirmed = Attester(nsm, "vsock:parent:8080", policy="payments").attest().require()
    serve(affirmed.private_key)

**A verdict that the enclave reads is no proof, to the enclave or to anybody else.** It came through the parent
instance, which can forge it, and an enclave cannot tell by it whether it is the build that it should be: a wrong build
would not ask. The enclave gets it for its own start-up, to fail early and with a reason. Whoever is to trust the
enclave, the Relying Party, has the document verified itself.
"""

from issuer.attester.attester import Attester, DocumentSource
from issuer.attester.errors import (
    AttesterError,
    AttesterTimeoutError,
    NonceError,
    RejectedError,
    VerifierProtocolError,
    VerifierRefusedError,
    VerifierUnavailableError,
)
from issuer.attester.keys import KeyKind, PrivateKey
from issuer.attester.limits import Limits
from issuer.attester.results import Affirmed, Reason, Rejected, Result

__all__ = [
    "Affirmed",
    "Attester",
    "AttesterError",
    "AttesterTimeoutError",
    "DocumentSource",
    "KeyKind",
    "Limits",
    "NonceError",
    "PrivateKey",
    "Reason",
    "Rejected",
    "RejectedError",
    "Result",
    "VerifierProtocolError",
    "VerifierRefusedError",
    "VerifierUnavailableError",
]
