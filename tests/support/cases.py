"""The vectors as values, for tests that ask something else of them than their verdict."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from verifier import TrustAnchor, load_anchor

VECTORS = Path(__file__).resolve().parents[2] / "vectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorCase:
    """One appraisal of `vectors/cases`, without what happens before it."""

    id: str
    evidence: bytes
    anchors: tuple[TrustAnchor, ...]
    policy: str | None
    """The policy's text."""
    nonce: bytes | None
    at: datetime
    reasons: tuple[str, ...]
    """Expected; empty when it must be affirmed."""


@cache
def vector_cases() -> tuple[VectorCase, ...]:
    """Read every case that appraises evidence."""
    return tuple(_case(entry) for entry in _entries() if "evidence" in entry)


@cache
def policy_texts() -> tuple[str, ...]:
    """Every policy file of the vectors, refused ones included."""
    return tuple(path.read_text() for path in sorted((VECTORS / "policies").rglob("*.toml")))


def _entries() -> Iterator[dict[str, Any]]:
    for path in sorted((VECTORS / "cases").glob("*.json")):
        yield json.loads(path.read_text())


def _case(entry: dict[str, Any]) -> VectorCase:
    policy, nonce = entry["policy"], entry["nonce"]
    return VectorCase(
        id=entry["id"],
        evidence=(VECTORS / entry["evidence"]).read_bytes(),
        anchors=tuple(_anchor(anchor["file"], anchor["name"], anchor["sha256"]) for anchor in entry["anchors"]),
        policy=None if policy is None else (VECTORS / policy).read_text(),
        nonce=None if nonce is None else bytes.fromhex(nonce),
        at=datetime.fromisoformat(entry["at"]),
        reasons=tuple(entry["expected"].get("reasons", ())),
    )


@cache
def _anchor(file: str, name: str, sha256: str) -> TrustAnchor:
    return load_anchor((VECTORS / file).read_bytes(), name=name, sha256=sha256)
