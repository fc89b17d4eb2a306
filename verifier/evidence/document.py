"""The attestation document inside the payload (AWS Nitro Enclaves attestation process, section 3.2).

Exact about meaning: every known field has its type and limits, nothing wrong-typed counts as absent. Liberal about form
and about the future: any key order, definite or indefinite maps, unknown text keys are noted and passed over, since an
outage on the day AWS adds a field would be ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from verifier.evidence.cbor import CborError, CborFault, decode_item
from verifier.evidence.pcrs import PCR_BYTES, PCR_COUNT, EvidenceKind
from verifier.reasons import Reason, Rejection

MAX_FIELD_BYTES = 1024
"""For nonce, user_data and public_key. AWS's text says 512 in one place; genuine documents carry 1024."""
MAX_CERTIFICATE_BYTES = 1024
MAX_CABUNDLE = 8
"""Genuine documents have four; the specification names no limit."""

EARLIEST_TIMESTAMP_MS = 10**12
"""September 2001. Anything less is seconds, zero or a counter, not the NSM's milliseconds."""
LATEST_TIMESTAMP_MS = 253_402_300_799_999
"""The end of the year 9999, the last moment an X.509 certificate can name."""

DIGEST = "SHA384"
MANDATORY_FIELDS = ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle")
OPTIONAL_FIELDS = ("public_key", "user_data", "nonce")
NITRO_TPM_PCRS = "nitrotpm_pcrs"

# Printable ASCII without spaces: this is the one text of the document that reaches logs and terminals.
_MODULE_ID = re.compile(r"[\x21-\x7e]{1,256}")
_KNOWN_FIELDS = frozenset(MANDATORY_FIELDS + OPTIONAL_FIELDS)
_NO_NAMES: tuple[str, ...] = ()
_FAULT_REASONS = {
    CborFault.MALFORMED: Reason.DOCUMENT_MALFORMED,
    CborFault.TRAILING_BYTES: Reason.DOCUMENT_TRAILING_BYTES,
    CborFault.DUPLICATE_KEY: Reason.DOCUMENT_DUPLICATE_KEY,
}


class AttestationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed attestation document that nobody has believed yet."""

    kind: EvidenceKind
    module_id: str
    timestamp_ms: int
    """Milliseconds since 1970 by the NSM's clock, which the enclave cannot set."""
    pcrs: Mapping[int, bytes]
    """What an index stands for depends on ``kind``."""
    certificate: bytes
    cabundle: tuple[bytes, ...]
    """Root first, issuer of ``certificate`` last."""
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None
    """``None`` when absent or null; zero length is a value of its own."""
    unrecognised: tuple[str, ...]
    """Names of fields that this version does not know."""


def decode_document(payload: bytes) -> AttestationDocument:
    """Read a payload as an attestation document.

    Raises:
        Rejection: not CBOR, not a map with text keys, a field missing, of the wrong type or out of bounds, or PCRs of
            both kinds.
    """
    fields = _decode_fields(payload)
    kind, unrecognised = EvidenceKind.ENCLAVE, _NO_NAMES
    # An enclave's genuine document has exactly the known fields, which one comparison tells.
    if fields.keys() != _KNOWN_FIELDS:
        kind, unrecognised = _sort_out_names(fields)
    if fields["digest"] != DIGEST:
        raise Rejection(Reason.DOCUMENT_DIGEST_UNSUPPORTED, "digest is not SHA384")
    return AttestationDocument(
        kind=kind,
        module_id=_module_id(fields["module_id"]),
        timestamp_ms=_timestamp(fields["timestamp"]),
        pcrs=_pcrs(fields["pcrs"]),
        certificate=_certificate(fields["certificate"]),
        cabundle=_cabundle(fields["cabundle"]),
        public_key=_optional(fields, "public_key"),
        user_data=_optional(fields, "user_data"),
        nonce=_optional(fields, "nonce"),
        unrecognised=unrecognised,
    )


def _decode_fields(payload: bytes) -> dict[str, object]:
    # Whether the keys are text is the caller's to find out.
    try:
        item = decode_item(payload)
    except CborError as error:
        raise Rejection(_FAULT_REASONS[error.fault], "the payload cannot be read") from error
    if type(item) is not dict:
        raise Rejection(Reason.DOCUMENT_KEY_INVALID, "the payload is not a map")
    return item


def _sort_out_names(fields: dict[str, object]) -> tuple[EvidenceKind, tuple[str, ...]]:
    """Refuse odd names and missing ones; tell the kind of document, and which names are not known."""
    for key in fields:
        if type(key) is not str:
            raise Rejection(Reason.DOCUMENT_KEY_INVALID, "the payload has a key that is not text")
    kind = EvidenceKind.ENCLAVE
    if NITRO_TPM_PCRS in fields:
        kind = EvidenceKind.NITRO_TPM
        _rename_tpm_pcrs(fields)
    for name in MANDATORY_FIELDS:
        if name not in fields:
            raise Rejection(Reason.DOCUMENT_FIELD_MISSING, f"{name} is absent")
    return kind, tuple(sorted(fields.keys() - _KNOWN_FIELDS))


def _rename_tpm_pcrs(fields: dict[str, object]) -> None:
    """Give a NitroTPM's PCRs the name of an enclave's: that is the only difference in form between the two kinds."""
    if "pcrs" in fields:
        raise Rejection(Reason.DOCUMENT_PCRS_AMBIGUOUS, "it carries both pcrs and nitrotpm_pcrs")
    fields["pcrs"] = fields.pop(NITRO_TPM_PCRS)


def _module_id(value: object) -> str:
    if type(value) is str and _MODULE_ID.fullmatch(value):
        return value
    raise Rejection(Reason.DOCUMENT_MODULE_ID_INVALID, "module_id is not 1 to 256 printable ASCII characters")


def _timestamp(value: object) -> int:
    # type() and not isinstance(): True is an int to Python.
    if type(value) is int and EARLIEST_TIMESTAMP_MS <= value <= LATEST_TIMESTAMP_MS:
        return value
    raise Rejection(Reason.DOCUMENT_TIMESTAMP_INVALID, "timestamp is not a time in milliseconds since 1970")


def _pcrs(value: object) -> Mapping[int, bytes]:
    if type(value) is not dict or not value:
        raise Rejection(Reason.DOCUMENT_PCRS_INVALID, "pcrs is not a map with entries")
    for index, measurement in value.items():
        if type(index) is not int or not 0 <= index < PCR_COUNT:
            raise Rejection(Reason.DOCUMENT_PCRS_INVALID, "a PCR index is not an integer from 0 to 31")
        if type(measurement) is not bytes or len(measurement) != PCR_BYTES:
            raise Rejection(Reason.DOCUMENT_PCRS_INVALID, f"PCR{index} is not a byte string of 48 bytes")
    return MappingProxyType(value)


def _certificate(value: object) -> bytes:
    if type(value) is bytes and 0 < len(value) <= MAX_CERTIFICATE_BYTES:
        return value
    raise Rejection(Reason.DOCUMENT_CERTIFICATE_INVALID, "certificate is not a byte string of 1 to 1024 bytes")


def _cabundle(value: object) -> tuple[bytes, ...]:
    if type(value) is not list or not 0 < len(value) <= MAX_CABUNDLE:
        raise Rejection(Reason.DOCUMENT_CABUNDLE_INVALID, "cabundle is not a list of 1 to 8 certificates")
    for certificate in value:
        if type(certificate) is not bytes or not 0 < len(certificate) <= MAX_CERTIFICATE_BYTES:
            raise Rejection(Reason.DOCUMENT_CABUNDLE_INVALID, "cabundle holds something else than 1 to 1024 bytes")
    return tuple(value)


def _optional(fields: Mapping[str, object], name: str) -> bytes | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is bytes and len(value) <= MAX_FIELD_BYTES:
        return value
    raise Rejection(Reason.DOCUMENT_OPTIONAL_FIELD_INVALID, f"{name} is neither null nor at most 1024 bytes")
