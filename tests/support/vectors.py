"""Vectors put to the library as they are written: each with anchors, nonces and a guard of its own."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, overload

from verifier import (
    AttestationResult,
    EngineName,
    Keyring,
    NonceKey,
    NonceService,
    PathCache,
    Policy,
    Rejected,
    SingleUse,
    TrustAnchor,
    Verifier,
    load_anchor,
    read_policy,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
Case = Mapping[str, Any]


def load_cases(folder: str) -> list[Case]:
    """Read every case of one folder."""
    return [json.loads(path.read_bytes()) for path in sorted((VECTORS / folder).glob("*.json"))]


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
def named_policy(file: str) -> Policy:
    """Read a policy that is called as its file is."""
    return read_policy((VECTORS / file).read_text(encoding="utf-8"), name=Path(file).stem)


@cache
def read_evidence(file: str) -> bytes:
    """Read the bytes that a case or a step of it names."""
    return (VECTORS / file).read_bytes()


def moment(text: str) -> datetime:
    """Read a case's time."""
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


def make_verifier(case: Case, engine: EngineName, cache: PathCache | None = None) -> Verifier:
    """Make the verifier that a case is about."""
    anchors = [_anchor(anchor["name"], anchor["file"], anchor["sha256"]) for anchor in case["anchors"]]
    return Verifier(anchors=anchors, nonces=_nonces(case), engine=engine, cache=cache)


def appraise_step(verifier: Verifier, case: Case, step: Case) -> AttestationResult:
    """Appraise one step of a case, or the case itself without what happens before."""
    policy = case["policy"]
    return verifier.appraise(
        read_evidence(step["evidence"]),
        policy=None if policy is None else named_policy(policy),
        nonce=None if step["nonce"] is None else bytes.fromhex(step["nonce"]),
        at=moment(step["at"]),
        historical=step.get("historical", False),
    )


def run_case(verifier: Verifier, case: Case) -> AttestationResult:
    """Appraise all of a case's steps in order, and give the last one's result."""
    verifier.nonces = _nonces(case)  # a guard of its own for each run: none remembers another's nonces
    for step in case.get("before", ()):
        assert appraise_step(verifier, case, step).verdict == step["verdict"]
    return appraise_step(verifier, case, case)


def outcome(result: AttestationResult) -> dict[str, object]:
    """Write a result as a case writes what it expects."""
    reasons = list(result.reasons) if isinstance(result, Rejected) else []
    return {"verdict": result.verdict, "reasons": reasons}


def used_nonces(verifier: Verifier) -> set[bytes]:
    """Give the nonces that a verifier's guard remembers."""
    guard = None if verifier.nonces is None else verifier.nonces.guard
    return guard.used if isinstance(guard, FakeGuard) else set()
