"""What is asked of a verifier, and what its answers mean that are no result (docs/http-api.md)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

import msgspec

from verifier.client.decoding import JSON
from verifier.client.errors import Problem, VerifierProtocolError, VerifierRefusedError, VerifierUnavailableError
from verifier.client.transport import Question
from verifier.client.wire import Moment, Word
from verifier.ear.strict_json import decode_bytes, decode_object, encode_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from verifier.client.transport import Answer

COSE: Final = "application/cose"
PROBLEM: Final = "application/problem+json"
MIN_NONCE_BYTES, MAX_NONCE_BYTES = 8, 64
"""RFC 9711 section 4.1, and less than every reading of the NSM's specification."""
MAX_DETAIL: Final = 300
Form: TypeAlias = Literal["jwt", "cwt"]
TOKEN_TYPES: Final[Mapping[Form, str]] = {"jwt": "application/eat+jwt", "cwt": "application/eat+cwt"}

_BUSY: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT.value, HTTPStatus.TOO_MANY_REQUESTS.value})
_UNREAD: Final = frozenset({Problem.OVERLOADED, Problem.REQUEST_TIMEOUT})
"""What the service says before it has the whole document, and so before it judges anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonce:
    """A nonce that a verifier issued: give ``value`` to the enclave."""

    value: bytes
    policy: str | None
    """The one policy that it is good for; ``None``: any."""
    issued_at: datetime
    expires_at: datetime
    """By the verifier's clock."""


class _NonceBody(msgspec.Struct, frozen=True, kw_only=True):
    nonce: str
    issued_at: Moment
    expires_at: Moment


class _ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    type: Word
    detail: str = ""


def nonce_question(policy: str | None, ttl: int | None) -> Question:
    """Ask for a nonce."""
    wanted: dict[str, Any] = {"policy": policy, "ttl": ttl}
    body = {name: value for name, value in wanted.items() if value is not None}
    return Question(method="POST", target="/v1/nonces", accept=JSON, body=msgspec.json.encode(body), content_type=JSON)


def verify_question(document: bytes, *, policy: str | None, nonce: bytes | None) -> Question:
    """Ask for the verdict on a document."""
    return _question(document, JSON, {"policy": policy, "nonce": _text(nonce)})


def signed_question(
    document: bytes, *, policy: str, nonce: bytes | None, audience: str | None, result_nonce: bytes, form: Form
) -> Question:
    """Ask for the verdict on a document as a token.

    Raises:
        ValueError: the nonce to be echoed is not one, or there is no such form.
    """
    if form not in TOKEN_TYPES:
        raise ValueError("form is jwt or cwt")
    if not MIN_NONCE_BYTES <= len(result_nonce) <= MAX_NONCE_BYTES:
        raise ValueError(f"result_nonce is {MIN_NONCE_BYTES} to {MAX_NONCE_BYTES} bytes")
    named = {"policy": policy, "nonce": _text(nonce)}
    named |= {"result_audience": audience, "result_nonce": _text(result_nonce)}
    return _question(document, TOKEN_TYPES[form], named)


def _question(document: bytes, accept: str, named: Mapping[str, str | None]) -> Question:
    query = urlencode({name: value for name, value in named.items() if value is not None})
    target = f"/v1/verify?{query}" if query else "/v1/verify"
    return Question(method="POST", target=target, accept=accept, body=document, content_type=COSE)


def _text(nonce: bytes | None) -> str | None:
    return None if nonce is None else encode_bytes(nonce)


def decode_nonce(answer: Answer, policy: str | None) -> Nonce:
    """Read a nonce.

    Raises:
        VerifierProtocolError: it is none.
        VerifierUnavailableError, VerifierRefusedError: there is none.
    """
    if answer.status != HTTPStatus.CREATED or answer.media_type != JSON:
        raise failure(answer)
    try:
        body = msgspec.convert(decode_object(answer.body), _NonceBody)
        value = decode_bytes(body.nonce)
    except ValueError as error:
        raise VerifierProtocolError(f"the answer holds no nonce: {error}", status=answer.status) from error
    if not MIN_NONCE_BYTES <= len(value) <= MAX_NONCE_BYTES:
        raise VerifierProtocolError(f"a nonce of {len(value)} bytes", status=answer.status)
    return Nonce(value=value, policy=policy, issued_at=body.issued_at, expires_at=body.expires_at)


def failure(answer: Answer) -> VerifierUnavailableError | VerifierRefusedError | VerifierProtocolError:
    """Say what an answer means that is not the one asked for."""
    problem, detail = _decode_problem(answer)
    status = answer.status
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return VerifierUnavailableError(
            f"the verifier cannot answer now: status {status}, {problem or 'without a problem'}",
            status=status,
            problem=problem,
            retry_after=answer.retry_after,
            unheard=status == HTTPStatus.TOO_MANY_REQUESTS or problem in _UNREAD,
        )
    if problem is not None and status >= HTTPStatus.BAD_REQUEST:
        return VerifierRefusedError(status=status, problem=problem, detail=detail)
    return VerifierProtocolError(f"not an answer of the verifier's API: status {status}", status=status)


def _decode_problem(answer: Answer) -> tuple[str | None, str]:
    if answer.media_type != PROBLEM:
        return None, ""
    try:
        body = msgspec.convert(decode_object(answer.body), _ProblemBody)
    except ValueError:
        return None, ""
    known = Problem(body.type) if body.type in set(Problem) else body.type
    return known, body.detail[:MAX_DETAIL] if body.detail.isprintable() else ""
