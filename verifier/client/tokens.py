"""Signed results verified where they are used: with the issuer's keys alone, and without asking it about each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self, Unpack

from verifier.client.background import Background
from verifier.client.keys import KeyCache
from verifier.client.transport import Connection, Transport
from verifier.ear.errors import EarError, EarErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from verifier.client.expectations import Expectations
    from verifier.ear.results import EarResult


def read_clock() -> datetime:
    """Give the time of now."""
    return datetime.now(UTC)


async def read_with(
    keys: KeyCache, expectations: Expectations, token: str | bytes, *, at: datetime, nonce: bytes | None
) -> EarResult:
    """Read a token, and look for newer keys where its own is unknown.

    Raises:
        EarError, KeysUnavailableError: as `AsyncTokenVerifier.read`.
    """
    known = await keys.get()
    try:
        return expectations.read(token, known, at=at, nonce=nonce)
    except EarError as error:
        if error.code is not EarErrorCode.KEY_UNKNOWN:
            raise
    return expectations.read(token, await keys.newer_than(known), at=at, nonce=nonce)


class AsyncTokenVerifier:
    """Verifies tokens of one issuer; use it with ``async with``, from one event loop.

    The keys come from ``/.well-known/jwks.json`` below the base URL, over HTTPS or from this machine.
    """

    def __init__(
        self,
        base_url: str,
        expectations: Expectations,
        *,
        now: Callable[[], datetime] = read_clock,
        **connection: Unpack[Connection],
    ) -> None:
        """Know where the keys are, and what is expected of tokens.

        Args:
            base_url: the verifier's, as for `AsyncVerifierClient`.
            expectations: whose tokens are good.
            now: the clock.
            connection: see `Connection`.

        Raises:
            ValueError: the URL is none, or plain HTTP to another machine.
        """
        self._transport: Final = Transport(base_url, **connection)
        self._keys: Final = KeyCache(self._transport)
        self._expectations: Final = expectations
        self._now: Final = now

    async def read(self, token: str | bytes, *, nonce: bytes | None) -> EarResult:
        """Verify a token and read what it says, which may well be that the enclave is rejected.

        Args:
            token: a JWT, or the bytes of a CWT.
            nonce: that this Relying Party asked to be echoed; None takes any token until it expires.

        Raises:
            EarError: it is refused; ``code`` says why.
            KeysUnavailableError: the keys could not be had, so nothing is known about the token.
        """
        return await read_with(self._keys, self._expectations, token, at=self._now(), nonce=nonce)

    async def require_affirmed(self, token: str | bytes, *, nonce: bytes | None) -> EarResult:
        """Give what an affirmed token says.

        Raises:
            EarError: it is refused, or not affirmed; ``code`` says why.
            KeysUnavailableError: the keys could not be had, so nothing is known about the token.
        """
        return (await self.read(token, nonce=nonce)).require_affirmed()

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


class TokenVerifier:
    """Verifies tokens of one issuer; may be used from several threads, and after a fork.

    As with `VerifierClient`, the first call starts a thread and `close` ends it.
    """

    def __init__(
        self,
        base_url: str,
        expectations: Expectations,
        *,
        now: Callable[[], datetime] = read_clock,
        **connection: Unpack[Connection],
    ) -> None:
        """Know where the keys are, and what is expected of tokens; see `AsyncTokenVerifier`."""
        self._background: Final = Background(lambda: AsyncTokenVerifier(base_url, expectations, now=now, **connection))

    def read(self, token: str | bytes, *, nonce: bytes | None) -> EarResult:
        """Verify a token and read what it says; see `AsyncTokenVerifier.read`."""
        return self._background.run(lambda verifier: verifier.read(token, nonce=nonce))

    def require_affirmed(self, token: str | bytes, *, nonce: bytes | None) -> EarResult:
        """Give what an affirmed token says; see `AsyncTokenVerifier.require_affirmed`."""
        return self._background.run(lambda verifier: verifier.require_affirmed(token, nonce=nonce))

    def close(self) -> None:
        """Close its connections and end its thread; it cannot be used any more."""
        self._background.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
