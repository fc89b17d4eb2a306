"""`AsyncVerifierClient`: asks a verifier for nonces and verdicts, and asks again only where that is safe."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final, Self, TypeVar

from verifier.client.addresses import parse_address
from verifier.client.decoding import JSON, VERDICT_OF, Asked, decode_result
from verifier.client.errors import VerifierUnavailableError
from verifier.client.limits import Limits, pause_after
from verifier.client.questions import Nonce, decode_nonce, failure, nonce_question, verify_question
from verifier.client.transport import Transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from verifier.client.results import Result

_Value = TypeVar("_Value")


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
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        allow_plaintext: bool = False,
    ) -> None:
        """Know whom to ask.

        Args:
            base_url: ``https://host``, ``http://127.0.0.1:8080`` or ``unix:/run/verifier.sock``; a path before the
                verifier's own is kept.
            limits: how long a call may take, and how often a question is repeated.
            tls: for a private CA or a client certificate; the system's roots otherwise.
            headers: sent along with everything, such as ``Authorization`` for a gateway.
            allow_plaintext: plain HTTP to another machine, where something else protects the way.

        Raises:
            ValueError: the URL is none, or plain HTTP to another machine.
        """
        self._limits: Final = limits or Limits()
        address = parse_address(base_url, allow_plaintext=allow_plaintext)
        self._transport: Final = Transport(address, limits=self._limits, tls=tls, headers=headers or {})

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

        return await self._persist(ask, repeatable=True)

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
        asked = Asked(document=document, policy=policy, nonce=nonce)

        async def ask(within: float) -> Result:
            answer = await self._transport.ask(question, within=within)
            if answer.status not in VERDICT_OF or answer.media_type != JSON:
                raise failure(answer)
            return decode_result(answer, asked)

        return await self._persist(ask, repeatable=False)

    async def _persist(self, ask: Callable[[float], Awaitable[_Value]], *, repeatable: bool) -> _Value:
        clock = asyncio.get_running_loop().time
        end = clock() + self._limits.total_s
        for tried in count(1):
            try:
                return await ask(end - clock())
            except VerifierUnavailableError as error:
                pause = pause_after(tried, self._limits, retry_after=error.retry_after)
                if tried == self._limits.tries or not (repeatable or error.unheard) or clock() + pause >= end:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError  # pragma: no cover

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
