"""What an appraisal is explained from: what was asked, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import EvidenceKind, is_debug

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.evidence.document import AttestationDocument
    from verifier.explanation.builds import BuildsComparison
    from verifier.nonces import IssuedNonce, NonceService
    from verifier.policy.model import Policy
    from verifier.trust.certificate import Certificate


def is_enclave_in_debug(document: AttestationDocument) -> bool:
    """Tell debug mode, which only enclaves have."""
    return document.kind is EvidenceKind.ENCLAVE and is_debug(document.pcrs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a document is compared with."""

    policy: Policy
    nonce: bytes | None
    service: NonceService | None
    at: datetime
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A document and what comparing it gave."""

    document: AttestationDocument
    leaf: Certificate | None
    """``None`` when it cannot be read."""
    build: str | None
    builds: BuildsComparison | None
    issued: IssuedNonce | None
