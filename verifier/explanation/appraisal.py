"""Every check of an appraisal, by the same functions that appraise, on evidence that may be unproven."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import EvidenceKind
from verifier.explanation.builds import BuildsComparison, compare_builds
from verifier.explanation.checks import Check, CheckName, CheckOutcome, check_of
from verifier.explanation.facts import Facts, is_enclave_in_debug
from verifier.explanation.notes import note_of
from verifier.policy.findings import Finding, compare_document
from verifier.policy.model import DebugMode, NonceMode
from verifier.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.evidence.document import AttestationDocument
    from verifier.explanation.facts import Question
    from verifier.nonces import IssuedNonce
    from verifier.policy.model import Policy
    from verifier.trust.certificate import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it."""

    checks: tuple[Check, ...]
    builds: BuildsComparison | None = None
    """``None`` where there is nothing to compare: no document, or debug mode that the policy refuses."""
    issued: IssuedNonce | None = None
    """The document's nonce, when this verifier issued it for this policy."""


def without_policy() -> tuple[Check, ...]:
    """Give the one check that there is without a policy."""
    missing = Finding(reason=Reason.MEASUREMENT_NO_POLICY, detail="no policy was given")
    return (Check(name=CheckName.POLICY, outcome=CheckOutcome.FAILED, findings=(missing,)),)


def not_compared(asked: Question) -> Comparison:
    """List what would have been compared, had there been a document."""
    policy = Check(name=CheckName.POLICY, outcome=CheckOutcome.PASSED, note=asked.policy.name)
    later = (Check(name=name, outcome=CheckOutcome.NOT_CHECKED) for name in _applicable(asked))
    return Comparison(checks=(policy, *later))


def compare(document: AttestationDocument, leaf: Certificate | None, asked: Question, *, unproven: bool) -> Comparison:
    """Compare a document with a policy; ``leaf`` is ``None`` when it cannot be read."""
    policy = asked.policy
    name, found, nonce = compare_document(
        document, leaf, policy, nonce=asked.nonce, service=asked.service, at=asked.at, at_ms=asked.at_ms
    )
    by_check: dict[CheckName, list[Finding]] = defaultdict(list)
    for rejection in found:
        by_check[check_of(rejection.reason)].append(Finding(reason=rejection.reason, detail=rejection.detail))
    builds = compare_builds(document, policy, asked.at) if _is_comparable(document, policy) else None
    facts = Facts(document=document, leaf=leaf, build=name, builds=builds, issued=nonce.issued)
    checks = (_check(each, tuple(by_check[each]), facts, asked, unproven=unproven) for each in _applicable(asked))
    stated = Check(name=CheckName.POLICY, outcome=CheckOutcome.PASSED, note=policy.name)
    return Comparison(checks=(stated, *checks), builds=builds, issued=nonce.issued)


def _is_comparable(document: AttestationDocument, policy: Policy) -> bool:
    """Tell whether builds can be compared: not with another kind's PCRs, nor with those that debug mode zeroed."""
    hidden = is_enclave_in_debug(document) and policy.debug is DebugMode.REJECT
    return document.kind is policy.evidence and not hidden


def _applicable(asked: Question) -> Iterator[CheckName]:
    """Name what the policy asks for."""
    require = asked.policy.require
    service = asked.service
    asked_for = {
        CheckName.KIND: True,
        CheckName.MEASURED: asked.policy.evidence is EvidenceKind.ENCLAVE,
        CheckName.DENIED: bool(asked.policy.denied),
        CheckName.BUILD: True,
        CheckName.ROLE: require.pcr3_role_arn is not None,
        CheckName.INSTANCE: require.pcr4_instance_id is not None,
        CheckName.SIGNER: require.pcr8 is not None,
        CheckName.PUBLIC_KEY: require.public_key is not None,
        CheckName.USER_DATA: require.user_data_sha256 is not None,
        CheckName.KNOWN_FIELDS: require.known_fields_only,
        CheckName.AGE: True,
        CheckName.CERTIFICATE_TIME: True,
        CheckName.NONCE: True,
        CheckName.SINGLE_USE: service is not None
        and service.guard is not None
        and asked.policy.nonce is NonceMode.REQUIRED,
    }
    return (name for name, applies in asked_for.items() if applies)


def _check(name: CheckName, findings: tuple[Finding, ...], facts: Facts, asked: Question, *, unproven: bool) -> Check:
    outcome = CheckOutcome.FAILED if findings else _outcome(name, facts, asked.policy)
    return Check(
        name=name, outcome=outcome, findings=findings, note=note_of(name, findings, facts, asked), unproven=unproven
    )


def _outcome(name: CheckName, facts: Facts, policy: Policy) -> CheckOutcome:
    """Tell what passed from what could not be looked at."""
    incomparable = facts.builds is None
    other_kind = facts.document.kind is not policy.evidence
    unknown = {
        CheckName.MEASURED: other_kind,
        CheckName.DENIED: other_kind,
        CheckName.BUILD: incomparable,
        CheckName.ROLE: other_kind,
        CheckName.INSTANCE: other_kind,
        CheckName.SIGNER: other_kind,
        CheckName.AGE: facts.leaf is None,
        CheckName.CERTIFICATE_TIME: facts.leaf is None,
        CheckName.SINGLE_USE: True,
    }
    return CheckOutcome.NOT_CHECKED if unknown.get(name, False) else CheckOutcome.PASSED
