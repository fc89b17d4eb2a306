"""The issuer's public keys, from its JWKS: kept for as long as it allows, and asked for anew when a kid is unknown.

A stranger can send tokens with any kid, so that refresh has a rate; and while the keys cannot be had, they are not
asked for with every token. Keys older than the issuer allows are not used: one of them may have been withdrawn.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from verifier.client.errors import ClientError, KeysUnavailableError, VerifierProtocolError
from verifier.client.questions import failure
from verifier.client.retries import persist
from verifier.client.transport import Question
from verifier.ear.errors import EarError
from verifier.ear.keyrings import VerificationKeys, read_jwks

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.client.transport import Answer, Transport

JWKS_PATH: Final = "/.well-known/jwks.json"
JWKS_TYPES: Final = ("application/jwk-set+json", "application/json")
DEFAULT_S: Final = 300.0
"""How long keys are kept where the answer does not say."""
LONGEST_S: Final = 3600.0
"""How long at most: what it takes until a withdrawn key is believed no more."""
PAUSE_S: Final = 10.0
"""The least time between two questions for them, and the least that they are kept."""
_MAX_AGE: Final = re.compile(r"(?:^|,)\s*max-age=([0-9]{1,9})\s*(?:,|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Keys, and until when they may be used."""

    keys: VerificationKeys
    until: float


class KeyCache:
    """The keys of one issuer; it belongs to one event loop."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport: Final = transport
        self._clock: Final = clock
        self._held: _Held | None = None
        self._asked_at: float | None = None
        self._asking: asyncio.Task[VerificationKeys] | None = None

    async def get(self) -> VerificationKeys:
        """Give keys that the issuer still allows to be used.

        Raises:
            KeysUnavailableError: there are none.
        """
        held = self._usable()
        if held is not None:
            return held.keys
        if self._asked_lately():
            raise KeysUnavailableError("the issuer's keys could not be had a moment ago")
        return await self._ask()

    async def newer_than(self, known: VerificationKeys) -> VerificationKeys:
        """Give other keys where there may be some, and otherwise those that are known already.

        Raises:
            KeysUnavailableError: it could not be found out.
        """
        held = self._usable()
        if held is not None and held.keys is not known:
            return held.keys
        return known if self._asked_lately() else await self._ask()

    def _usable(self) -> _Held | None:
        held = self._held
        return held if held is not None and self._clock() < held.until else None

    def _asked_lately(self) -> bool:
        """Tell whether there was an answer, or none, so lately that it is too early to ask again."""
        return self._asking is None and self._asked_at is not None and self._clock() < self._asked_at + PAUSE_S

    async def _ask(self) -> VerificationKeys:
        """Ask, or wait for the answer to who asked before.

        The question is nobody's own: whoever gives up waiting for it, such as for a client that went away, takes it
        from no one else.
        """
        if self._asking is None:
            self._asked_at = self._clock()
            self._asking = asyncio.create_task(self._fetch(self._asked_at))
            self._asking.add_done_callback(self._end)
        return await asyncio.shield(self._asking)

    def _end(self, asking: asyncio.Task[VerificationKeys]) -> None:
        self._asking = None
        with suppress(asyncio.CancelledError):  # by the end of the event loop
            asking.exception()  # known to whoever waited; and if nobody did, it is no news

    async def _fetch(self, asked_at: float) -> VerificationKeys:
        question = Question(method="GET", target=JWKS_PATH, accept=", ".join(JWKS_TYPES))

        async def ask(within: float) -> Answer:
            answer = await self._transport.ask(question, within=within)
            if answer.status != HTTPStatus.OK:
                raise failure(answer)
            return answer

        try:
            answer = await persist(ask, self._transport.limits, repeatable=True)
            self._held = _read(answer, asked_at)
        except (ClientError, EarError) as error:
            raise KeysUnavailableError(f"the issuer's keys could not be had: {error}") from error
        return self._held.keys


def _read(answer: Answer, asked_at: float) -> _Held:
    if answer.media_type not in JWKS_TYPES:
        raise VerifierProtocolError("the answer is not a JWKS", status=answer.status)
    return _Held(keys=read_jwks(answer.body), until=asked_at + _lifetime(answer))


def _lifetime(answer: Answer) -> float:
    said = _MAX_AGE.search(answer.header("Cache-Control") or "")
    return min(max(float(said[1]) if said else DEFAULT_S, PAUSE_S), LONGEST_S)
