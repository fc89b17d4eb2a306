"""Every vector through the public API: each says what must come of it, exactly and in order."""

import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.support.vectors import (
    VECTORS,
    Case,
    appraise_step,
    load_cases,
    make_verifier,
    outcome,
    read_evidence,
    run_case,
    used_nonces,
)
from verifier import (
    Affirmed,
    AttestationResult,
    ConfigurationError,
    EngineName,
    PathCache,
    Reason,
    Rejected,
    SingleUse,
    read_policy,
)
from verifier.service.notation import read_bytes

CASES = load_cases("cases")
POLICY_CASES = load_cases("cases/policies")
BASE64_CASES = load_cases("cases/base64")


def _is_labelled(result: AttestationResult, case: Case) -> bool:
    return result.historical is case.get("historical", False)


def _details(result: AttestationResult) -> str:
    return " ".join(finding.detail for finding in result.findings) if isinstance(result, Rejected) else ""


@cache
def _taught(engine: EngineName) -> PathCache:
    """A cache that has met every document which is affirmed, often enough to have learnt what recurs in them."""
    taught = PathCache()
    for case in CASES:
        if case["expected"]["verdict"] == "affirmed":
            verifier = make_verifier(case, engine, taught)
            assert [run_case(verifier, case).verdict for _ in range(2)] == ["affirmed"] * 2
    return taught


@pytest.mark.parametrize("engine", EngineName, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_vector_gives_exactly_its_verdict_and_reasons(case: Case, engine: EngineName) -> None:
    """Fails when a document is wrongly affirmed or refused, with any engine and in any state of the cache."""
    verifier = make_verifier(case, engine)
    uncached = make_verifier(case, engine, PathCache(leaves=0))

    familiar = make_verifier(case, engine, _taught(engine))

    cold, warm, off = run_case(verifier, case), run_case(verifier, case), run_case(uncached, case)
    known = run_case(familiar, case)

    assert outcome(cold) == case["expected"], _details(cold)
    assert outcome(warm) == case["expected"], f"with a warm cache: {_details(warm)}"
    assert outcome(off) == case["expected"], f"without a cache: {_details(off)}"
    assert outcome(known) == case["expected"], f"by who knows its like: {_details(known)}"
    assert all(_is_labelled(result, case) for result in (cold, warm, off, known))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_history_tells_the_same_but_for_single_use(case: Case) -> None:
    """Fails when looking back is laxer than looking now, forgets its label, or asks the guard."""
    verifier = make_verifier(case, EngineName.OPENSSL)
    expected = [reason for reason in case["expected"]["reasons"] if reason != Reason.FRESHNESS_NONCE_REPLAYED]

    result = appraise_step(verifier, case, {**case, "historical": True})

    assert outcome(result) == {"verdict": "rejected" if expected else "affirmed", "reasons": expected}
    assert result.historical
    assert result.freshness is None or result.freshness.single_use is SingleUse.OFF
    assert used_nonces(verifier) == set()


@pytest.mark.parametrize("case", POLICY_CASES, ids=lambda case: case["id"])
def test_a_policy_that_cannot_be_meant_does_not_load(case: Case) -> None:
    """Fails when a policy that says less than its author believes is accepted."""
    assert case["expected"] == {"verdict": "configuration-error"}
    with pytest.raises(ConfigurationError):
        read_policy((VECTORS / case["policy"]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", BASE64_CASES, ids=lambda case: case["id"])
def test_base64_has_one_reading_or_none(case: Case) -> None:
    """Fails when two texts that differ in more than alphabet and padding are read as the same bytes."""
    try:
        value = read_bytes(case["text"]).hex()
    except ValueError:
        value = None
    assert value == case["expected"]["bytes"]


def test_every_reason_has_a_vector() -> None:
    """Fails when a code is published that nothing shows."""
    shown = {reason for case in CASES for reason in case["expected"]["reasons"]}
    assert shown == set(Reason)


def test_there_are_enough_vectors_of_both_verdicts() -> None:
    """Fails when cases are lost, such as by a family that is no longer listed."""
    verdicts = Counter(case["expected"]["verdict"] for case in CASES)
    assert verdicts.total() >= 400
    assert verdicts["affirmed"] >= 60
    assert len(POLICY_CASES) >= 30


def test_ids_are_unique_and_say_what_is_expected() -> None:
    """Fails when an id cannot be cited, or claims another outcome than its case."""
    ids = [case["id"] for case in (*CASES, *POLICY_CASES, *BASE64_CASES)]
    assert len(set(ids)) == len(ids)
    for case in CASES:
        first = next(iter(case["expected"]["reasons"]), "affirmed")
        assert case["id"].startswith(f"{first}."), case["id"]


def test_every_file_is_used_by_a_case() -> None:
    """Fails when evidence, policies or anchors lie about that nothing checks."""
    used = {step["evidence"] for case in CASES for step in (case, *case.get("before", ()))}
    used |= {case["policy"] for case in (*CASES, *POLICY_CASES)}
    used |= {anchor["file"] for case in CASES for anchor in case["anchors"]}
    present = {
        str(path.relative_to(VECTORS))
        for folder in ("evidence", "recorded", "pki", "policies")
        for path in (VECTORS / folder).rglob("*.*")
        if path.suffix != ".md"
    }
    assert present == used - {None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_result_without_proven_origin_repeats_nothing_of_the_document(case: Case) -> None:
    """Fails when a forger's words reach logs, answers or terminals by way of a finding's detail."""
    result = run_case(make_verifier(case, EngineName.OPENSSL), case)
    if isinstance(result, Affirmed) or result.unaffirmed_claims is not None:
        return
    # The names of the format's own fields are in every document and are nobody's words.
    said = re.sub(r"nitrotpm_pcrs|public_key", "", _details(result)).encode()
    evidence = read_evidence(case["evidence"])
    shared = {said[at : at + 12] for at in range(len(said) - 11)}
    assert not any(part in evidence for part in shared)
    assert all(finding.detail.isascii() and finding.detail.isprintable() for finding in result.findings)


def test_regenerating_changes_nothing(checkout: Path) -> None:
    """Fails when a vector was edited by hand, or depends on the clock, on chance or on the order of a hash table."""
    for seed in ("0", "4711"):
        command = [sys.executable, "-m", "vectors.generate", "--check"]
        done = subprocess.run(
            command, cwd=checkout, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
