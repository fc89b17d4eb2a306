"""`VerifierClient`: the same as `AsyncVerifierClient`, for code that has no event loop, or must not await."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from verifier.client.background import Background
from verifier.client.remote import AsyncVerifierClient

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType

    from verifier.client.limits import Limits
    from verifier.client.questions import Nonce
    from verifier.client.results import Result


class VerifierClient:
    """A verifier, as a Relying Party sees it; may be used from several threads, and after a fork.

    The work is done in a thread of its own, which the first call starts and `close` ends. `AsyncVerifierClient` says
    what each method does and raises.
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
        """Know whom to ask; see `AsyncVerifierClient`."""

        def make() -> AsyncVerifierClient:
            return AsyncVerifierClient(
                base_url, limits=limits, tls=tls, headers=headers, allow_plaintext=allow_plaintext
            )

        make()  # what is wrong with the arguments is said here
        self._background: Final = Background(make)

    def nonce(self, *, policy: str | None = None, ttl: int | None = None) -> Nonce:
        """Get a nonce for an enclave."""
        return self._background.run(lambda client: client.nonce(policy=policy, ttl=ttl))

    def verify(self, document: bytes, *, policy: str | None, nonce: bytes | None) -> Result:
        """Get the verdict on a document; a rejection is one too."""
        return self._background.run(lambda client: client.verify(document, policy=policy, nonce=nonce))

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
