"""The API's description (OpenAPI 3.1), from the same types that decode and encode what it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from verifier.service import explanations, messages, problems
from verifier.service.bodies import OCTETS, RAW_TYPES
from verifier.service.explanations import ExplanationBody
from verifier.service.forms import SIGNED
from verifier.service.problems import ProblemType
from verifier.service.wire import ResultBody

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = "application/json"
JWKS = "application/jwk-set+json"
_SCHEMAS = "#/components/schemas/{name}"
_TYPES = (
    ResultBody,
    ExplanationBody,
    messages.VerifyRequest,
    messages.NonceRequest,
    messages.NonceBody,
    messages.PolicyListing,
    messages.PolicyDetail,
    messages.Discovery,
    messages.Readiness,
    messages.Liveness,
    messages.ProblemBody,
)
_REQUEST_ID = {
    "description": "The request's id: the client's own when it sent a valid one.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}
_VERDICT = {
    "description": "The verdict, for those who do not read bodies.",
    "required": True,
    "schema": {"enum": ["affirmed", "rejected", "historical-affirmed", "historical-rejected"]},
}
_CHOSEN_TIME = {"type": "string", "anyOf": [{"format": "date-time"}, {"const": "document"}]}
_TEXT_HEADER = {"required": True, "schema": {"type": "string"}}
_ANYWHERE = (ProblemType.MALFORMED_HTTP, ProblemType.MALFORMED_REQUEST, ProblemType.INTERNAL_ERROR)
_BODY = (
    ProblemType.UNKNOWN_POLICY,
    ProblemType.NOT_ACCEPTABLE,
    ProblemType.REQUEST_TIMEOUT,
    ProblemType.BODY_TOO_LARGE,
    ProblemType.UNSUPPORTED_MEDIA_TYPE,
    ProblemType.UNSUPPORTED_CONTENT_ENCODING,
    ProblemType.OVERLOADED,
)

_Json = dict[str, Any]


def describe_api(version: str) -> bytes:
    """Give the description as JSON."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_SCHEMAS)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "nitro-verifier",
                "version": version,
                "description": "Verifies AWS Nitro Enclaves attestation documents, and fails closed.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": _paths(),
            "components": {"schemas": schemas},
        }
    )


def _paths() -> _Json:
    return {
        "/v1/verify": {"post": _verify()},
        "/v1/explain": {"post": _explain()},
        "/v1/nonces": {"post": _issue_nonce()},
        "/v1/policies": {"get": _list_policies()},
        "/v1/policies/{name}": {"get": _show_policy()},
        "/.well-known/nitro-verifier": {
            "get": _get("discover", "What this service takes and makes", messages.Discovery, *_NEGOTIATED)
        },
        "/.well-known/jwks.json": {
            "get": _operation("keys", "The keys of signed results", {"200": _answer({JWKS: {}})}, *_NEGOTIATED)
        },
        "/openapi.json": {
            "get": _operation("describe", "This description", {"200": _answer({JSON: {}})}, *_NEGOTIATED)
        },
        "/livez": {"get": _get("live", "Whether the process answers", messages.Liveness)},
        "/readyz": {"get": _ready()},
        "/metrics": {
            "get": _operation("metrics", "What was counted, for Prometheus", {"200": _answer({"text/plain": _TEXT})})
        },
        "/": {"get": _index()},
    }


_TEXT = {"schema": {"type": "string"}}
_TOKEN = {"schema": {"type": "string", "description": "A signed Attestation Result (docs/attestation-results.md)."}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_NEGOTIATED = (ProblemType.NOT_ACCEPTABLE,)


def _verify() -> _Json:
    """Describe the one route that judges: both verdicts have the same body, and each status its meaning."""
    result = {JSON: _schema(ResultBody)} | dict.fromkeys(SIGNED, _TOKEN)
    headers = {"Attestation-Verdict": _VERDICT}
    answers = {
        "200": _answer(result, "Affirmed; or rejected, when reject_status=200 asked for it.", headers),
        "403": _answer(result, "Rejected, when reject_status=403 asked for it.", headers),
        "422": _answer(result, "Rejected.", headers),
    }
    operation = _operation(
        "verify",
        "Appraise one document",
        answers,
        *_BODY,
        ProblemType.POLICY_MISSING,
        ProblemType.SIGNING_NOT_CONFIGURED,
        ProblemType.HISTORICAL_NOT_ALLOWED,
        ProblemType.GUARD_UNAVAILABLE,
    )
    status = {"enum": ["200", "403", "422"], "default": "422"}
    operation["parameters"] = [
        _query("policy", "Name of the policy, for a raw document.", {"type": "string", "maxLength": 64}),
        _query("nonce", "The nonce the enclave was challenged with, for a raw document.", {"type": "string"}),
        _query("at", "As of which time, where the service allows it; for a raw document.", _CHOSEN_TIME),
        _query("result_audience", "For whom a signed result is: its aud.", {"type": "string", "maxLength": 255}),
        _query("result_nonce", "A nonce that a signed result echoes, 8 to 64 bytes.", {"type": "string"}),
        _query("reject_status", "The status of a rejected result, for a raw document.", status),
    ]
    content = {JSON: _schema(messages.VerifyRequest)} | dict.fromkeys(RAW_TYPES, _BINARY)
    operation["requestBody"] = {"required": True, "content": content}
    return operation


def _explain() -> _Json:
    """Describe the route that judges nothing: its answer has a media type of its own, and no verdict."""
    body = _schema(ExplanationBody)
    answers = {"200": _answer({explanations.MEDIA_TYPE: body, JSON: body}, "Every check; no verdict, whatever failed.")}
    operation = _operation(
        "explain", "Explain what is wrong with one document", answers, *_BODY, ProblemType.POLICY_MISSING
    )
    return operation | {key: value for key, value in _verify().items() if key in ("parameters", "requestBody")}


def _issue_nonce() -> _Json:
    answers = {"201": _answer({JSON: _schema(messages.NonceBody), OCTETS: _BINARY}, "A nonce.")}
    operation = _operation("issueNonce", "Issue a nonce", answers, *_BODY)
    operation["requestBody"] = {"required": False, "content": {JSON: _schema(messages.NonceRequest)}}
    return operation


def _show_policy() -> _Json:
    content = {JSON: _schema(messages.PolicyDetail), "application/toml": _TEXT}
    operation = _tagged("showPolicy", "One policy", content, ProblemType.UNKNOWN_POLICY)
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    operation["parameters"] = [name, *operation["parameters"]]
    return operation


def _list_policies() -> _Json:
    return _tagged("listPolicies", "The policies there are", {JSON: _schema(messages.PolicyListing)})


def _tagged(name: str, summary: str, content: _Json, *kinds: ProblemType) -> _Json:
    """Describe an answer that a client need not be sent again while it has not changed."""
    tag = {"ETag": _TEXT_HEADER}
    answers = {"200": _answer(content, "As asked.", tag), "304": _answer({}, "The client has it already.", tag)}
    operation = _operation(name, summary, answers, *kinds, *_NEGOTIATED)
    operation["parameters"] = [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The ETag of an answer that the client has.",
            "schema": {"type": "string"},
        }
    ]
    return operation


def _index() -> _Json:
    tag = {"ETag": {"schema": {"type": "string"}}}
    page = _answer({"text/plain": _TEXT, "text/html": _TEXT}, "The routes; for browsers, the inspector page.", tag)
    return _operation("index", "A page for people", {"200": page, "304": _answer({}, "As before.", tag)}, *_NEGOTIATED)


def _ready() -> _Json:
    body = {JSON: _schema(messages.Readiness)}
    later = _answer(body, "Not now.", {"Retry-After": _TEXT_HEADER})
    return _operation("ready", "Whether to send requests here", {"200": _answer(body), "503": later})


def _get(name: str, summary: str, body: type[msgspec.Struct], *kinds: ProblemType) -> _Json:
    return _operation(name, summary, {"200": _answer({JSON: _schema(body)})}, *kinds)


def _operation(name: str, summary: str, answers: _Json, *kinds: ProblemType) -> _Json:
    return {"operationId": name, "summary": summary, "responses": answers | _problems((*kinds, *_ANYWHERE), answers)}


def _problems(kinds: Iterable[ProblemType], answers: _Json) -> _Json:
    """Describe problems by status; one status may have several types."""
    by_status: dict[str, list[ProblemType]] = {}
    for kind in kinds:
        by_status.setdefault(str(kind.status.value), []).append(kind)
    return {status: _problem(found) for status, found in sorted(by_status.items()) if status not in answers}


def _problem(kinds: list[ProblemType]) -> _Json:
    text = "; ".join(f"{kind.title} (`{kind.uri}`)" for kind in kinds)
    headers = {"Retry-After": _TEXT_HEADER} if kinds[0].status.value == 503 else {}  # noqa: PLR2004 - has this header
    return _answer({problems.MEDIA_TYPE: _schema(messages.ProblemBody)}, text, headers)


def _answer(content: _Json, text: str = "As asked.", headers: _Json | None = None) -> _Json:
    return {"description": text, "headers": {"X-Request-Id": _REQUEST_ID, **(headers or {})}, "content": content}


def _schema(kind: type[msgspec.Struct]) -> _Json:
    return {"schema": {"$ref": _SCHEMAS.format(name=kind.__name__)}}


def _query(name: str, text: str, schema: _Json) -> _Json:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
