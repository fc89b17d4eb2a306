"""What a case is, in the generator's words and in the file's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from vectors.world import AT, NONCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

AFFIRMED, REJECTED = "affirmed", "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A verifier that issues nonces: its name, its keys by role, and whether it counts each nonce once."""

    audience: str
    keys: tuple[tuple[str, int, bytes], ...]
    single_use: bool = True

    def render(self) -> dict[str, object]:
        """Write it for a case file."""
        keys = {role: {"id": key_id, "secret": secret.hex()} for role, key_id, secret in self.keys}
        return {"audience": self.audience, "single_use": self.single_use, "keys": keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Evidence that the same verifier appraises first, which warms its caches and uses up nonces."""

    evidence: bytes
    verdict: str
    at: datetime = AT
    nonce: bytes | None = NONCE
    historical: bool = False


class Options(TypedDict, total=False):
    """What a case may say besides its evidence and its reasons."""

    policy: str | None
    nonce: bytes | None
    at: datetime
    anchors: tuple[str, ...]
    service: Service | None
    before: tuple[Before, ...]
    historical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One appraisal and what must come of it; no reasons means affirmed."""

    id: str
    description: str
    evidence: bytes
    reasons: tuple[str, ...] = ()
    policy: str | None = "strict"
    nonce: bytes | None = NONCE
    at: datetime = AT
    anchors: tuple[str, ...] = ("throwaway-root",)
    service: Service | None = None
    before: tuple[Before, ...] = ()
    historical: bool = False

    def render(self, files: Mapping[bytes, str], fingerprints: Mapping[str, str]) -> dict[str, object]:
        """Write the case, naming evidence by file and anchors by file and fingerprint."""
        case: dict[str, object] = {
            "id": self.id,
            "description": self.description,
            "evidence": files[self.evidence],
            "anchors": [
                {"name": name, "file": f"pki/{name}.pem", "sha256": fingerprints[name]} for name in self.anchors
            ],
            "policy": None if self.policy is None else f"policies/{self.policy}.toml",
            "nonce": _hex(self.nonce),
            "at": moment(self.at),
            **_historical(self.historical),
        }
        if self.service is not None:
            case["service"] = self.service.render()
        if self.before:
            case["before"] = [_render_before(step, files) for step in self.before]
        verdict = REJECTED if self.reasons else AFFIRMED
        return {**case, "expected": {"verdict": verdict, "reasons": list(self.reasons)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCase:
    """One policy file that must not load."""

    id: str
    description: str
    text: str

    def render(self) -> dict[str, object]:
        """Write the case, naming the policy by its file."""
        return {
            "kind": "policy",
            "id": self.id,
            "description": self.description,
            "policy": f"policies/refused/{self.id.removeprefix('policy.')}.toml",
            "expected": {"verdict": "configuration-error"},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCase:
    """One text that claims to be base64, and the bytes it means or None."""

    id: str
    description: str
    text: str
    value: bytes | None

    def render(self) -> dict[str, object]:
        """Write the case."""
        verdict = "unreadable" if self.value is None else "readable"
        return {
            "kind": "base64",
            "id": self.id,
            "description": self.description,
            "text": self.text,
            "expected": {"verdict": verdict, "bytes": _hex(self.value)},
        }


AnyCase = Case | PolicyCase | TextCase


def rejected(slug: str, description: str, evidence: bytes, *reasons: str, **options: Unpack[Options]) -> Case:
    """Make a case that is refused, named after its first reason."""
    return Case(id=f"{reasons[0]}.{slug}", description=description, evidence=evidence, reasons=reasons, **options)


def affirmed(slug: str, description: str, evidence: bytes, **options: Unpack[Options]) -> Case:
    """Make a case that is affirmed."""
    return Case(id=f"{AFFIRMED}.{slug}", description=description, evidence=evidence, **options)


def moment(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC, with milliseconds only where there are any."""
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def dump(case: dict[str, object]) -> bytes:
    """Write a case file, one key to a line."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in case.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _render_before(step: Before, files: Mapping[bytes, str]) -> dict[str, object]:
    return {
        "evidence": files[step.evidence],
        "nonce": _hex(step.nonce),
        "at": moment(step.at),
        **_historical(step.historical),
        "verdict": step.verdict,
    }


def _historical(historical: bool) -> dict[str, bool]:  # noqa: FBT001 - the field's own name
    return {"historical": True} if historical else {}


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
