"""The application: every route, and the edge around them. Assembly and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from verifier.service.catalogue import Catalogue
from verifier.service.connections import protocol_options
from verifier.service.edge import FALLBACK_PATH, Edge, expect
from verifier.service.handlers import Handlers
from verifier.service.probes import Probes
from verifier.service.problems import ProblemError, ProblemType
from verifier.service.shortcut import Shortcut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from verifier.service.answers import Answer
    from verifier.service.state import Service

    Handler = Callable[[web.Request], Awaitable[Answer]]


def make_app(service: Service) -> web.Application:
    """Assemble the application around what ``make_service`` made."""
    edge = Edge(service)
    app = web.Application(middlewares=[edge.middleware()], handler_args=protocol_options(service))
    handlers, catalogue, probes = Handlers(service), Catalogue(service), Probes(service)
    service.shortcut = Shortcut(edge, service, {"/v1/verify": handlers.verify, "/v1/nonces": handlers.issue_nonce})
    _add(app, "/v1/verify", hdrs.METH_POST, handlers.verify)
    _add(app, "/v1/explain", hdrs.METH_POST, handlers.explain)
    _add(app, "/v1/nonces", hdrs.METH_POST, handlers.issue_nonce)
    _add(app, "/v1/policies", hdrs.METH_GET, catalogue.list_policies)
    _add(app, "/v1/policies/{name}", hdrs.METH_GET, catalogue.show_policy)
    _add(app, "/.well-known/nitro-verifier", hdrs.METH_GET, catalogue.discover)
    _add(app, "/.well-known/jwks.json", hdrs.METH_GET, catalogue.show_keys)
    _add(app, "/openapi.json", hdrs.METH_GET, catalogue.show_api)
    _add(app, "/livez", hdrs.METH_GET, probes.live)
    _add(app, "/readyz", hdrs.METH_GET, probes.ready)
    _add(app, "/metrics", hdrs.METH_GET, probes.metrics)
    _add(app, "/", hdrs.METH_GET, catalogue.index)
    # Last, so that every other path is ours too: aiohttp's own answers are not problems and name the software.
    app.router.add_route(hdrs.METH_ANY, FALLBACK_PATH, _for_aiohttp(_not_found), expect_handler=expect)
    return app


def _add(app: web.Application, path: str, method: str, handler: Handler) -> None:
    """Add a route that takes one method (and HEAD with GET), and says so to all others."""
    resource = app.router.add_resource(path)
    methods = [method, hdrs.METH_HEAD] if method == hdrs.METH_GET else [method]
    for each in methods:
        resource.add_route(each, _for_aiohttp(handler), expect_handler=expect)
    allowed = ", ".join(methods)

    async def refuse(_: web.Request) -> Answer:
        raise ProblemError(ProblemType.METHOD_NOT_ALLOWED, f"taken here: {allowed}", headers={hdrs.ALLOW: allowed})

    resource.add_route(hdrs.METH_ANY, _for_aiohttp(refuse), expect_handler=expect)


def _for_aiohttp(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Give a handler as aiohttp wants it: the edge around it makes a response of its answer."""
    return cast("Callable[[web.Request], Awaitable[web.StreamResponse]]", handler)


async def _not_found(_: web.Request) -> Answer:
    raise ProblemError(ProblemType.NOT_FOUND, "GET / says what there is")
