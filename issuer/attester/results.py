"""A verdict as the verifier's answer says it, and whether the answer is about the document that was sent.

Only an answer that says "affirmed" in every place where it says anything is `Affirmed`: the status, the header where it
survived the proxies, the verdict, no reasons, and claims that carry our nonce and our key. One that contradicts itself
is no verdict.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NoReturn, Self, TypeAlias

import msgspec

from issuer.attester.answers import Answer
from issuer.attester.errors import RejectedError, VerifierProtocolError
from issuer.attester.keys import PrivateKey, public_key_of

# Goes into messages, and so into logs, wherever it came from.
Word: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,200}\\Z")]

VERDICT_HEADER: Final = "attestation-verdict"
_VERDICTS: Final[dict[int, str]] = {HTTPStatus.OK: "affirmed", HTTPStatus.UNPROCESSABLE_ENTITY: "rejected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is presented: a document, and what is bound into it."""

    document: bytes
    nonce: bytes
    key: PrivateKey
    policy: str | None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: a stable code, and two sentences for people, as the verifier wrote them."""

    code: Word
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affirmed:
    """The verifier trusts this enclave, says the answer; no proof to anybody else (see `issuer.attester`).

    Attributes:
        private_key: the key whose public half is in the document; use it for as long as the verdict is good.
        public_key: that half, as DER SubjectPublicKeyInfo.
        document: as the NSM signed it. Its nonce is used up: a Relying Party with a nonce of its own gets a new
            document over `public_key`.
        body: the whole result, as docs/http-api.md describes it.
    """

    private_key: PrivateKey = field(repr=False)
    public_key: bytes = field(repr=False)
    document: bytes = field(repr=False)
    body: dict[str, Any] = field(repr=False)

    @property
    def verdict(self) -> Literal["affirmed"]:
        """Say it as the wire does."""
        return "affirmed"

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """There are none."""
        return ()

    def require(self) -> Self:
        """Give itself."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rejected:
    """The verifier does not trust this enclave. There is no key: it was dropped.

    Attributes:
        reasons: everything that is wrong.
        document: as the NSM signed it.
        body: the whole result. Its claims explain the rejection and are good for nothing else.
    """

    reasons: tuple[Reason, ...]
    document: bytes = field(repr=False)
    body: dict[str, Any] = field(repr=False)

    @property
    def verdict(self) -> Literal["rejected"]:
        """Say it as the wire does."""
        return "rejected"

    def require(self) -> NoReturn:
        """Raise `RejectedError`."""
        raise RejectedError([reason.code for reason in self.reasons])


Result: TypeAlias = Affirmed | Rejected


class _Policy(msgspec.Struct, frozen=True):
    name: str


class _Claims(msgspec.Struct, frozen=True):
    nonce: str | None
    public_key: str | None


class _Body(msgspec.Struct, frozen=True):
    verdict: Literal["affirmed", "rejected"]
    reasons: tuple[Reason, ...]
    policy: _Policy | None
    claims: _Claims | None
    evidence_sha256: str
    historical: bool = False


def decode_result(answer: Answer, evidence: Evidence) -> Result:
    """Read a verdict on the evidence.

    Raises:
        VerifierProtocolError: the answer is no verdict, contradicts itself, or is about something else.
    """
    try:
        table = msgspec.json.decode(answer.body, type=dict[str, Any])
        body = msgspec.convert(table, _Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise VerifierProtocolError("the answer is not a result", status=answer.status) from error
    if contradiction := _contradiction(answer, body) or _other_evidence(body, evidence):
        raise VerifierProtocolError(contradiction, status=answer.status)
    if body.verdict == "rejected":
        return Rejected(reasons=body.reasons, document=evidence.document, body=table)
    public_key = public_key_of(evidence.key)
    return Affirmed(private_key=evidence.key, public_key=public_key, document=evidence.document, body=table)


def _contradiction(answer: Answer, body: _Body) -> str | None:
    if _VERDICTS.get(answer.status) != body.verdict:
        return "the status is another verdict's"
    if answer.headers.get(VERDICT_HEADER, body.verdict) != body.verdict:
        return "the header says another verdict"
    if body.historical:
        return "the result is about another time"
    if (body.verdict == "rejected") != bool(body.reasons):
        return "a rejection has reasons, and nothing else has"
    return None


def _other_evidence(body: _Body, evidence: Evidence) -> str | None:
    if body.evidence_sha256 != hashlib.sha256(evidence.document).hexdigest():
        return "the result is about another document"
    if body.policy is not None and body.policy.name != (evidence.policy or body.policy.name):
        return "the result is by another policy"
    if body.verdict == "rejected":
        return None
    expected = _Claims(nonce=_base64url(evidence.nonce), public_key=_base64url(public_key_of(evidence.key)))
    if body.claims != expected:
        return "the result's claims are not what was asked for"
    return None if body.policy else "the result names no policy"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
