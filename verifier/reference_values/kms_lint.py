"""What a key policy allows that its author may not have meant, where enclaves are to be the only readers.

Only Allow statements are judged. A Deny elsewhere may make up for one; that this is so, nobody should have to prove.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from verifier.evidence.pcrs import IMAGE_PCRS, PCR_BYTES, PCR_COUNT
from verifier.policy.model import SIGNER_PCR, MeasurementMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.policy.model import Policy
    from verifier.reference_values.key_policy import Condition, KeyStatement

_VALUE = re.compile(rf"[0-9a-fA-F]{{{2 * PCR_BYTES}}}")
_ZERO = "00" * PCR_BYTES
_EXACT = frozenset({"stringequals", "stringequalsignorecase"})
_PATTERN = "stringlike"
_HEEDS_CASE = frozenset({"stringequals", "stringlike"})
_NEGATED = frozenset({"stringnotequals", "stringnotequalsignorecase", "stringnotlike"})
_ANY_VALUE = "foranyvalue:"


class KmsLintCode(StrEnum):
    """One stable code for each thing worth a second look, with the advice that goes with it."""

    advice: str
    is_note: bool

    def __new__(cls, code: str, advice: str, is_note: bool = False) -> Self:  # noqa: FBT001, FBT002 - enum values
        """Make a member that is its code and carries its advice; a note is good to know and wants no change."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.advice = advice
        member.is_note = is_note
        return member

    UNATTESTED = (
        "kms-unattested",
        "Whoever it allows needs no enclave. Add conditions on PCR0, PCR1 and PCR2, or take these actions away.",
    )
    PCR_MISSING = (
        "kms-pcr-missing",
        "PCR0, PCR1 and PCR2 together say what runs, and a check on one of them alone has been got around: name all.",
    )
    ANY_IMAGE = ("kms-any-image", "It says who starts or signs an enclave, not what runs: debug mode fits as well.")
    IMAGE_TWICE = ("kms-image-sha384-and-pcr0", "Both are PCR0, and a rebuild must change both: keep PCR0.")
    ALL_ZERO = ("kms-all-zero", "Every enclave in debug mode has these zeros, whatever it runs: take a normal run's.")
    OPERATOR = (
        "kms-operator",
        "It matches without a document, matches several values, or matches none: use StringEqualsIgnoreCase.",
    )
    VALUE = ("kms-value", "A PCR is 96 hex digits; this value never matches.")
    CASE = ("kms-case", "KMS writes PCRs in lower case and this operator heeds case: use StringEqualsIgnoreCase.")
    KEY_UNKNOWN = ("kms-key-unknown", "There are ImageSha384 and PCR0 to PCR31 for enclaves; this never matches one.")
    BUILD_UNKNOWN = ("kms-build-unknown", "The key serves an image that the policy does not trust: remove either.")
    BUILD_ABSENT = ("kms-build-absent", "The policy trusts it and the key does not serve it.", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsLint:
    """One thing worth a second look."""

    code: KmsLintCode
    where: str
    detail: str


def lint_key_policy(statements: tuple[KeyStatement, ...], policy: Policy) -> tuple[KmsLint, ...]:
    """Look a key policy over, alone and against the policy that it should say the same as."""
    found: list[KmsLint] = []
    for statement in statements:
        if statement.allows:
            found.extend(_lint_values(statement))
            if statement.opens:
                found.extend(_lint_coverage(statement, policy))
    return (*found, *_lint_builds(statements, policy))


def _lint_coverage(statement: KeyStatement, policy: Policy) -> Iterator[KmsLint]:
    """Look at which PCRs a statement pins; what does not pin one counts for nothing."""
    pinned = {condition.pcr for condition in statement.conditions if _pins(condition)}
    missing = [f"PCR{index}" for index in IMAGE_PCRS if index not in pinned]
    if not pinned:
        yield _lint(KmsLintCode.UNATTESTED, statement, "no attestation condition that a request must meet")
    elif len(missing) == len(IMAGE_PCRS):
        if not (policy.mode is MeasurementMode.SIGNER and SIGNER_PCR in pinned):
            yield _lint(KmsLintCode.ANY_IMAGE, statement, "no condition on PCR0, PCR1 and PCR2")
    elif missing:
        yield _lint(KmsLintCode.PCR_MISSING, statement, f"no condition on {' and '.join(missing)}")
    conditions = [condition for condition in statement.conditions if condition.pcr == 0 and _is_equality(condition)]
    if len({condition.is_image for condition in conditions}) > 1:
        yield _lint(KmsLintCode.IMAGE_TWICE, statement, "conditions on ImageSha384 and on PCR0")


def _lint_values(statement: KeyStatement) -> Iterator[KmsLint]:
    for condition in statement.conditions:
        what = f"{condition.operator} {condition.written_key}"
        if condition.pcr is None or condition.pcr >= PCR_COUNT:
            yield _lint(KmsLintCode.KEY_UNKNOWN, statement, what)
        if not _is_equality(condition) and condition.operator.lower() not in _NEGATED:
            yield _lint(KmsLintCode.OPERATOR, statement, what)
        elif _is_equality(condition):
            for code in dict.fromkeys(code for value in condition.values for code in _faults(condition, value)):
                yield _lint(code, statement, what)


def _faults(condition: Condition, value: str) -> Iterator[KmsLintCode]:
    if not _VALUE.fullmatch(value):
        has_wildcard = _operator(condition) == _PATTERN and ("*" in value or "?" in value)
        yield KmsLintCode.OPERATOR if has_wildcard else KmsLintCode.VALUE
    elif value == _ZERO:
        yield KmsLintCode.ALL_ZERO
    elif value != value.lower() and _operator(condition) in _HEEDS_CASE:
        yield KmsLintCode.CASE


def _lint_builds(statements: tuple[KeyStatement, ...], policy: Policy) -> Iterator[KmsLint]:
    """Compare images by PCR0, which every build of a policy by image has."""
    trusted = {build.pcrs[0].hex(): build.name for build in policy.builds if 0 in build.pcrs}
    if not trusted:
        return
    served = set()
    for statement in statements:
        for value in _images(statement):
            served.add(value)
            if value not in trusted and value != _ZERO:
                yield _lint(KmsLintCode.BUILD_UNKNOWN, statement, f"PCR0 {value} is of no build of {policy.name}")
    for value, name in trusted.items():
        if value not in served:
            detail = f"no statement allows it by PCR0 {value}"
            yield KmsLint(code=KmsLintCode.BUILD_ABSENT, where=f"build {name}", detail=detail)


def _images(statement: KeyStatement) -> Iterator[str]:
    if statement.allows and statement.opens:
        for condition in statement.conditions:
            if condition.pcr == 0 and _pins(condition):
                yield from dict.fromkeys(value.lower() for value in condition.values)


def _pins(condition: Condition) -> bool:
    """Tell whether only documents with one of a few whole values meet the condition."""
    return condition.pcr is not None and _is_equality(condition) and all(map(_VALUE.fullmatch, condition.values))


def _is_equality(condition: Condition) -> bool:
    return _operator(condition) in _EXACT | {_PATTERN}


def _operator(condition: Condition) -> str:
    """Give the bare operator. ForAllValues and …IfExists stay: with them no document at all is a match."""
    return condition.operator.lower().removeprefix(_ANY_VALUE)


def _lint(code: KmsLintCode, statement: KeyStatement, detail: str) -> KmsLint:
    return KmsLint(code=code, where=statement.label, detail=detail)
