"""`Attester`: begins with a nonce, ends with a verdict, and begins again where that is safe."""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Final, Protocol

from issuer.attester.errors import AttesterTimeoutError, VerifierUnavailableError
from issuer.attester.exchanges import Exchanges
from issuer.attester.keys import KEY_KINDS, KeyKind, PrivateKey, new_key, public_key_of
from issuer.attester.limits import Limits, pause_after
from issuer.attester.results import Evidence, Result
from issuer.vsock.addresses import Address, parse_address
from issuer.vsock.errors import DeadlineExceededError
from issuer.vsock.polling import Deadline


class DocumentSource(Protocol):
    """What makes documents: `issuer.nsm.Nsm`, over whatever backend it was opened with."""

    def attestation(self, *, user_data: bytes | None, nonce: bytes | None, public_key: bytes | None) -> bytes:
        """Give a signed document over these."""


class Attester:
    """Gets verdicts on the enclave that it runs in; may be used again, and from several threads.

    Read in `issuer.attester` what a verdict is good for here.

    Every try is a whole one: a new nonce, a new document. A document is never sent twice, because when its answer was
    lost the nonce may be used up; and nothing is tried again that was refused.
    """

    __slots__ = ("_exchanges", "_kind", "_limits", "_nsm")

    def __init__(
        self,
        nsm: DocumentSource,
        verifier: Address | str,
        *,
        policy: str | None = None,
        key: KeyKind = "ec-p384",
        limits: Limits | None = None,
    ) -> None:
        """Know whom to ask.

        Args:
            nsm: from `Nsm.open()`. There is no default and no substitute: a software NSM is one that you opened.
            verifier: its address, such as ``vsock:parent:8080``; text is read by `issuer.vsock.parse_address`.
            policy: by which to be appraised; None leaves it to the verifier's default.
            key: the kind of key pair to make.
            limits: how long a call may take, and how often it begins again.

        Raises:
            AddressError: the text is no address.
            ValueError: there is no such kind of key.
        """
        if key not in KEY_KINDS:
            raise ValueError(f"a key is one of {', '.join(KEY_KINDS)}")
        address = parse_address(verifier) if isinstance(verifier, str) else verifier
        self._nsm: Final = nsm
        self._kind: Final = key
        self._limits: Final = limits or Limits()
        self._exchanges: Final = Exchanges(address=address, policy=policy, limits=self._limits)

    def attest(self, *, user_data: bytes | None = None) -> Result:
        """Get a verdict; a rejection is one too.

        Args:
            user_data: to be signed along with nonce and key.

        Raises:
            AttesterTimeoutError: there was none in time.
            VerifierUnavailableError: there was none in any try.
            VerifierRefusedError: the verifier does not take the request.
            VerifierProtocolError: what answers is no verifier, or somebody changed the answer.
            NsmError: the NSM gave no document.
            TransportUnavailableError: this machine has no such sockets.
        """
        return self._attest(user_data, _Call(Deadline(self._limits.total_s)))

    async def attest_async(self, *, user_data: bytes | None = None) -> Result:
        """Get a verdict without blocking the event loop; raises what `attest` does.

        It works in a thread. When the task is cancelled, the thread finishes the step that it is at, takes no other,
        and nobody learns the outcome.
        """
        call = _Call(Deadline(self._limits.total_s))
        try:
            return await asyncio.to_thread(self._attest, user_data, call)
        except asyncio.CancelledError:
            call.abandoned.set()
            raise

    def _attest(self, user_data: bytes | None, call: "_Call") -> Result:
        key = new_key(self._kind)
        tried = 0
        while True:
            tried += 1
            try:
                return self._try(key, user_data, call)
            except VerifierUnavailableError as error:
                pause = pause_after(tried, self._limits, retry_after=error.retry_after)
                if pause >= call.left() or tried == self._limits.tries:
                    raise
                call.abandoned.wait(pause)

    def _try(self, key: PrivateKey, user_data: bytes | None, call: "_Call") -> Result:
        nonce = self._exchanges.fetch_nonce(within=call.left())
        call.left()
        document = self._nsm.attestation(user_data=user_data, nonce=nonce, public_key=public_key_of(key))
        evidence = Evidence(document=document, nonce=nonce, key=key, policy=self._exchanges.policy)
        return self._exchanges.present(evidence, within=call.left())


@dataclass(frozen=True, slots=True)
class _Call:
    """The time that a call has, and whether anybody still waits for it."""

    deadline: Deadline
    abandoned: threading.Event = field(default_factory=threading.Event)

    def left(self) -> float:
        """Seconds for the next step; raises when there shall be none."""
        if self.abandoned.is_set():
            raise AttesterTimeoutError("nobody waits for the verdict any more")
        try:
            return self.deadline.left()
        except DeadlineExceededError as error:
            raise AttesterTimeoutError("there was no verdict in time") from error
