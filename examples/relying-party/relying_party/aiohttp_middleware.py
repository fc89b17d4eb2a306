"""The same for aiohttp's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from relying_party.admission import ATTESTATION, Refusal, admit
from verifier.client import EarResult

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from verifier.client import AsyncTokenVerifier

ADMITTED: Final = web.RequestKey(ATTESTATION, EarResult)
"""Where a request that was admitted carries its result."""


def attested_only(tokens: AsyncTokenVerifier) -> Middleware:
    """Let requests through that carry an affirmed token; its result is in the request.

    Put it first, so that nothing is done for others.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        decision = await admit(tokens, request.headers.getall(hdrs.AUTHORIZATION, ()))
        if isinstance(decision, Refusal):
            return web.Response(status=decision.status, headers=decision.headers, body=decision.body)
        request[ADMITTED] = decision
        return await handler(request)

    return middleware
