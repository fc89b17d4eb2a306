"""What is told to those who look around: policies, discovery, the API's description, a word for people at ``/``."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, cast

import msgspec
from aiohttp import hdrs, web

from verifier.evidence.envelope import MAX_EVIDENCE_BYTES
from verifier.nonces import MAX_TTL_S, NONCE_BYTES
from verifier.policy.canonical import write_policy
from verifier.service.answers import Answer, json_answer
from verifier.service.bodies import MAX_JSON_BODY, MAX_RAW_BODY, RAW_TYPES, read_query
from verifier.service.forms import SIGNED
from verifier.service.inspector import HTML, load_page
from verifier.service.messages import (
    AnchorDetail,
    BuildBody,
    Discovery,
    LimitsBody,
    NonceSupport,
    PolicyDetail,
    PolicyListing,
    PolicySummary,
    SigningSupport,
)
from verifier.service.negotiation import JSON, choose_media_type
from verifier.service.notation import write_time
from verifier.service.openapi import JWKS, describe_api

if TYPE_CHECKING:
    from verifier.policy.model import Build, Policy
    from verifier.service.signing import Signer
    from verifier.service.state import Service

TOML = "application/toml"
TEXT = "text/plain"
NO_CACHE = "no-cache"
"""May be stored, must be asked for again: policies change when they are reloaded."""
MAX_CONDITION = 1024
"""Characters of ``If-None-Match``: a dozen tags of ours."""

KEYS_MAX_AGE_S = 300
KEYS_CACHE = f"public, max-age={KEYS_MAX_AGE_S}"
"""How long Relying Parties may keep the keys: a new one must be ``next`` for longer than this before it signs."""
_NO_KEYS = b'{"keys":[]}'

_INDEX = """\
nitro-verifier {version}: was this document made just now, by a genuine AWS Nitro Enclave, running a build you trust?

POST /v1/nonces                    a nonce for the enclave to put into its document
POST /v1/verify?policy=NAME        the document in the body; 200 only when it is affirmed
POST /v1/explain?policy=NAME       the same document: what is wrong with it, in words
GET  /v1/policies                  the policies there are
GET  /openapi.json                 all of it, for machines
GET  /.well-known/nitro-verifier   what this service takes and makes
GET  /.well-known/jwks.json        the keys of signed results
GET  /livez /readyz /metrics       for those who run it
"""


class Catalogue:
    """The routes that describe one service."""

    def __init__(self, service: Service) -> None:
        """Describe ``service``."""
        self._service = service
        self._api = describe_api(service.version)
        self._page = load_page(service.version) if service.settings.inspector else None

    async def list_policies(self, request: web.Request) -> Answer:
        """``GET /v1/policies``."""
        choose_media_type(request, JSON)
        read_query(request, frozenset())
        policies = self._service.policy_set
        listing = PolicyListing(
            policies=[_summary(policy) for policy in policies.by_name.values()], default_policy=policies.default
        )
        body = msgspec.json.encode(listing)
        return _cached(request, hashlib.sha256(body).hexdigest(), body, JSON)

    async def show_policy(self, request: web.Request) -> Answer:
        """``GET /v1/policies/{name}``: JSON, or the canonical text that the digest in every result is of."""
        media_type = choose_media_type(request, JSON, TOML)
        read_query(request, frozenset())
        policy = self._service.look_up(request.match_info["name"])
        text = write_policy(policy)
        if media_type == TOML:
            return _cached(request, policy.sha256, text.encode(), TOML)
        summary = _summary(policy)
        detail = PolicyDetail(toml=text, **{name: getattr(summary, name) for name in summary.__struct_fields__})
        # Another form of the same needs another tag (RFC 9110 section 8.8.3).
        return _cached(request, f"{policy.sha256}.json", msgspec.json.encode(detail), JSON)

    async def discover(self, request: web.Request) -> Answer:
        """``GET /.well-known/nitro-verifier``."""
        choose_media_type(request, JSON)
        return json_answer(_discovery(self._service), cache=NO_CACHE)

    async def show_keys(self, request: web.Request) -> Answer:
        """``GET /.well-known/jwks.json``: the keys of signed results, the next and the previous one included."""
        choose_media_type(request, JWKS, JSON)
        read_query(request, frozenset())
        signer = self._service.signer
        if signer is None:
            return Answer(body=_NO_KEYS, content_type=JWKS, headers={hdrs.CACHE_CONTROL: NO_CACHE})
        return Answer(body=signer.jwks, content_type=JWKS, headers={hdrs.CACHE_CONTROL: KEYS_CACHE})

    async def show_api(self, request: web.Request) -> Answer:
        """``GET /openapi.json``."""
        choose_media_type(request, JSON)
        return Answer(body=self._api, content_type=JSON, headers={hdrs.CACHE_CONTROL: NO_CACHE})

    async def index(self, request: web.Request) -> Answer:
        """``GET /``: the inspector page for browsers, a list of routes for everybody else."""
        page = self._page
        if choose_media_type(request, TEXT, *(() if page is None else (HTML,))) == HTML and page is not None:
            return page.answer(known=_has(request, page.tag))
        headers: dict[str, str] = {hdrs.CACHE_CONTROL: NO_CACHE, hdrs.VARY: hdrs.ACCEPT}
        text = _INDEX.format(version=self._service.version)
        return Answer(body=text.encode(), content_type=f"{TEXT}; charset=utf-8", headers=headers)


def _cached(request: web.Request, tag: str, body: bytes, content_type: str) -> Answer:
    """Answer with an entity tag; the body is left out when the client has it already (RFC 9110 section 13.1.2)."""
    headers: dict[str, str] = {hdrs.ETAG: f'"{tag}"', hdrs.VARY: hdrs.ACCEPT, hdrs.CACHE_CONTROL: NO_CACHE}
    if _has(request, tag):
        return Answer(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Answer(body=body, content_type=content_type, headers=headers)


def _has(request: web.Request, tag: str) -> bool:
    """Tell whether ``If-None-Match`` names the tag; weak tags count, as caches make ours weak when they compress."""
    given = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, ()))
    if len(given) > MAX_CONDITION:
        return False  # a condition may be passed over: the answer is then the whole of it
    named = {each.strip(" \t").removeprefix("W/") for each in given.split(",")}
    return not named.isdisjoint(("*", f'"{tag}"'))


def _summary(policy: Policy) -> PolicySummary:
    return PolicySummary(
        name=policy.name,
        sha256=policy.sha256,
        shadow_of=policy.shadow_of,
        evidence=policy.evidence.value,
        mode=policy.mode.value,
        nonce=policy.nonce.value,
        debug=policy.debug.value,
        max_age_ms=policy.max_age_ms,
        clock_skew_ms=policy.clock_skew_ms,
        builds=[_build(build) for build in policy.builds],
        shadows=[_build(build) for build in policy.shadows],
        denied=[denied.name for denied in policy.denied],
    )


def _build(build: Build) -> BuildBody:
    return BuildBody(name=build.name, not_before=_optional(build.not_before), not_after=_optional(build.not_after))


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else write_time(moment)


def _discovery(service: Service) -> Discovery:
    settings, policies = service.settings, service.policy_set
    return Discovery(
        name="nitro-verifier",
        version=service.version,
        engine=service.verifier.engine.value,
        audience=settings.audience,
        accepts=[JSON, *RAW_TYPES],
        produces=[JSON, *(SIGNED if service.signer is not None else ())],
        policies=[name for name, policy in policies.by_name.items() if policy.shadow_of is None],
        default_policy=policies.default,
        anchors=[
            AnchorDetail(
                name=anchor.name,
                sha256=anchor.sha256,
                not_after=write_time(datetime.fromtimestamp(anchor.certificate.not_after, UTC)),
            )
            for anchor in service.verifier.anchors
        ],
        historical="allow" if settings.historical else "off",
        nonces=NonceSupport(
            size=NONCE_BYTES,
            default_ttl=settings.nonce_ttl,
            max_ttl=MAX_TTL_S,
            single_use=cast("Literal['off', 'host', 'shared']", service.nonces.reach.value),
            shared_keys=not service.nonces.keyring.ephemeral,
        ),
        signing=None if service.signer is None else _signing(service.signer),
        limits=LimitsBody(raw_body=MAX_RAW_BODY, json_body=MAX_JSON_BODY, evidence=MAX_EVIDENCE_BYTES),
        endpoints={
            "verify": "/v1/verify",
            "explain": "/v1/explain",
            "nonces": "/v1/nonces",
            "policies": "/v1/policies",
            "jwks": "/.well-known/jwks.json",
            "openapi": "/openapi.json",
        },
    )


def _signing(signer: Signer) -> SigningSupport:
    issuer, current = signer.issuer, signer.keys.current
    return SigningSupport(
        issuer=issuer.name,
        kid=current.kid,
        algorithm=current.algorithm.jose,
        ephemeral=signer.keys.ephemeral,
        affirmed_lifetime=int(issuer.affirmed_lifetime.total_seconds()),
        rejected_lifetime=int(issuer.rejected_lifetime.total_seconds()),
    )
