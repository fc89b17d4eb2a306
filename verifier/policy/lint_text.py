"""A policy's text looked over, also where it is refused: what is common among mistakes has a code of its own."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from verifier.policy.lint import lint_policy
from verifier.policy.lint_codes import Lint, LintCode
from verifier.policy.reader import read_policy
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_DESCRIBE_EIF = re.compile(r"^[ \t]*#[ \t]*Measurements:[ \t]*nitro-cli describe-eif\b", re.MULTILINE)
"""As ``policy new`` writes it into the policies that it makes of that output."""
_PATH_WORDS = re.compile(r"cert|chain|cabundle|root|anchor|signature|verif|insecure|skip", re.IGNORECASE)
_ZEROS = re.compile(r"0{96}")


def lint_text(text: str, *, name: str | None, at: datetime) -> tuple[Lint, ...]:
    """Look the text of a policy over as of ``at``; one that is refused has lints that are errors."""
    try:
        policy = read_policy(text, name=name)
    except ConfigurationError as error:
        refused = (Lint(code=LintCode.POLICY_INVALID, detail=problem) for problem in error.problems)
        return (*_lint_draft(text), *refused)
    measured = Lint(code=LintCode.MEASURED_BY_DESCRIBE_EIF, detail="a comment says that describe-eif measured it")
    return (*([measured] if _DESCRIBE_EIF.search(text) else []), *lint_policy(policy, at))


def _lint_draft(text: str) -> Iterator[Lint]:
    """Look for the mistakes with codes of their own in what is no policy; what else it is does not matter here."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return
    for key in _unknown_words(table):
        yield Lint(code=LintCode.PATH_NOT_OPTIONAL, detail=f"there is no key {key!r}")
    if table.get("evidence", "enclave") != "enclave":
        return
    for where, pcrs in _builds(table):
        zero = [f"PCR{index}" for index in ("0", "1", "2") if _is_zero(pcrs.get(index))]
        if zero and table.get("debug") != "allow":
            yield Lint(code=LintCode.PCR_ZERO, detail=f"{where}: {', '.join(zero)} all zero")
        if "0" in pcrs and not {"1", "2"} <= pcrs.keys() and table.get("mode") != "signer":
            yield Lint(code=LintCode.PCR0_ALONE, detail=f"{where}: PCR0 without both PCR1 and PCR2")


def _unknown_words(table: dict[str, object]) -> Iterator[str]:
    """Give the keys that seem to be about the certification path: no key of a policy is."""
    for key, value in table.items():
        if _PATH_WORDS.search(key):
            yield key
        if isinstance(value, dict) and key == "require":
            yield from _unknown_words(value)


def _builds(table: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    for kind in ("build", "shadow"):
        entries = table.get(kind)
        for at, entry in enumerate(entries if isinstance(entries, list) else [], 1):
            pcrs = entry.get("pcrs") if isinstance(entry, dict) else None
            if isinstance(pcrs, dict):
                yield f"{kind} {at}", pcrs


def _is_zero(value: object) -> bool:
    return isinstance(value, str) and _ZEROS.fullmatch(value) is not None
