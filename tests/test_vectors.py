"""Every vector through the public API: each says what must come of it, exactly and in order."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, overload

import pytest

from verifier import (
    Affirmed,
    AttestationResult,
    ConfigurationError,
    EngineName,
    Keyring,
    NonceKey,
    NonceService,
    PathCache,
    Policy,
    Reason,
    Rejected,
    SingleUse,
    TrustAnchor,
    Verifier,
    load_anchor,
    read_policy,
)
from verifier.service.wire import read_bytes

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
Case = Mapping[str, Any]


def _load(folder: str) -> list[Case]:
    return [json.loads(path.read_bytes()) for path in sorted((VECTORS / folder).glob("*.json"))]


CASES = _load("cases")
POLICY_CASES = _load("cases/policies")
BASE64_CASES = _load("cases/base64")


class FakeGuard:
    """A single-use guard that remembers in a set."""

    def __init__(self) -> None:
        self.used: set[bytes] = set()

    @property
    def reach(self) -> SingleUse:
        """Say what a guard of one process can."""
        return SingleUse.HOST

    def consume(self, nonce: bytes, *, expires_at: int, at: int) -> bool:  # noqa: ARG002 - vectors outlive no nonce
        """Tell the first use from all others."""
        first = nonce not in self.used
        self.used.add(nonce)
        return first


@cache
def _anchor(name: str, file: str, sha256: str) -> TrustAnchor:
    return load_anchor((VECTORS / file).read_bytes(), name=name, sha256=sha256)


@cache
def _policy(file: str) -> Policy:
    return read_policy((VECTORS / file).read_text(encoding="utf-8"), name=Path(file).stem)


@cache
def _evidence(file: str) -> bytes:
    return (VECTORS / file).read_bytes()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _nonces(case: Case) -> NonceService | None:
    service = case.get("service")
    if service is None:
        return None
    keyring = Keyring(
        current=_nonce_key(service["keys"]["current"]),
        next=_nonce_key(service["keys"].get("next")),
        previous=_nonce_key(service["keys"].get("previous")),
    )
    return NonceService(keyring, audience=service["audience"], guard=FakeGuard() if service["single_use"] else None)


@overload
def _nonce_key(key: Case) -> NonceKey: ...
@overload
def _nonce_key(key: Case | None) -> NonceKey | None: ...
def _nonce_key(key: Case | None) -> NonceKey | None:
    return None if key is None else NonceKey(id=key["id"], secret=bytes.fromhex(key["secret"]))


def _verifier(case: Case, engine: EngineName, cache: PathCache | None = None) -> Verifier:
    anchors = [_anchor(anchor["name"], anchor["file"], anchor["sha256"]) for anchor in case["anchors"]]
    return Verifier(anchors=anchors, nonces=_nonces(case), engine=engine, cache=cache)


def _appraise(verifier: Verifier, case: Case, step: Case) -> AttestationResult:
    policy = case["policy"]
    return verifier.appraise(
        _evidence(step["evidence"]),
        policy=None if policy is None else _policy(policy),
        nonce=None if step["nonce"] is None else bytes.fromhex(step["nonce"]),
        at=_moment(step["at"]),
        historical=step.get("historical", False),
    )


def _run(verifier: Verifier, case: Case) -> AttestationResult:
    verifier.nonces = _nonces(case)  # a guard of its own for each run: none remembers another's nonces
    for step in case.get("before", ()):
        assert _appraise(verifier, case, step).verdict == step["verdict"]
    return _appraise(verifier, case, case)


def _used(verifier: Verifier) -> set[bytes]:
    guard = None if verifier.nonces is None else verifier.nonces.guard
    return guard.used if isinstance(guard, FakeGuard) else set()


def _outcome(result: AttestationResult) -> dict[str, object]:
    reasons = list(result.reasons) if isinstance(result, Rejected) else []
    return {"verdict": result.verdict, "reasons": reasons}


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
            verifier = _verifier(case, engine, taught)
            assert [_run(verifier, case).verdict for _ in range(2)] == ["affirmed"] * 2
    return taught


@pytest.mark.parametrize("engine", EngineName, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_vector_gives_exactly_its_verdict_and_reasons(case: Case, engine: EngineName) -> None:
    """Fails when a document is wrongly affirmed or refused, with any engine and in any state of the cache."""
    verifier = _verifier(case, engine)
    uncached = _verifier(case, engine, PathCache(leaves=0))

    familiar = _verifier(case, engine, _taught(engine))

    cold, warm, off = _run(verifier, case), _run(verifier, case), _run(uncached, case)
    known = _run(familiar, case)

    assert _outcome(cold) == case["expected"], _details(cold)
    assert _outcome(warm) == case["expected"], f"with a warm cache: {_details(warm)}"
    assert _outcome(off) == case["expected"], f"without a cache: {_details(off)}"
    assert _outcome(known) == case["expected"], f"by who knows its like: {_details(known)}"
    assert all(_is_labelled(result, case) for result in (cold, warm, off, known))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_history_tells_the_same_but_for_single_use(case: Case) -> None:
    """Fails when looking back is laxer than looking now, forgets its label, or asks the guard."""
    verifier = _verifier(case, EngineName.OPENSSL)
    expected = [reason for reason in case["expected"]["reasons"] if reason != Reason.FRESHNESS_NONCE_REPLAYED]

    result = _appraise(verifier, case, {**case, "historical": True})

    assert _outcome(result) == {"verdict": "rejected" if expected else "affirmed", "reasons": expected}
    assert result.historical
    assert result.freshness is None or result.freshness.single_use is SingleUse.OFF
    assert _used(verifier) == set()


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
    result = _run(_verifier(case, EngineName.OPENSSL), case)
    if isinstance(result, Affirmed) or result.unaffirmed_claims is not None:
        return
    # The names of the format's own fields are in every document and are nobody's words.
    said = re.sub(r"nitrotpm_pcrs|public_key", "", _details(result)).encode()
    evidence = _evidence(case["evidence"])
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
