"""Genuine documents beside the checkout (`../shared/real-documents`), with what its manifest says about each."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from verifier import Affirmed, Policy, Rejected, Verifier
from verifier.policy.model import Build, DebugMode, NonceMode

TODAY = datetime(2026, 11, 23, tzinfo=UTC)
"""Fixed: all of them are long expired by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Genuine:
    """One document that AWS signed."""

    name: str
    evidence: bytes
    kind: str
    debug: bool
    signed_at: datetime
    first: datetime
    """The first second of its certificate."""
    last: datetime
    """The last second of its certificate."""

    @property
    def is_enclave(self) -> bool:
        """Whether it is of an enclave and not of a NitroTPM."""
        return self.kind == "enclave"


def read_genuine(folder: Path) -> list[Genuine]:
    """Read the manifest's genuine documents."""
    return [_genuine(folder, entry) for entry in json.loads((folder / "manifest.json").read_text())["genuine"]]


def find_genuine(folder: Path, part: str) -> Genuine:
    """Read the one genuine document with this in its name."""
    (found,) = (document for document in read_genuine(folder) if part in document.name)
    return found


def _genuine(folder: Path, entry: dict[str, Any]) -> Genuine:
    return Genuine(
        name=entry["file"],
        evidence=(folder / entry["file"]).read_bytes(),
        kind=entry["kind"],
        debug=entry["debug"],
        signed_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=entry["timestamp_ms"]),
        first=datetime.fromisoformat(entry["valid_from"]),
        last=datetime.fromisoformat(entry["valid_until"]),
    )


def pinning_policy(document: Genuine, **changes: Any) -> Policy:  # noqa: ANN401 - the fields of a policy
    """A policy that pins all PCRs of a document, and nothing about its nonce."""
    seen = Verifier().appraise(document.evidence, policy=None, at=document.signed_at)
    assert isinstance(seen, Rejected)
    assert seen.unaffirmed_claims is not None
    return Policy(
        **(
            {
                "name": "pinned",
                "builds": (Build(name="this", pcrs=seen.unaffirmed_claims.pcrs),),
                "evidence": seen.unaffirmed_claims.kind,
                "nonce": NonceMode.NONE,
                "debug": DebugMode.ALLOW if document.debug else DebugMode.REJECT,
            }
            | changes
        )
    )


def is_affirmed(judge: Verifier, evidence: bytes, policy: Policy, at: datetime) -> bool:
    """Appraise and tell whether it was affirmed."""
    return isinstance(judge.appraise(evidence, policy=policy, at=at), Affirmed)
