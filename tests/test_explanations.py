"""Every vector explained: it agrees with the verdict, and names what was done to the document."""

from datetime import datetime

import pytest

from tests.support.named_parts import NAMED_PARTS
from tests.support.vectors import Case, make_verifier, named_policy, read_evidence, used_nonces
from tests.test_vectors import CASES
from vectors.families import freshness, policy, service_nonces
from verifier import EngineName, Reason
from verifier.explanation import CheckOutcome, Explanation, Origin, explain
from verifier.explanation.checks import APPRAISAL_CHECKS, ORIGIN_CHECKS
from verifier.service.explanations import explanation_body

LEAST_NAMED = 0.95
MAX_JSON = 64 * 1024


def explained(case: Case) -> Explanation:
    verifier = make_verifier(case, EngineName.OPENSSL)
    found = explain(
        verifier,
        read_evidence(case["evidence"]),
        policy=None if case["policy"] is None else named_policy(case["policy"]),
        nonce=None if case["nonce"] is None else bytes.fromhex(case["nonce"]),
        at=datetime.fromisoformat(case["at"]),
    )
    assert used_nonces(verifier) == set()
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_an_explanation_agrees_with_the_verdict(case: Case) -> None:
    """Fails when an explanation finds nothing wrong with what is refused, or misses one of the reasons."""
    found = explained(case)
    reasons = set(case["expected"]["reasons"]) - {Reason.FRESHNESS_NONCE_REPLAYED}

    assert reasons <= set(found.reasons)
    assert bool(found.failed) == bool(reasons)
    if found.origin is Origin.PROVEN:
        assert reasons == set(found.reasons)
    passed = all(check.outcome is CheckOutcome.PASSED for check in found.checks if check.name in ORIGIN_CHECKS)
    assert (found.origin is Origin.PROVEN) == passed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_what_an_unproven_document_says_is_marked(case: Case) -> None:
    """Fails when a forger's words pass for facts, drive a terminal, or fill a page."""
    found = explained(case)
    body = explanation_body(found)

    compared = [check for check in found.checks if check.name in APPRAISAL_CHECKS and check.name != "policy"]
    if found.document is not None:
        assert all(check.unproven == (found.origin is Origin.UNPROVEN) for check in compared)
    else:
        assert all(check.outcome is CheckOutcome.NOT_CHECKED for check in compared)
    assert len(str(body)) < MAX_JSON
    assert repr(body).isascii()
    assert all(check.note.isprintable() for check in found.checks)
    assert all(finding.reason.hint for check in found.checks for finding in check.findings)


def named(case: Case, expected: tuple[str, str] | None) -> bool:
    """Whether the check that fails says what was done."""
    if expected is None:
        return False
    name, words = expected
    check = next(check for check in explained(case).checks if check.name == name)
    said = (check.note, *(finding.detail for finding in check.findings))
    return check.outcome is CheckOutcome.FAILED and any(words in text for text in said)


def test_the_list_has_every_refused_case_of_policy_freshness_and_nonces() -> None:
    """Fails when a case is added and nobody says what its explanation must name."""
    families = (policy, freshness, service_nonces)
    refused = {case.id for family in families for case in family.cases() if case.reasons}
    assert refused == set(NAMED_PARTS)


def test_an_explanation_names_the_mutated_part() -> None:
    """Fails when an operator is told that something is wrong, and not what."""
    by_id = {case["id"]: case for case in CASES}
    missed = [id_ for id_, expected in NAMED_PARTS.items() if not named(by_id[id_], expected)]
    cannot_be_known = [id_ for id_, expected in NAMED_PARTS.items() if expected is None]

    share = 1 - len(missed) / len(NAMED_PARTS)
    print(f"named in {len(NAMED_PARTS) - len(missed)} of {len(NAMED_PARTS)} cases ({share:.1%})")  # noqa: T201 - asked for
    assert missed == cannot_be_known
    assert share >= LEAST_NAMED
