"""What can keep a Relying Party from a result, one type for each thing it may do about it.

None of them is a judgement on the evidence but `NotAffirmedError`, which `require_affirmed` alone raises.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Problem(StrEnum):
    """The types of problem that a verifier answers with; docs/http-api.md explains each."""

    MALFORMED_HTTP = "urn:nitro-verifier:problem:malformed-http"
    MALFORMED_REQUEST = "urn:nitro-verifier:problem:malformed-request"
    POLICY_MISSING = "urn:nitro-verifier:problem:policy-missing"
    UNKNOWN_POLICY = "urn:nitro-verifier:problem:unknown-policy"
    HISTORICAL_NOT_ALLOWED = "urn:nitro-verifier:problem:historical-not-allowed"
    NOT_FOUND = "urn:nitro-verifier:problem:not-found"
    METHOD_NOT_ALLOWED = "urn:nitro-verifier:problem:method-not-allowed"
    NOT_ACCEPTABLE = "urn:nitro-verifier:problem:not-acceptable"
    SIGNING_NOT_CONFIGURED = "urn:nitro-verifier:problem:signing-not-configured"
    REQUEST_TIMEOUT = "urn:nitro-verifier:problem:request-timeout"
    BODY_TOO_LARGE = "urn:nitro-verifier:problem:body-too-large"
    UNSUPPORTED_MEDIA_TYPE = "urn:nitro-verifier:problem:unsupported-media-type"
    UNSUPPORTED_CONTENT_ENCODING = "urn:nitro-verifier:problem:unsupported-content-encoding"
    EXPECTATION_FAILED = "urn:nitro-verifier:problem:expectation-failed"
    INTERNAL_ERROR = "urn:nitro-verifier:problem:internal-error"
    OVERLOADED = "urn:nitro-verifier:problem:overloaded"
    GUARD_UNAVAILABLE = "urn:nitro-verifier:problem:guard-unavailable"


class ClientError(Exception):
    """Anything this package raises on purpose, but for `ValueError` about arguments."""


class VerifierUnavailableError(ClientError):
    """Nobody answered, the answer was lost, or the verifier has no time now; as often as it was safe to try.

    Attributes:
        status: of the last answer, where there was one.
        problem: its type, a `Problem` where it is one that this version knows.
        retry_after: the seconds that it asked for.
        unheard: whether it is certain that the question was not acted upon. Where it is not, the document's nonce may
            be used up, and the same document sent again would be rejected as a replay: begin with a new nonce.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: str | None = None,
        retry_after: float | None = None,
        unheard: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
        self.retry_after = retry_after
        self.unheard = unheard


class VerifierTimeoutError(VerifierUnavailableError, TimeoutError):
    """There was no whole answer in time."""


class KeysUnavailableError(ClientError):
    """The issuer's keys could not be had, so nothing is known about a token; the cause is chained."""


class VerifierProtocolError(ClientError):
    """What came back is no answer that the verifier's API has, or contradicts itself or the question.

    Attributes:
        status: of the answer, where there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class VerifierRefusedError(ClientError):
    """The verifier takes no such request; ``problem`` says why, and asking again would not help.

    Attributes:
        status: of the answer.
        problem: its type, a `Problem` where it is one that this version knows.
        detail: what it says to people; do not parse it.
    """

    def __init__(self, *, status: int, problem: str, detail: str) -> None:
        super().__init__(f"the verifier refused: {problem} (status {status}){': ' if detail else ''}{detail}")
        self.status = status
        self.problem = problem
        self.detail = detail


class NotAffirmedError(ClientError):
    """A result is not affirmed, where an affirmed one was required.

    Attributes:
        codes: the reasons' codes, as in docs/reasons.md; ``debug-mode`` where the result is affirmed by a policy that
            allows debug mode and the caller does not.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(codes)
        super().__init__(f"not affirmed: {', '.join(self.codes)}")
