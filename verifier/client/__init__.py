"""The Relying Party's client: a nonce, a verdict, and signed results verified offline.

    with VerifierClient("https://verifier.example") as client:
        nonce = client.nonce(policy="payments")
        document = ask_the_enclave(nonce.value)
        client.verify(document, policy="payments", nonce=nonce.value).require_affirmed()

`require_affirmed` returns an affirmed result or raises: a rejection, an answer that contradicts itself, one about
another document, policy or nonce, and one as of another time never pass. The verdict of `verify` is worth what the
connection is; `verify_signed` asks for one that can be passed on.

Needs the extra ``client``.
"""

import verifier.client.extra  # noqa: F401 - first: it says what is missing
from verifier.client.blocking import VerifierClient
from verifier.client.errors import (
    ClientError,
    KeysUnavailableError,
    NotAffirmedError,
    Problem,
    VerifierProtocolError,
    VerifierRefusedError,
    VerifierTimeoutError,
    VerifierUnavailableError,
)
from verifier.client.expectations import Expectations
from verifier.client.limits import Limits
from verifier.client.questions import Nonce
from verifier.client.remote import AsyncVerifierClient
from verifier.client.results import AffirmedResult, RejectedResult, Result, SignedResult, StatedPolicy, StatedReason
from verifier.client.tokens import AsyncTokenVerifier, TokenVerifier
from verifier.client.transport import Connection
from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.results import EarResult
from verifier.evidence.pcrs import EvidenceKind

__all__ = [
    "AffirmedResult",
    "AsyncTokenVerifier",
    "AsyncVerifierClient",
    "ClientError",
    "Connection",
    "EarError",
    "EarErrorCode",
    "EarResult",
    "EvidenceKind",
    "Expectations",
    "KeysUnavailableError",
    "Limits",
    "Nonce",
    "NotAffirmedError",
    "Problem",
    "RejectedResult",
    "Result",
    "SignedResult",
    "StatedPolicy",
    "StatedReason",
    "TokenVerifier",
    "VerifierClient",
    "VerifierProtocolError",
    "VerifierRefusedError",
    "VerifierTimeoutError",
    "VerifierUnavailableError",
]
