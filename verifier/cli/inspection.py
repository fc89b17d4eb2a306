"""What a document says, none of it verified: the shape that ``inspect`` prints, for people and as JSON."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from verifier.evidence.document import DIGEST, AttestationDocument, decode_document
from verifier.evidence.envelope import Envelope, decode_envelope
from verifier.evidence.pcrs import EvidenceKind, is_debug
from verifier.explanation.certificates import CertificateState, common_name, read_names, role_of
from verifier.explanation.ties import compare_identities
from verifier.reasons import Rejection
from verifier.service.notation import write_bytes, write_time
from verifier.service.wire import ReasonBody
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_NAME, AWS_NITRO_ROOT_G1_SHA256
from verifier.trust.certificate import Certificate, decode_certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAG_18 = b"\xd2"


class EnvelopeShape(msgspec.Struct, frozen=True, kw_only=True):
    """The COSE_Sign1 message around the payload."""

    tag: Literal[18] | None
    alg: Literal["ES384"]
    payload_bytes: int
    signature_bytes: int


class CertificateDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate that could be read says; names are null when they cannot be shown."""

    common_name: str | None
    subject: str | None
    issuer: str | None
    serial: str
    not_before: str
    not_after: str
    is_ca: bool
    path_length: int | None
    state: CertificateState


class CertificateShape(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate of cabundle, or the document's own: what it says, or the problem with it."""

    role: str
    sha256: str
    bytes: int
    known_as: str | None
    """The name of the bundled root when this is, byte for byte, that root."""
    contents: CertificateDetails | ReasonBody


class TieShape(msgspec.Struct, frozen=True, kw_only=True):
    """Whether two copies of an identity agree."""

    name: str
    outcome: str
    detail: str


class DocumentShape(msgspec.Struct, frozen=True, kw_only=True):
    """The signed payload's claims."""

    module_id: str
    timestamp: str
    digest: str
    debug: bool
    pcrs: dict[str, str]
    user_data: str | None
    public_key: str | None
    nonce: str | None
    unrecognised_fields: list[str]
    certificates: list[CertificateShape]
    identity: list[TieShape]


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """All that could be read; ``problem`` says why the rest could not."""

    verified: Literal[False] = False
    kind: Literal["enclave", "nitro-tpm"] | None
    evidence_bytes: int
    evidence_sha256: str
    inspected_at: str
    problem: ReasonBody | None
    envelope: EnvelopeShape | None
    document: DocumentShape | None


def inspect_evidence(evidence: bytes, at: datetime) -> Inspection:
    """Read as much as can be read; any bytes at all give an inspection."""
    problem = envelope = document = None
    kind: Literal["enclave", "nitro-tpm"] | None = None
    try:
        opened = decode_envelope(evidence)
        envelope = _envelope(evidence, opened)
        decoded = decode_document(opened.payload)
        document, kind = _document(decoded, at), decoded.kind.value
    except Rejection as rejection:
        problem = _problem(rejection)
    return Inspection(
        kind=kind,
        evidence_bytes=len(evidence),
        evidence_sha256=hashlib.sha256(evidence).hexdigest(),
        inspected_at=write_time(at),
        problem=problem,
        envelope=envelope,
        document=document,
    )


def _problem(rejection: Rejection) -> ReasonBody:
    return ReasonBody(code=rejection.reason.value, detail=rejection.detail, hint=rejection.reason.hint)


def _envelope(evidence: bytes, envelope: Envelope) -> EnvelopeShape:
    return EnvelopeShape(
        tag=18 if evidence.startswith(_TAG_18) else None,
        alg="ES384",  # decode_envelope accepts no other
        payload_bytes=len(envelope.payload),
        signature_bytes=len(envelope.signature),
    )


def _document(document: AttestationDocument, at: datetime) -> DocumentShape:
    leaf = _readable(document.certificate)
    ties = compare_identities(document, leaf, None if leaf is None else common_name(leaf))
    return DocumentShape(
        module_id=document.module_id,
        timestamp=write_time(datetime.fromtimestamp(document.timestamp_ms / 1000, UTC)),
        digest=DIGEST,
        debug=document.kind is EvidenceKind.ENCLAVE and is_debug(document.pcrs),
        pcrs={str(index): document.pcrs[index].hex() for index in sorted(document.pcrs)},
        user_data=_optional(document.user_data),
        public_key=_optional(document.public_key),
        nonce=_optional(document.nonce),
        unrecognised_fields=list(document.unrecognised),
        certificates=_certificates((*document.cabundle, document.certificate), at),
        identity=[TieShape(name=tie.name, outcome=tie.outcome, detail=tie.detail) for tie in ties],
    )


def _optional(value: bytes | None) -> str | None:
    return None if value is None else write_bytes(value)


def _certificates(ders: Sequence[bytes], at: datetime) -> list[CertificateShape]:
    return [_certificate(der, role_of(position, len(ders)), at) for position, der in enumerate(ders)]


def _certificate(der: bytes, role: str, at: datetime) -> CertificateShape:
    sha256 = hashlib.sha256(der).hexdigest()
    try:
        contents: CertificateDetails | ReasonBody = _details(decode_certificate(der), at)
    except Rejection as rejection:
        contents = _problem(rejection)
    known_as = AWS_NITRO_ROOT_G1_NAME if sha256 == AWS_NITRO_ROOT_G1_SHA256 else None
    return CertificateShape(role=role, sha256=sha256, bytes=len(der), known_as=known_as, contents=contents)


def _details(certificate: Certificate, at: datetime) -> CertificateDetails:
    names = read_names(certificate.der)
    return CertificateDetails(
        common_name=common_name(certificate),
        subject=None if names is None else names[0].rfc4514_string(),
        issuer=None if names is None else names[1].rfc4514_string(),
        serial=f"{certificate.serial:x}",
        not_before=write_time(datetime.fromtimestamp(certificate.not_before, UTC)),
        not_after=write_time(datetime.fromtimestamp(certificate.not_after, UTC)),
        is_ca=certificate.is_ca,
        path_length=certificate.path_length,
        state=_state(certificate, at),
    )


def _state(certificate: Certificate, at: datetime) -> CertificateState:
    if at.timestamp() > certificate.not_after:
        return CertificateState.EXPIRED
    return CertificateState.VALID if at.timestamp() >= certificate.not_before else CertificateState.NOT_YET_VALID


def _readable(der: bytes) -> Certificate | None:
    try:
        return decode_certificate(der)
    except Rejection:
        return None
