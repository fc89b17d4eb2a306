"""What checks come to: one finding each, and whether they add up to a machine that is ready."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from issuer.readiness.catalogue import TOPICS, CheckId


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, but not as it should in production."""
    FAILED = "failed"
    """It does not hold, or what would show it is missing where it must be."""
    NOT_APPLICABLE = "not-applicable"
    """It means nothing here, or nothing was given to compare with."""
    UNKNOWN = "unknown"
    """It could not be told; as good as failed, since nobody knows."""


class Place(StrEnum):
    """Where the checks run."""

    ENCLAVE = "enclave"
    PARENT = "parent"
    ELSEWHERE = "elsewhere"


Judgement: TypeAlias = tuple[State, str]
"""The state, and what was found."""

NOT_READY: Final = frozenset({State.FAILED, State.UNKNOWN})


class NotReadyError(Exception):
    """The machine must not serve; `readiness` says why."""

    def __init__(self, readiness: "Readiness", blocking: "tuple[Finding, ...]") -> None:
        super().__init__("; ".join(f"{finding.id}: {finding.state}: {finding.found}" for finding in blocking))
        self.readiness = readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check, carried out."""

    id: CheckId
    state: State
    found: str

    @property
    def why(self) -> str:
        """Why it matters."""
        return TOPICS[self.id].why

    @property
    def remedy(self) -> str:
        """What to do when it is not ok."""
        return TOPICS[self.id].remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """All findings, in the catalogue's order."""

    place: Place
    findings: tuple[Finding, ...]

    def blocking(self, *, strict: bool = False) -> tuple[Finding, ...]:
        """What speaks against serving: the failed and the unknown, with `strict` the warnings too."""
        states = NOT_READY | {State.WARNING} if strict else NOT_READY
        return tuple(finding for finding in self.findings if finding.state in states)

    def is_ready(self, *, strict: bool = False) -> bool:
        """Whether nothing speaks against serving."""
        return not self.blocking(strict=strict)

    def require(self, *, strict: bool = False) -> None:
        """Go on only if nothing speaks against it.

        Raises:
            NotReadyError: something does; the message names it.
        """
        if blocking := self.blocking(strict=strict):
            raise NotReadyError(self, blocking)
