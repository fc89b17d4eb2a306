"""A policy beside its own vectors: documents, the time to look at them, and the verdicts that its author expects.

Every time is written down, so the outcome is the same on each day: a file of tests says what a policy means, and what a
change of it changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from verifier.cli.escapes import plain
from verifier.cli.inputs import PinnedFile, load_anchors, load_policy, read_evidence, read_policy_text
from verifier.history import OwnTime, time_of_verification
from verifier.pipeline import Verifier
from verifier.policy.reader import TESTS_SUFFIX
from verifier.policy.shadows import ShadowChange
from verifier.reasons import ConfigurationError, Reason
from verifier.result import Affirmed, AttestationResult, Verdict
from verifier.service.notation import read_nonce_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from verifier import Policy


class AnchorEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A root to trust beside AWS's, such as a software NSM's; the fingerprint is a must."""

    file: str
    sha256: str


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document and what must come of it."""

    name: str
    document: str
    """A file, seen from the folder of the tests."""
    at: object
    """A date and time with a zone, or ``"document"`` for the document's own."""
    verdict: Verdict
    nonce: str | None = None
    build: str | None = None
    reasons: list[str] = msgspec.field(default_factory=list)
    shadow: ShadowChange | None = None
    """What the policy's own shadow builds must make of it."""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    policy: str | None = None
    anchors: list[AnchorEntry] = msgspec.field(default_factory=list)
    test: list[Expectation] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTests:
    """A file of tests, and the policy that they are of."""

    path: Path
    policy: Policy
    verifier: Verifier
    tests: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of one test."""

    test: Expectation
    result: AttestationResult
    differences: tuple[str, ...]
    """One sentence for each expectation that was not met; none when the test passed."""


def read_tests(path: Path) -> PolicyTests:
    """Read a file of tests and the policy it names, by default the one beside it.

    A shadow policy is tested as if it were in force.

    Raises:
        ConfigurationError: the file, the policy or a trust anchor is not good, with every problem found.
        InputError: one of them cannot be read.
    """
    try:
        file = msgspec.toml.decode(read_policy_text(path), type=_File)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # ValueError: digits beyond Python's limit
        raise ConfigurationError(f"{plain(path.name)}: {error}") from error
    problems = [f"{plain(path.name)}: {problem}" for problem in _problems(file)]
    if problems:
        raise ConfigurationError(*problems)
    beside = path.name.removesuffix(TESTS_SUFFIX) + ".toml"
    policy = load_policy(path.parent / (file.policy or beside))
    anchors = tuple(PinnedFile(path=path.parent / anchor.file, sha256=anchor.sha256) for anchor in file.anchors)
    return PolicyTests(
        path=path,
        policy=replace(policy, shadow_of=None),
        verifier=Verifier(anchors=load_anchors(anchors, quiet=True)),
        tests=tuple(file.test),
    )


def run_test(tests: PolicyTests, test: Expectation) -> Checked:
    """Appraise one document and compare.

    Raises:
        InputError: the document cannot be read.
    """
    # Absolute, so that no name stands for standard input.
    evidence = read_evidence(str((tests.path.parent / test.document).absolute()), quiet=True)
    chosen = test.at if isinstance(test.at, datetime) else OwnTime.DOCUMENT
    otherwise = datetime(1970, 1, 1, tzinfo=UTC)
    result = tests.verifier.appraise(
        evidence,
        policy=tests.policy,
        nonce=None if test.nonce is None else read_nonce_text(test.nonce),
        at=time_of_verification(evidence, chosen, otherwise=otherwise),
        historical=True,
    )
    return Checked(test=test, result=result, differences=tuple(_differences(test, result)))


def describe_verdict(verdict: Verdict, build: str | None, reasons: Iterable[str]) -> str:
    """Write a verdict, expected or given, on one line."""
    named = f", build {plain(build)}" if build is not None else ""
    return f"{verdict}{named}" + "".join(f" {plain(reason)}" for reason in reasons)


def _problems(file: _File) -> Iterator[str]:
    if not file.test:
        yield "no [[test]]: nothing would be tested"
    names = Counter(test.name for test in file.test)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield f"two tests are named {name!r}"
    for test in file.test:
        yield from (f"test {test.name!r}: {problem}" for problem in _problems_of(test))


def _problems_of(test: Expectation) -> Iterator[str]:
    if test.at != OwnTime.DOCUMENT.value and not _is_moment(test.at):
        yield 'at must be a time with its zone, such as 2027-01-31T00:00:00Z without quotes, or "document"'
    for reason in test.reasons:
        if reason not in set(Reason):
            yield f"{reason!r} is no reason; docs/reasons.md has them all"
    if test.verdict is Verdict.AFFIRMED and test.reasons:
        yield "an affirmed document has no reasons"
    if test.verdict is Verdict.REJECTED and not test.reasons:
        yield "a rejection without reasons would pass whatever is wrong: name them all"
    if test.verdict is Verdict.REJECTED and test.build is not None:
        yield "a rejected document has no build"
    try:
        read_nonce_text("00" if test.nonce is None else test.nonce)
    except ValueError:
        yield "nonce is neither hex nor base64 nor base64url"


def _is_moment(value: object) -> bool:
    """Tell a time with its zone that lies in the calendar of UTC."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return False
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _differences(test: Expectation, result: AttestationResult) -> Iterator[str]:
    build, reasons = (result.build, ()) if isinstance(result, Affirmed) else (None, result.reasons)
    as_expected = result.verdict is test.verdict and {*reasons} == {*test.reasons}
    if not as_expected or (test.build is not None and test.build != build):
        yield f"expected {describe_verdict(test.verdict, test.build, test.reasons)}"
        yield f"got {describe_verdict(result.verdict, build, reasons)}"
    if test.shadow is not None:
        found = result.shadows[0].change if result.shadows else "no shadow builds, or no authentic document"
        if found != test.shadow:
            yield f"expected shadow {test.shadow}"
            yield f"got shadow {found}"
