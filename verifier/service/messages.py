"""What else travels: requests, nonces, policies, discovery and problems, as the types that decode, encode and document.

Requests are strict: an unknown field is a mistake that is named, not a wish that is passed over.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from verifier.nonces import MAX_TTL_S, MIN_TTL_S

RejectStatus = Literal[200, 403, 422]
"""The status of a rejected result, for gateways that cannot read one from the body."""

_BASE64 = {"contentEncoding": "base64", "pattern": "^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$"}
"""For the description alone: msgspec would check it with a regular expression, the reader of base64 does it faster."""
_NONCE = {"pattern": "^[A-Za-z0-9+/_-]+={0,2}$"}
_CHOSEN_TIME = {"anyOf": [{"format": "date-time"}, {"const": "document"}]}


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document to appraise, and by what."""

    document: Annotated[
        str, Meta(description="The document's bytes as base64 or base64url.", extra_json_schema=_BASE64)
    ]
    policy: Annotated[str, Meta(description="Name of the policy; may be left out where a default is configured.")] | (
        UnsetType
    ) = UNSET
    nonce: (
        Annotated[
            str,
            Meta(
                description="The nonce the enclave was challenged with, in hex, base64 or base64url.",
                extra_json_schema=_NONCE,
            ),
        ]
        | UnsetType
    ) = UNSET
    at: (
        Annotated[
            str,
            Meta(
                description='As of which time: RFC 3339, or "document" for its own. Only where the service allows it.',
                extra_json_schema=_CHOSEN_TIME,
            ),
        ]
        | UnsetType
    ) = UNSET
    result_audience: (
        Annotated[
            str,
            Meta(
                description="For whom a signed result is: its aud. 1 to 255 characters of a URI.",
                extra_json_schema={"minLength": 1, "maxLength": 255},
            ),
        ]
        | UnsetType
    ) = UNSET
    result_nonce: (
        Annotated[
            str,
            Meta(
                description="The Relying Party's nonce, echoed in a signed result: 8 to 64 bytes in hex or base64.",
                extra_json_schema=_NONCE,
            ),
        ]
        | UnsetType
    ) = UNSET
    reject_status: Annotated[RejectStatus, Meta(description="The status that a rejected result has.")] | UnsetType = (
        UNSET
    )


class NonceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a nonce shall be good for, and how long; everything may be left out, and the body too."""

    policy: Annotated[str, Meta(description="The one policy it is good for; left out, any.")] | UnsetType = UNSET
    ttl: Annotated[int, Meta(ge=MIN_TTL_S, le=MAX_TTL_S, description="Seconds it lives.")] | UnsetType = UNSET


class NonceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A nonce of 58 bytes as base64url without padding, and its life."""

    nonce: str
    issued_at: str
    expires_at: str


class BuildBody(msgspec.Struct, frozen=True, kw_only=True):
    """A build that a policy trusts, and when."""

    name: str
    not_before: str | None
    not_after: str | None


class PolicySummary(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's name, the digest of its canonical text, and what it lets through."""

    name: str
    sha256: str
    shadow_of: str | None
    """The policy that it shadows; it can then be looked at, and not be asked for."""
    evidence: Literal["enclave", "nitro-tpm"]
    mode: Literal["image", "signer"]
    nonce: Literal["required", "caller", "none"]
    debug: Literal["reject", "allow"]
    max_age_ms: int
    clock_skew_ms: int
    builds: list[BuildBody]
    shadows: list[BuildBody]
    denied: list[str]


class PolicyListing(msgspec.Struct, frozen=True, kw_only=True):
    """Every policy that this service appraises by."""

    policies: list[PolicySummary]
    default_policy: str | None


class PolicyDetail(PolicySummary, frozen=True, kw_only=True):
    """A policy and its canonical text, whose SHA-256 is ``sha256``."""

    toml: str


class AnchorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A trust anchor, and the end of its validity."""

    name: str
    sha256: str
    not_after: str


class LimitsBody(msgspec.Struct, frozen=True, kw_only=True):
    """The largest bodies, in bytes."""

    raw_body: int
    json_body: int
    evidence: int


class NonceSupport(msgspec.Struct, frozen=True, kw_only=True):
    """How nonces are made here. ``shared_keys`` is false when only this start of the service understands its own."""

    size: int
    default_ttl: int
    max_ttl: int
    single_use: Literal["off", "host", "shared"]
    shared_keys: bool


class SigningSupport(msgspec.Struct, frozen=True, kw_only=True):
    """How results are signed here. An ``ephemeral`` key dies with the process: for trying it out, and nothing else."""

    issuer: str
    kid: str
    algorithm: str
    ephemeral: bool
    affirmed_lifetime: int
    rejected_lifetime: int


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What this service is and takes."""

    name: str
    version: str
    engine: Literal["aws-lc", "openssl"]
    audience: str
    accepts: list[str]
    produces: list[str]
    policies: list[str]
    default_policy: str | None
    anchors: list[AnchorDetail]
    historical: Literal["off", "allow"]
    nonces: NonceSupport
    signing: SigningSupport | None
    limits: LimitsBody
    endpoints: dict[str, str]


class ReloadBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force of one thing that can be reloaded, and whether what is on the disk now was refused."""

    live: str
    since: str
    last_reload: Literal["none", "ok", "failed"]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether requests should be sent here, what each check found, and what is in force."""

    ready: bool
    checks: dict[str, Literal["ok", "failed"]]
    reloads: dict[str, ReloadBody]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    live: bool


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a request, or with us (RFC 9457); never a judgement on evidence."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
