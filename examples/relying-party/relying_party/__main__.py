"""A service that says hello to enclaves: ``python -m relying_party --verifier URL --issuer NAME --policy NAME``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from aiohttp import web

from relying_party.aiohttp_middleware import ADMITTED, attested_only
from verifier.client import AsyncTokenVerifier, Expectations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def hello(request: web.Request) -> web.Response:
    """Say who was admitted."""
    admitted = request[ADMITTED]
    return web.json_response({"hello": admitted.build, "policy": admitted.policy_name})


def make_app(verifier_url: str, expectations: Expectations) -> web.Application:
    """Make the application; connections for the issuer's keys live and end with it."""
    tokens = AsyncTokenVerifier(verifier_url, expectations)

    async def close_tokens(_: web.Application) -> AsyncIterator[None]:
        async with tokens:
            yield

    app = web.Application(middlewares=[attested_only(tokens)])
    app.cleanup_ctx.append(close_tokens)
    app.router.add_get("/hello", hello)
    return app


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="relying_party", description=__doc__)
    parser.add_argument("--verifier", required=True, help="base URL of the verifier, for its keys")
    parser.add_argument("--issuer", required=True, help="what the verifier calls itself in tokens")
    parser.add_argument("--policy", required=True, help="by which enclaves must have been appraised")
    parser.add_argument("--audience", default="relying-party-example", help="our own name (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="on 127.0.0.1 (default: %(default)s)")
    given = parser.parse_args()
    expectations = Expectations(issuer=given.issuer, audience=given.audience, policy=given.policy)
    try:
        app = make_app(given.verifier, expectations)
    except ValueError as error:
        parser.error(f"--verifier {given.verifier}: {error}")
    web.run_app(app, host="127.0.0.1", port=given.port)


if __name__ == "__main__":
    main()
