"""`VerifierClient`: the same as `AsyncVerifierClient`, for code that has no event loop, or must not await."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, Unpack

from verifier.client.background import Background
from verifier.client.remote import AsyncVerifierClient
from verifier.client.tokens import read_clock
from verifier.evidence.pcrs import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from verifier.client.questions import Form, Nonce
    from verifier.client.results import Result, SignedResult
    from verifier.client.transport import Connection


class VerifierClient:
    """A verifier, as a Relying Party sees it; may be used from several threads, and after a fork.

    The work is done in a thread of its own, which the first call starts and `close` ends. `AsyncVerifierClient` says
    what each method does and raises.
    """

    def __init__(
        self,
        base_url: str,
        *,
        issuer: str | None = None,
        now: Callable[[], datetime] = read_clock,
        **connection: Unpack[Connection],
    ) -> None:
        """Know whom to ask; see `AsyncVerifierClient`."""
        self._background: Final = Background(
            lambda: AsyncVerifierClient(base_url, issuer=issuer, now=now, **connection)
        )

    def nonce(self, *, policy: str | None = None, ttl: int | None = None) -> Nonce:
        """Get a nonce for an enclave."""
        return self._background.run(lambda client: client.nonce(policy=policy, ttl=ttl))

    def verify(self, document: bytes, *, policy: str | None, nonce: bytes | None) -> Result:
        """Get the verdict on a document; a rejection is one too."""
        return self._background.run(lambda client: client.verify(document, policy=policy, nonce=nonce))

    def verify_signed(  # noqa: PLR0913 - as the asynchronous one
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
        """Get the verdict on a document as a token that was verified already and can be passed on."""
        return self._background.run(
            lambda client: client.verify_signed(
                document,
                policy=policy,
                nonce=nonce,
                audience=audience,
                result_nonce=result_nonce,
                form=form,
                kind=kind,
            )
        )

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
