"""What can keep an enclave from a verdict, one type for each thing an application may do about it.

None of them is a verdict: a rejection is a value, `Rejected`. What the NSM says no to passes through as `NsmError`,
and a machine without the sockets that were asked for as `issuer.vsock.TransportUnavailableError`.
"""

from collections.abc import Sequence


class AttesterError(Exception):
    """Anything this package raises on purpose."""


class AttesterTimeoutError(AttesterError, TimeoutError):
    """There was no verdict within the time for the whole call."""


class VerifierUnavailableError(AttesterError):
    """Nobody answered, the answer was lost, or the verifier has no time now; as often as it was tried.

    Attributes:
        status: of the last answer, where there was one.
        problem: its type, such as ``urn:nitro-verifier:problem:overloaded``, where it had one.
        retry_after: the seconds that it asked for.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


class VerifierProtocolError(AttesterError):
    """What came back is no answer that the verifier's API has: something else listens there, or it was changed.

    Attributes:
        status: of the answer, as far as it had one.
        problem: its type, where it was a problem.
    """

    def __init__(self, message: str, *, status: int | None = None, problem: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class VerifierRefusedError(VerifierProtocolError):
    """The verifier takes no such request; ``problem`` says why, and asking again would not help.

    Most often a policy that it does not have: ``urn:nitro-verifier:problem:unknown-policy``.
    """


class NonceError(VerifierProtocolError):
    """The verifier answered with something that cannot be used as a nonce."""


class RejectedError(AttesterError):
    """A document was rejected where an affirmed one was required; ``codes`` are the reasons'."""

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(codes)
        super().__init__(f"the verifier rejected this enclave: {', '.join(self.codes)}")
