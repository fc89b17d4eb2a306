"""How far a document's origin can be proven, and which step it is that fails.

The steps are those of an appraisal, in the same order and at the same cost. Only when nothing but time is wrong with
the path is it validated once more, as of a time at which every certificate of it was valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from verifier.evidence.document import AttestationDocument, decode_document
from verifier.evidence.envelope import Envelope, decode_envelope
from verifier.explanation.certificates import (
    CertificateWindow,
    findings_of,
    readable_certificates,
    shared_moment,
    windows_at,
)
from verifier.explanation.checks import ORIGIN_CHECKS, Check, CheckName, CheckOutcome, Origin, check_of
from verifier.policy.findings import Finding
from verifier.reasons import Rejection
from verifier.trust.authenticity import authenticate

if TYPE_CHECKING:
    from verifier.pipeline import Verifier
    from verifier.trust.certificate import Certificate
    from verifier.trust.path import CertificationPath

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES = "%Y-%m-%d %H:%MZ"
_PASSED, _FAILED, _NOT_CHECKED = CheckOutcome.PASSED, CheckOutcome.FAILED, CheckOutcome.NOT_CHECKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is known about where a document comes from."""

    origin: Origin
    checks: tuple[Check, ...]
    document: AttestationDocument | None
    """As far as it could be read; believed only when ``origin`` says so."""
    leaf: Certificate | None
    windows: tuple[CertificateWindow, ...]
    """Empty when a certificate cannot be read."""


def examine(verifier: Verifier, evidence: bytes, *, at: int, leeway: int) -> Examination:
    """Take evidence through every step that is still meaningful; any bytes at all give an examination."""
    failures: dict[CheckName, Finding] = {}
    try:
        envelope = decode_envelope(evidence)
        document = decode_document(envelope.payload)
    except Rejection as rejection:
        _note(failures, rejection)
        return Examination(
            origin=Origin.UNPROVEN, checks=_list(failures, None, lost=False), document=None, leaf=None, windows=()
        )
    return _examine_document(verifier, envelope, document, at, leeway)


def _examine_document(
    verifier: Verifier, envelope: Envelope, document: AttestationDocument, at: int, leeway: int
) -> Examination:
    failures: dict[CheckName, Finding] = {}
    certificates = readable_certificates(document)
    windows = () if certificates is None else windows_at(certificates, at, leeway)
    path = _find_path(verifier, document, certificates, failures, at=at, leeway=leeway)
    if path is not None:
        try:
            authenticate(envelope, document, path)
        except Rejection as rejection:
            _note(failures, rejection)
    validity = _validity(windows, at, unproven=path is None) if windows else None
    lost = path is None and CheckName.ISSUERS not in failures
    return Examination(
        origin=Origin.UNPROVEN if path is None or CheckName.SIGNATURE in failures else _when(failures),
        checks=_list(failures, validity, lost=lost),
        document=document,
        leaf=None if certificates is None else certificates[-1],
        windows=windows,
    )


def _when(failures: dict[CheckName, Finding]) -> Origin:
    return Origin.PROVEN_AT_ANOTHER_TIME if CheckName.VALIDITY in failures else Origin.PROVEN


def _find_path(
    verifier: Verifier,
    document: AttestationDocument,
    certificates: tuple[Certificate, ...] | None,
    failures: dict[CheckName, Finding],
    *,
    at: int,
    leeway: int,
) -> CertificationPath | None:
    try:
        return verifier.validate_path_of(document, at=at, leeway=leeway)
    except Rejection as rejection:
        _note(failures, rejection)
    # Windows are looked at before any signature, so the second time costs what the first one saved.
    moment = None if certificates is None or CheckName.VALIDITY not in failures else shared_moment(certificates)
    if moment is None:
        return None
    try:
        return verifier.validate_path_of(document, at=moment, leeway=0)
    except Rejection as rejection:
        _note(failures, rejection)
    return None


def _note(failures: dict[CheckName, Finding], rejection: Rejection) -> None:
    failures[check_of(rejection.reason)] = Finding(reason=rejection.reason, detail=rejection.detail)


def _validity(windows: tuple[CertificateWindow, ...], at: int, *, unproven: bool) -> Check:
    """Look at every window, also those of a path that is wrong otherwise."""
    found = findings_of(windows, _EPOCH + timedelta(milliseconds=at))
    begin, end = max(window.not_before for window in windows), min(window.not_after for window in windows)
    return Check(
        name=CheckName.VALIDITY,
        outcome=_FAILED if found else _PASSED,
        findings=found,
        note=f"all of them from {begin:{_MINUTES}} to {end:{_MINUTES}}"
        if begin <= end
        else "never all of them at once",
        unproven=unproven,
    )


def _list(failures: dict[CheckName, Finding], validity: Check | None, *, lost: bool) -> tuple[Check, ...]:
    """Give every check: passed before the first failure, not looked at behind it, except what is known all the same.

    Args:
        failures: what failed, by its check.
        validity: what the windows say, if they can be read.
        lost: the path could not be proven, not even as of another time.
    """
    checks, stopped = [], False
    for name in ORIGIN_CHECKS:
        if name is CheckName.VALIDITY and validity is not None:
            checks.append(validity)
        elif name in failures:
            checks.append(Check(name=name, outcome=_FAILED, findings=(failures[name],)))
        else:
            checks.append(Check(name=name, outcome=_NOT_CHECKED if stopped else _PASSED))
        stopped = stopped or (name in failures and (name is not CheckName.VALIDITY or lost))
    return tuple(checks)
