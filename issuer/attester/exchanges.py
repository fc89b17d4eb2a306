"""The two questions an enclave asks a verifier: for a nonce, and for a verdict (docs/http-api.md)."""

import base64
import binascii
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from issuer.attester.answers import Answer, Question, ask
from issuer.attester.errors import NonceError, VerifierProtocolError, VerifierRefusedError, VerifierUnavailableError
from issuer.attester.limits import Limits
from issuer.attester.results import Evidence, Result, Word, decode_result
from issuer.vsock.addresses import Address

MAX_NONCE_BYTES: Final = 512  # what every reading of the NSM's specification allows
COSE: Final = "application/cose"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
# Says "not now": the service itself answers 408 and 503, what stands in front of it may answer the others.
_BUSY: Final = frozenset({408, 429, 502, 503, 504})
_VERDICT: Final = frozenset({HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY})


class _Nonce(msgspec.Struct, frozen=True):
    nonce: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+\\Z")]


class _Problem(msgspec.Struct, frozen=True):
    type: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanges:
    """A verifier, and how long it may take."""

    address: Address
    policy: str | None
    limits: Limits

    def fetch_nonce(self, *, within: float) -> bytes:
        """Ask for a nonce.

        Raises:
            NonceError: what came is none.
            VerifierUnavailableError: none came; asking again does no harm.
            VerifierRefusedError: none will come.
            VerifierProtocolError: the answer is not the API's.
        """
        wanted = {} if self.policy is None else {"policy": self.policy}
        answer = self._ask("/v1/nonces", msgspec.json.encode(wanted), JSON, within)
        if answer.status != HTTPStatus.CREATED:
            raise _failure(answer)
        return _decode_nonce(answer)

    def present(self, evidence: Evidence, *, within: float) -> Result:
        """Ask for the verdict on a document; never twice, since its nonce may count once.

        Raises:
            VerifierUnavailableError: none came; whether the nonce is used up is not known.
            VerifierRefusedError: the request was not judged at all.
            VerifierProtocolError: the answer is not the API's.
        """
        query = "" if self.policy is None else "?" + urlencode({"policy": self.policy})
        answer = self._ask(f"/v1/verify{query}", evidence.document, COSE, within)
        if answer.status not in _VERDICT or answer.media_type != JSON:
            raise _failure(answer)
        return decode_result(answer, evidence)

    def _ask(self, target: str, body: bytes, content_type: str, within: float) -> Answer:
        question = Question(address=self.address, target=target, body=body, content_type=content_type)
        limits = self.limits
        return ask(question, connect_s=limits.connect_s, exchange_s=min(limits.exchange_s, within))


def _decode_nonce(answer: Answer) -> bytes:
    try:
        text = msgspec.json.decode(answer.body, type=_Nonce).nonce
        nonce = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error) as error:
        raise NonceError("the answer holds no nonce in base64url", status=answer.status) from error
    if len(nonce) > MAX_NONCE_BYTES:
        raise NonceError(f"a nonce of {len(nonce)} bytes, {MAX_NONCE_BYTES} at most", status=answer.status)
    return nonce


def _failure(answer: Answer) -> VerifierProtocolError | VerifierUnavailableError:
    """Say what an answer that is not the one asked for means."""
    problem = _decode_problem(answer)
    said = f"status {answer.status}, {problem or 'without a problem'}"
    if answer.status in _BUSY:
        message = f"the verifier cannot answer now: {said}"
        return VerifierUnavailableError(message, status=answer.status, problem=problem, retry_after=answer.retry_after)
    if problem and answer.status >= HTTPStatus.BAD_REQUEST:
        return VerifierRefusedError(f"the verifier refused: {said}", status=answer.status, problem=problem)
    return VerifierProtocolError(f"not an answer of the verifier's API: {said}", status=answer.status, problem=problem)


def _decode_problem(answer: Answer) -> str | None:
    if answer.media_type != PROBLEM:
        return None
    try:
        return msgspec.json.decode(answer.body, type=_Problem).type
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
