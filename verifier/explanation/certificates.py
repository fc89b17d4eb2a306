"""The certificates a document brings along: what each is called and when it is valid, believed or not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from verifier.explanation.words import printable, span
from verifier.policy.findings import Finding
from verifier.reasons import Reason, Rejection
from verifier.trust.certificate import Certificate, decode_certificate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verifier.evidence.document import AttestationDocument


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CertificateState(StrEnum):
    """Where a moment lies in a certificate's window."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateWindow:
    """One certificate's place and window; its name would cost as much as its signature."""

    role: str
    not_before: datetime
    not_after: datetime
    state: CertificateState


def role_of(position: int, count: int) -> str:
    """Name a certificate by its place, as AWS names the five of a genuine document."""
    if position == count - 1:
        return "leaf"
    genuine: Mapping[int, str] = {0: "root", 1: "regional", 2: "zonal", 3: "instance"}
    return genuine[position] if count == len(genuine) + 1 or position == 0 else "issuer"


def readable_certificates(document: AttestationDocument) -> tuple[Certificate, ...] | None:
    """Read every certificate, root first; ``None`` when one cannot be read."""
    try:
        return tuple(map(decode_certificate, (*document.cabundle, document.certificate)))
    except Rejection:
        return None


def windows_at(certificates: Sequence[Certificate], at: int, leeway: int) -> tuple[CertificateWindow, ...]:
    """Give each certificate's window, and where ``at`` lies in it; milliseconds, leeway for notBefore alone."""
    return tuple(
        CertificateWindow(
            role=role_of(position, len(certificates)),
            not_before=_EPOCH + timedelta(seconds=certificate.not_before),
            not_after=_EPOCH + timedelta(seconds=certificate.not_after),
            state=_state(certificate, at, leeway),
        )
        for position, certificate in enumerate(certificates)
    )


def findings_of(windows: Sequence[CertificateWindow], at: datetime) -> tuple[Finding, ...]:
    """Say which certificates are not valid: all of them, not only the first."""
    expired = [
        f"{window.role} expired {span(at - window.not_after)} ago"
        for window in windows
        if window.state is CertificateState.EXPIRED
    ]
    early = [
        f"{window.role} is valid in {span(window.not_before - at)}"
        for window in windows
        if window.state is CertificateState.NOT_YET_VALID
    ]
    found = ((Reason.PATH_EXPIRED, expired), (Reason.PATH_NOT_YET_VALID, early))
    return tuple(Finding(reason=reason, detail="; ".join(details)) for reason, details in found if details)


def shared_moment(certificates: Sequence[Certificate]) -> int | None:
    """Give a time, in milliseconds, at which every certificate is valid; ``None`` when there is none."""
    end = min(certificate.not_after for certificate in certificates)
    return end * 1000 if max(certificate.not_before for certificate in certificates) <= end else None


def common_name(certificate: Certificate) -> str | None:
    """Read a certificate's common name, fit to be shown."""
    names = read_names(certificate.der)
    found = [] if names is None else names[0].get_attributes_for_oid(NameOID.COMMON_NAME)
    return printable(str(found[0].value)) if len(found) == 1 else None


def read_names(der: bytes) -> tuple[x509.Name, x509.Name] | None:
    """Read subject and issuer; our own reader keeps names as bytes, because it compares and never shows them."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of oddities in names that nobody here relies on
            certificate = x509.load_der_x509_certificate(der)
            return certificate.subject, certificate.issuer
    except (ValueError, TypeError):  # both occur for names that are strict DER and odd otherwise
        return None


def _state(certificate: Certificate, at: int, leeway: int) -> CertificateState:
    if at > certificate.not_after * 1000:
        return CertificateState.EXPIRED
    early = at < certificate.not_before * 1000 - leeway
    return CertificateState.NOT_YET_VALID if early else CertificateState.VALID
