"""One sentence for each check of an appraisal: what was found, what it was compared with, what differs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import ZERO, EvidenceKind
from verifier.explanation.checks import CheckName
from verifier.explanation.facts import is_enclave_in_debug
from verifier.explanation.keys import describe_key, describe_rule
from verifier.explanation.nonces import compare_nonces, describe_absent, describe_foreign
from verifier.explanation.words import printable, span
from verifier.policy.model import KeyKind, NonceMode
from verifier.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.explanation.builds import BuildsComparison
    from verifier.explanation.facts import Facts, Question
    from verifier.policy.findings import Finding

    Note = Callable[[tuple[Finding, ...], Facts, Question], str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = "%Y-%m-%d %H:%M:%SZ"
_PCR_SHOWN = 12
_SHOWN = 3
"""Allowed values that are named; a policy may have hundreds."""


def note_of(name: CheckName, findings: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    """Give a check's sentence, or nothing where its findings say it all."""
    write = _NOTES.get(name)
    return "" if write is None else write(findings, facts, asked)


def _kind(_: tuple[Finding, ...], facts: Facts, __: Question) -> str:
    return "an enclave's" if facts.document.kind is EvidenceKind.ENCLAVE else "a NitroTPM's"


def _measured(findings: tuple[Finding, ...], facts: Facts, _: Question) -> str:
    return "in debug mode, which the policy allows" if is_enclave_in_debug(facts.document) and not findings else ""


def _build(findings: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    if facts.builds is None:
        other = facts.document.kind is not asked.policy.evidence
        return "PCRs of another kind mean other things" if other else "debug mode zeroes what builds are known by"
    if not findings:
        return "debug mode hides which one" if facts.build is None else f"build {facts.build}"
    nearest = facts.builds.nearest
    if not nearest.differing:
        return f"build {nearest.name} matches, outside of its time"
    if not facts.builds.is_near and facts.builds.total > 1:
        return f"no build has any PCR in common with the document{_remarks(facts.builds)}"
    return f"nearest is build {nearest.name}; what differs: {', '.join(nearest.parts)}{_remarks(facts.builds)}"


def _remarks(builds: BuildsComparison) -> str:
    return "".join(f"; {remark}" for remark in builds.remarks)


def _role(findings: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    unset = bool(findings) and facts.document.pcrs.get(3, ZERO) == ZERO
    missing = "PCR3 is zero or absent: no IAM role is attached to the parent instance; " if unset else ""
    return f"{missing}the policy names {_some(asked.policy.require.pcr3_role_arn or ())}"


def _instance(_: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    stated = printable(facts.document.module_id)
    return f"module_id says {stated}; the policy names {_some(asked.policy.require.pcr4_instance_id or ())}"


def _signer(findings: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    signer = facts.document.pcrs.get(8, ZERO)
    if signer == ZERO and findings:
        return "PCR8 is zero or absent: the image is not signed"
    return f"PCR8 is {_digits(signer)}; the policy names {_some(tuple(map(_digits, asked.policy.require.pcr8 or ())))}"


def _public_key(_: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    rule = asked.policy.require.public_key
    wanted = "none" if rule is None else describe_rule(rule)
    raw = rule is not None and rule.kind is KeyKind.RAW
    return f"it has {describe_key(facts.document.public_key, raw=raw)}; the policy wants {wanted}"


def _user_data(findings: tuple[Finding, ...], facts: Facts, _: Question) -> str:
    data = facts.document.user_data
    return "" if data is None or not findings else f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"


def _age(_: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    age = timedelta(milliseconds=asked.at_ms - facts.document.timestamp_ms)
    most = timedelta(milliseconds=asked.policy.max_age_ms)
    how = f"{span(age)} old" if age >= timedelta(0) else f"{span(-age)} ahead of this clock"
    return f"{how}; at most {span(most)} old, at most {asked.policy.clock_skew_ms / 1000:g} s ahead"


def _certificate_time(_: tuple[Finding, ...], facts: Facts, __: Question) -> str:
    if facts.leaf is None:
        return "the certificate cannot be read"
    begin, end = (_EPOCH + timedelta(seconds=each) for each in (facts.leaf.not_before, facts.leaf.not_after))
    made = _moment(facts.document.timestamp_ms)
    return f"made {made}; its certificate is valid from {begin:{_SECONDS}} to {end:{_SECONDS}}"


def _nonce(findings: tuple[Finding, ...], facts: Facts, asked: Question) -> str:
    reasons = {finding.reason for finding in findings}
    said = []
    if asked.nonce and reasons & {Reason.FRESHNESS_NONCE_MISMATCH, Reason.FRESHNESS_NONCE_MISSING}:
        said.append(compare_nonces(facts.document, asked.nonce))
    if facts.issued is not None:
        issued, expires = _moment(facts.issued.issued_at), _moment(facts.issued.expires_at)
        said.append(f"issued {issued}, good until {expires}, signed {_moment(facts.document.timestamp_ms)}")
    if Reason.FRESHNESS_NONCE_UNKNOWN in reasons and asked.service is not None and facts.document.nonce:
        said.append(describe_foreign(facts.document.nonce, asked.service))
    if Reason.FRESHNESS_NONCE_MISSING in reasons and not asked.nonce:
        said.append(f"{describe_absent(facts.document)}; the nonce that this verifier issued goes into the NSM request")
    if Reason.FRESHNESS_NONCE_NOT_SUPPLIED in reasons:
        said.append("name the nonce that the enclave was challenged with; the policy asks for one")
    if not said:
        said.append(_nonce_that_is_right(asked))
    return "; ".join(said)


def _nonce_that_is_right(asked: Question) -> str:
    if asked.nonce:
        return "the one that was named"
    return "the policy asks for none" if asked.policy.nonce is NonceMode.NONE else ""


def _single_use(_: tuple[Finding, ...], __: Facts, ___: Question) -> str:
    return "not looked at: an explanation uses no nonce up"


def _some(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"{', '.join(map(printable, values[:_SHOWN]))}{more}"


def _digits(pcr: bytes) -> str:
    return f"{pcr[:_PCR_SHOWN].hex()}..."


def _moment(milliseconds: int) -> str:
    return f"{_EPOCH + timedelta(milliseconds=milliseconds):{_SECONDS}}"


_NOTES: Mapping[CheckName, Note] = {
    CheckName.KIND: _kind,
    CheckName.MEASURED: _measured,
    CheckName.BUILD: _build,
    CheckName.ROLE: _role,
    CheckName.INSTANCE: _instance,
    CheckName.SIGNER: _signer,
    CheckName.PUBLIC_KEY: _public_key,
    CheckName.USER_DATA: _user_data,
    CheckName.AGE: _age,
    CheckName.CERTIFICATE_TIME: _certificate_time,
    CheckName.NONCE: _nonce,
    CheckName.SINGLE_USE: _single_use,
}
