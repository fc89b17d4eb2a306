"""Request bodies and queries, understood strictly; ``intake`` reads them."""

from __future__ import annotations

import json
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import hdrs

from verifier.ear.signing import NOBODY, Addressee
from verifier.evidence.envelope import MAX_EVIDENCE_BYTES
from verifier.history import ChosenTime
from verifier.service.messages import NonceRequest, VerifyRequest
from verifier.service.negotiation import JSON
from verifier.service.notation import read_bytes, read_chosen_time, read_nonce_text
from verifier.service.problems import ProblemError, ProblemType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verifier.service.intake import Intake
    from verifier.service.requests import Request

MAX_RAW_BODY = MAX_EVIDENCE_BYTES
MAX_JSON_BODY = 24 * 1024
"""A document of the largest size in base64, and room for the rest."""
MAX_NONCE_BODY = 1024
MAX_QUERY_FIELDS = 8

COSE = "application/cose"
OCTETS = "application/octet-stream"
RAW_TYPES = (COSE, "application/cbor", OCTETS, "application/aws-nitro-document")
DEFAULT_REJECT_STATUS = 422
REJECT_STATUSES = ("200", "403", "422")

_VERIFY_QUERY = frozenset({"policy", "nonce", "at", "result_audience", "result_nonce", "reject_status"})
_Request = TypeVar("_Request", VerifyRequest, NonceRequest)
_decode_verify = msgspec.json.Decoder(VerifyRequest)
_decode_nonce = msgspec.json.Decoder(NonceRequest)


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How a client wants a document appraised, whichever way it said so."""

    policy: str | None
    nonce: bytes | None
    at: ChosenTime | None
    """``None`` for now."""
    to: Addressee
    """Whom a signed result is for."""
    reject_status: int


async def read_verify_request(request: Request, intake: Intake) -> tuple[bytes, Wishes]:
    """Read a raw document with its query, or JSON without one; give the document, and what is wanted of it.

    Raises:
        ProblemError: anything about the request is not as documented.
    """
    wishes = _read_wishes(request.headers.get(hdrs.CONTENT_TYPE, OCTETS), request.rel_url.raw_query_string)
    if wishes is None:
        return _from_json(await intake.read(request, MAX_JSON_BODY))
    return await intake.read(request, MAX_RAW_BODY), wishes


@lru_cache(maxsize=128)  # most clients ask with the same words again and again
def _read_wishes(content_type: str, text: str) -> Wishes | None:
    """Read what goes with a raw document; ``None`` when JSON says it instead.

    Raises:
        ProblemError: as ``read_verify_request`` does.
    """
    media_type = _media_type(content_type)
    if media_type == JSON:
        _parse_query(text, frozenset())
        return None
    if media_type not in RAW_TYPES:
        raise ProblemError(
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            f"taken here: {JSON}, {', '.join(RAW_TYPES)}; curl needs -H 'Content-Type: {COSE}'",
            headers={hdrs.ACCEPT: ", ".join((JSON, *RAW_TYPES))},
        )
    query = _parse_query(text, _VERIFY_QUERY)
    status = query.get("reject_status", str(DEFAULT_REJECT_STATUS))
    if status not in REJECT_STATUSES:
        raise ProblemError(ProblemType.MALFORMED_REQUEST, "reject_status: 200, 403 or 422")
    nonce, at = query.get("nonce"), query.get("at")
    return Wishes(
        policy=query.get("policy"),
        nonce=None if nonce is None else _nonce(nonce),
        at=None if at is None else _chosen_time(at),
        to=_addressee(query.get("result_audience"), query.get("result_nonce")),
        reject_status=int(status),
    )


async def read_nonce_request(request: Request, intake: Intake) -> NonceRequest:
    """Read what a nonce shall be good for; an empty body asks for the usual.

    Raises:
        ProblemError: anything about the request is not as documented.
    """
    read_query(request, frozenset())
    body = await intake.read(request, MAX_NONCE_BODY)
    if not body:
        return NonceRequest()
    if _media_type(request.headers.get(hdrs.CONTENT_TYPE, OCTETS)) != JSON:
        raise ProblemError(
            ProblemType.UNSUPPORTED_MEDIA_TYPE, f"taken here: {JSON}, or no body at all", headers={hdrs.ACCEPT: JSON}
        )
    return _decode(_decode_nonce, body)


def read_query(request: Request, known: frozenset[str]) -> Mapping[str, str]:
    """Read the query; a parameter that is unknown or occurs twice is refused, because a mistyped ``nonce`` matters.

    Raises:
        ProblemError: it is not well formed, or has other parameters than those ``known``.
    """
    return _parse_query(request.rel_url.raw_query_string, known)


def _parse_query(text: str, known: frozenset[str]) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError as error:
        raise ProblemError(ProblemType.MALFORMED_REQUEST, "the query is not well formed") from error
    query = dict(pairs)
    if not query.keys() <= known:
        taken = ", ".join(sorted(known)) or "none; they belong into the JSON body"
        raise ProblemError(ProblemType.MALFORMED_REQUEST, f"unknown query parameter; taken here: {taken}")
    if len(query) != len(pairs):
        raise ProblemError(ProblemType.MALFORMED_REQUEST, "a query parameter occurs twice")
    return MappingProxyType(query)


def _media_type(content_type: str) -> str:
    """Give the body's media type without its parameters; no header at all means bytes (RFC 9110 section 8.3).

    Not ``request.content_type``: that is Python's e-mail parser, which some headers keep busy for seconds and others
    make fail. A request with two of these headers does not come this far.
    """
    return content_type.partition(";")[0].strip(" \t").lower()


def _from_json(body: bytes) -> tuple[bytes, Wishes]:
    wanted = _decode(_decode_verify, body)
    try:
        document = read_bytes(wanted.document) if wanted.document else b""
    except ValueError as error:
        raise ProblemError(ProblemType.MALFORMED_REQUEST, f"document: {error}") from error
    return document, Wishes(
        policy=None if wanted.policy is msgspec.UNSET else wanted.policy,
        nonce=None if wanted.nonce is msgspec.UNSET else _nonce(wanted.nonce),
        at=None if wanted.at is msgspec.UNSET else _chosen_time(wanted.at),
        to=_addressee(_given(wanted.result_audience), _given(wanted.result_nonce)),
        reject_status=DEFAULT_REJECT_STATUS if wanted.reject_status is msgspec.UNSET else wanted.reject_status,
    )


def _given(value: str | msgspec.UnsetType) -> str | None:
    return None if value is msgspec.UNSET else value


def _addressee(audience: str | None, nonce: str | None) -> Addressee:
    """Take whom a signed result is for; refused here, it costs no appraisal and no nonce."""
    if audience is None and nonce is None:
        return NOBODY
    try:
        return Addressee(audience=audience, nonce=None if nonce is None else _nonce(nonce, "result_nonce"))
    except ValueError as error:
        raise ProblemError(ProblemType.MALFORMED_REQUEST, f"result_{error}") from error


def _nonce(text: str, name: str = "nonce") -> bytes:
    try:
        return read_nonce_text(text)
    except ValueError as error:
        hint = f"{name}: not hex, base64 or base64url (in a query, write + as %2B, or use base64url)"
        raise ProblemError(ProblemType.MALFORMED_REQUEST, hint) from error


def _chosen_time(text: str) -> ChosenTime:
    try:
        return read_chosen_time(text)
    except ValueError as error:
        hint = f'at: neither "document" nor a time: {error} (in a query, write + as %2B)'
        raise ProblemError(ProblemType.MALFORMED_REQUEST, hint) from error


def _decode(decoder: msgspec.json.Decoder[_Request], body: bytes) -> _Request:
    try:
        wanted = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(ProblemType.MALFORMED_REQUEST, f"the JSON body: {error}") from error
    if _may_repeat_a_key(body, wanted):
        _refuse_repeated_keys(body)
    return wanted


def _may_repeat_a_key(body: bytes, wanted: VerifyRequest | NonceRequest) -> bool:
    """Tell cheaply whether a key may occur twice: then there are more quotes than the values that were kept need."""
    values = [value for value in msgspec.structs.astuple(wanted) if value is not msgspec.UNSET]
    return body.count(b'"') != 2 * len(values) + 2 * sum(isinstance(value, str) for value in values)


def _refuse_repeated_keys(body: bytes) -> None:
    def refuse(pairs: Iterable[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ProblemError(ProblemType.MALFORMED_REQUEST, "the JSON body: a field occurs twice")

    json.loads(body, object_pairs_hook=refuse)
