"""NSM messages as bytes: the encoding of aws-nitro-enclaves-nsm-api (src/api/mod.rs), both ways.

The Rust API's enums are externally tagged: a message without fields is a text string, one with fields a map of one
pair. Requests are written exactly as the Rust API writes them. Replies are read tolerantly, because the NSM and
QEMU's emulation of it differ in form: any key order, definite or indefinite, and keys that nobody knew when this
was written are ignored.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, assert_never

from issuer.nsm.cbor import CborValue, decode, encode
from issuer.nsm.errors import InvalidOperationError, NsmProtocolError
from issuer.nsm.fields import Fields
from issuer.nsm.pcrs import PCR_BYTES, PcrDescription
from issuer.nsm.requests import (
    ATTESTATION_FIELDS,
    Attestation,
    DescribeNsm,
    DescribePcr,
    ExtendPcr,
    GetRandom,
    LockPcr,
    LockPcrs,
    Request,
)
from issuer.nsm.responses import (
    AttestationDocument,
    NsmDescription,
    PcrExtended,
    PcrLocked,
    PcrsLocked,
    RandomBytes,
    Refusal,
    Response,
)

KeyOrder: TypeAlias = Literal["declared", "length-first"]
"""Of the maps in a reply: as the Rust API declares them, or as QEMU sorts them (RFC 7049, section 3.9)."""

MAX_INDEX_READ: Final = 0xFF
"""QEMU does not read a larger index or range, and answers InvalidOperation rather than InvalidIndex."""


def encode_request(request: Request) -> bytes:  # noqa: PLR0911 - one for each request
    """Write a request. All three fields of an attestation are always there, null where they are absent."""
    match request:
        case DescribeNsm():
            return encode("DescribeNSM")
        case DescribePcr():
            return encode({"DescribePCR": {"index": request.index}})
        case ExtendPcr():
            return encode({"ExtendPCR": {"index": request.index, "data": request.data}})
        case LockPcr():
            return encode({"LockPCR": {"index": request.index}})
        case LockPcrs():
            return encode({"LockPCRs": {"range": request.end}})
        case Attestation():
            return encode({"Attestation": {name: getattr(request, name) for name in ATTESTATION_FIELDS}})
        case GetRandom():
            return encode("GetRandom")
        case _:
            assert_never(request)


def decode_request(data: bytes) -> Request:
    """Read a request as QEMU's emulated NSM does: an absent key is null, and text passes for bytes.

    Raises:
        InvalidOperationError: it is none; QEMU answers the same, whatever is wrong with it.
    """
    try:
        return _request(*_untag(decode(data)))
    except ValueError as error:
        raise InvalidOperationError(f"not a request: {error}") from error


def encode_reply(response: Response, key_order: KeyOrder = "declared") -> bytes:  # noqa: PLR0911 - one for each response
    """Write a reply."""
    match response:
        case NsmDescription():
            return encode({"DescribeNSM": _ordered(_description_fields(response), key_order)})
        case PcrDescription():
            return encode({"DescribePCR": _ordered({"lock": response.lock, "data": response.data}, key_order)})
        case PcrExtended():
            return encode({"ExtendPCR": {"data": response.data}})
        case PcrLocked():
            return encode("LockPCR")
        case PcrsLocked():
            return encode("LockPCRs")
        case AttestationDocument():
            return encode({"Attestation": {"document": response.document}})
        case RandomBytes():
            return encode({"GetRandom": {"random": response.random}})
        case Refusal():
            return encode({"Error": response.code})
        case _:
            assert_never(response)


def decode_reply(reply: bytes) -> Response:
    """Read a reply; a refusal is a response like any other here.

    Raises:
        NsmProtocolError: it is none; the error keeps it.
    """
    try:
        return _response(*_untag(decode(reply)))
    except ValueError as error:
        raise NsmProtocolError(f"not a reply: {error}", reply=reply) from error


def _untag(item: object) -> tuple[object, object]:
    """Split a message into its name and what it holds, None for nothing."""
    if isinstance(item, str):
        return item, None
    if isinstance(item, dict) and len(item) == 1:
        ((name, content),) = item.items()
        return name, Fields(content) if isinstance(content, dict) else content
    raise ValueError("neither a name nor a map of one pair")


def _request(name: object, content: object) -> Request:  # noqa: PLR0911 - one for each request
    match name, content:
        case "DescribeNSM", None:
            return DescribeNsm()
        case "DescribePCR", Fields():
            return DescribePcr(index=content.number("index", MAX_INDEX_READ))
        case "ExtendPCR", Fields():
            index = content.number("index", MAX_INDEX_READ)
            return ExtendPcr(index=index, data=content.octets_or_text("data"))
        case "LockPCR", Fields():
            return LockPcr(index=content.number("index", MAX_INDEX_READ))
        case "LockPCRs", Fields():
            return LockPcrs(end=content.number("range", MAX_INDEX_READ))
        case "Attestation", Fields():
            present = [name for name in ATTESTATION_FIELDS if content.has(name)]
            return Attestation(**{name: content.octets_or_text(name) for name in present})
        case "GetRandom", None:
            return GetRandom()
        case _:
            raise ValueError("no such operation")


def _response(name: object, content: object) -> Response:  # noqa: PLR0911 - one for each response
    match name, content:
        case "DescribeNSM", Fields():
            return _description(content)
        case "DescribePCR", Fields():
            return PcrDescription(lock=content.flag("lock"), data=content.octets("data", PCR_BYTES))
        case "ExtendPCR", Fields():
            return PcrExtended(data=content.octets("data", PCR_BYTES))
        case "LockPCR", None:
            return PcrLocked()
        case "LockPCRs", None:
            return PcrsLocked()
        case "Attestation", Fields():
            return AttestationDocument(document=content.octets("document"))
        case "GetRandom", Fields():
            return RandomBytes(random=content.octets("random"))
        case "Error", str(code):
            return Refusal(code=code)
        case _:
            raise ValueError("no such answer")


def _description(fields: Fields) -> NsmDescription:
    return NsmDescription(
        module_id=fields.text("module_id"),
        locked_pcrs=fields.numbers("locked_pcrs"),
        version_major=fields.number("version_major"),
        version_minor=fields.number("version_minor"),
        version_patch=fields.number("version_patch"),
        max_pcrs=fields.number("max_pcrs"),
        digest=fields.text("digest"),
    )


def _description_fields(response: NsmDescription) -> dict[str, CborValue]:
    """Give the fields in the order in which the Rust API declares them."""
    return {
        "version_major": response.version_major,
        "version_minor": response.version_minor,
        "version_patch": response.version_patch,
        "module_id": response.module_id,
        "max_pcrs": response.max_pcrs,
        "locked_pcrs": response.locked_pcrs,
        "digest": response.digest,
    }


def _ordered(fields: Mapping[str, CborValue], key_order: KeyOrder) -> dict[CborValue, CborValue]:
    names = sorted(fields, key=lambda name: (len(name), name)) if key_order == "length-first" else fields
    return {name: fields[name] for name in names}
