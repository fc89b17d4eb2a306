"""Proof of origin: the document was signed by the key that the certification path ends in.

``AuthenticEvidence`` is the only type that appraisal accepts, and ``authenticate`` is the only place that makes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.reasons import Reason, Rejection
from verifier.trust.ecdsa import is_in_range

if TYPE_CHECKING:
    from verifier.evidence.document import AttestationDocument
    from verifier.evidence.envelope import Envelope
    from verifier.trust.path import CertificationPath


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticEvidence:
    """A document that a Nitro Secure Module under ``path.anchor`` signed."""

    document: AttestationDocument
    path: CertificationPath


def authenticate(envelope: Envelope, document: AttestationDocument, path: CertificationPath) -> AuthenticEvidence:
    """Verify the envelope's signature over the bytes that ``document`` was read from (RFC 9052 section 4.4).

    High-S signatures are accepted: half of the genuine ones are.

    Raises:
        Rejection: the signature is out of range or not the leaf's.
    """
    if not is_in_range(envelope.signature):
        raise Rejection(Reason.SIGNATURE_OUT_OF_RANGE, "r or s is zero or not less than the curve's order")
    if not path.key.verify(envelope.to_be_signed, envelope.signature):
        raise Rejection(Reason.SIGNATURE_INVALID, "the signature is not that of the document's certificate")
    return AuthenticEvidence(document=document, path=path)
