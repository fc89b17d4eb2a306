"""`AsyncVerifierClient`: asks a verifier for nonces and verdicts, and asks again only where that is safe."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, Self, Unpack

from verifier.client.decoding import VERDICT_OF, Asked, decode_result, decode_signed
from verifier.client.expectations import Expectations
from verifier.client.keys import KeyCache
from verifier.client.questions import Nonce, decode_nonce, failure, nonce_question, signed_question, verify_question
from verifier.client.retries import persist
from verifier.client.tokens import read_clock, read_with
from verifier.client.transport import Connection, Transport
from verifier.evidence.pcrs import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from verifier.client.questions import Form
    from verifier.client.results import Result, SignedResult
    from verifier.client.transport import Answer, Question

RESULT_NONCE_BYTES: Final = 32


class AsyncVerifierClient:
    """A verifier, as a Relying Party sees it; use it with ``async with``, from one event loop.

    Asking for a nonce is repeated whenever no answer came. A document is sent again only when it was certainly not
    judged (no connection, or the verifier says that it had no time), because its nonce may count once: if the answer
    was lost, the second one would call a good enclave a replay.
    """

    def __init__(
        self,
        base_url: str,
        *,
        issuer: str | None = None,
        now: Callable[[], datetime] = read_clock,
        **connection: Unpack[Connection],
    ) -> None:
        """Know whom to ask.

        Args:
            base_url: ``https://host``, ``http://127.0.0.1:8080`` or ``unix:/run/verifier.sock``; a path before the
                verifier's own is kept.
            issuer: what it calls itself in signed results, as its configuration has it.
            now: the clock, for signed results.
            connection: see `Connection`.

        Raises:
            ValueError: the URL is none, or plain HTTP to another machine.
        """
        self._transport: Final = Transport(base_url, **connection)
        self._keys: Final = KeyCache(self._transport)
        self._issuer: Final = issuer
        self._now: Final = now

    async def nonce(self, *, policy: str | None = None, ttl: int | None = None) -> Nonce:
        """Get a nonce for an enclave.

        Args:
            policy: the one policy that it is good for; None: any.
            ttl: the seconds it lives; None: as the verifier is configured.

        Raises:
            VerifierUnavailableError: there was none in any try, or in time (`VerifierTimeoutError`).
            VerifierRefusedError: there is none for such a request.
            VerifierProtocolError: what answers is no verifier.
        """
        question = nonce_question(policy, ttl)

        async def ask(within: float) -> Nonce:
            return decode_nonce(await self._transport.ask(question, within=within), policy)

        return await persist(ask, self._transport.limits, repeatable=True)

    async def verify(self, document: bytes, *, policy: str | None, nonce: bytes | None) -> Result:
        """Get the verdict on a document; a rejection is one too.

        Args:
            document: as the enclave gave it.
            policy: by which to appraise. None leaves it to the verifier's default; look at `Result.policy` then.
            nonce: that you gave to the enclave for this document. None only where nothing was asked of it: any document
                that is young enough will do then, also one that was made for somebody else.

        Raises:
            VerifierUnavailableError: no verdict came; whether the nonce is used up says ``unheard``.
            VerifierRefusedError: the request was not judged at all.
            VerifierProtocolError: the answer contradicts itself, or is about something else.
        """
        question = verify_question(document, policy=policy, nonce=nonce)
        answer = await self._ask_for_verdict(question)
        return decode_result(answer, Asked(document=document, policy=policy, nonce=nonce))

    async def verify_signed(  # noqa: PLR0913 - each is a thing that a Relying Party must have thought about
        self,
        document: bytes,
        *,
        policy: str,
        nonce: bytes | None,
        audience: str | None,
        result_nonce: bytes | None = None,
        form: Form = "jwt",
        kind: EvidenceKind = EvidenceKind.ENCLAVE,
    ) -> SignedResult:
        """Get the verdict on a document as a token that was verified already and can be passed on.

        Args:
            document: as the enclave gave it.
            policy: by which to appraise.
            nonce: that you gave to the enclave for this document; None as for `verify`.
            audience: whom the token is for; None: for nobody in particular.
            result_nonce: 8 to 64 bytes that the token shall echo; one is made where there is none.
            form: ``"jwt"`` or ``"cwt"``.
            kind: of what the document is.

        Raises:
            VerifierUnavailableError, VerifierRefusedError, VerifierProtocolError: as for `verify`.
            EarError: the token is not one of the issuer's, or not what was asked for.
            KeysUnavailableError: the issuer's keys could not be had.
            ValueError: the client was not told the issuer.
        """
        if self._issuer is None:
            raise ValueError("signed results need to know the issuer: AsyncVerifierClient(..., issuer=...)")
        expectations = Expectations(issuer=self._issuer, audience=audience, policy=policy, kind=kind)
        echoed = secrets.token_bytes(RESULT_NONCE_BYTES) if result_nonce is None else result_nonce
        question = signed_question(
            document, policy=policy, nonce=nonce, audience=audience, result_nonce=echoed, form=form
        )
        await self._keys.get()  # without them the document's nonce would be used up for nothing
        answer = await self._ask_for_verdict(question)
        token = answer.body.decode("ascii", "replace") if form == "jwt" else answer.body
        result = await read_with(self._keys, expectations, token, at=self._now(), nonce=echoed)
        return decode_signed(answer, token, result, Asked(document=document, policy=policy, nonce=nonce))

    async def _ask_for_verdict(self, question: Question) -> Answer:
        async def ask(within: float) -> Answer:
            answer = await self._transport.ask(question, within=within)
            if answer.status not in VERDICT_OF or answer.media_type != question.accept:
                raise failure(answer)
            return answer

        return await persist(ask, self._transport.limits, repeatable=False)

    async def close(self) -> None:
        """Close its connections; it cannot be used any more."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()
