"""ASGI middleware, for Starlette, FastAPI, Quart, Django and whatever else speaks ASGI 3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from relying_party.admission import ATTESTATION, Refusal, admit

if TYPE_CHECKING:
    from verifier.client import AsyncTokenVerifier

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


class AttestedOnly:
    """Lets requests and WebSockets through to ``app`` that carry an affirmed token; its result is in the scope.

    The server's own messages (``lifespan``) pass. A kind of scope that this version does not know does not.
    """

    def __init__(self, app: App, tokens: AsyncTokenVerifier) -> None:
        """Stand before ``app``; ``tokens`` is closed by whoever made it."""
        self._app: Final = app
        self._tokens: Final = tokens

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Admit or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            raise ValueError(f"a scope of type {scope['type']!r}")
        decision = await admit(self._tokens, _authorization(scope))
        if not isinstance(decision, Refusal):
            await self._app({**scope, ATTESTATION: decision}, receive, send)
        elif scope["type"] == "http":
            await _answer(send, decision)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def _authorization(scope: Message) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]


async def _answer(send: Send, refusal: Refusal) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
