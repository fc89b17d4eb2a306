"""Proof of origin: the document was signed by the key that the certification path ends in.

``AuthenticEvidence`` is the only type that appraisal accepts, and ``authenticate`` is the only place that makes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from verifier.evidence.document import AttestationDocument
from verifier.reasons import Reason, Rejection
from verifier.trust.ecdsa import is_in_range
from verifier.trust.path import CertificationPath

if TYPE_CHECKING:
    from verifier.evidence.envelope import Envelope


class AuthenticEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A document that a Nitro Secure Module under ``path.anchor`` signed."""

    document: AttestationDocument
    path: CertificationPath


def authenticate(envelope: Envelope, document: AttestationDocument, path: CertificationPath) -> AuthenticEvidence:
    """Verify the envelope's signature over the bytes that ``document`` was read from (RFC 9052 section 4.4).

    High-S signatures are accepted: half of the genuine ones are.

    Raises:
        Rejection: the signature is out of range or not the leaf's.
    """
    if path.key.verify(envelope.to_be_signed, envelope.signature):
        return AuthenticEvidence(document=document, path=path)
    # A key refuses what is out of range without looking further; it does not say so.
    if not is_in_range(envelope.signature):
        raise Rejection(Reason.SIGNATURE_OUT_OF_RANGE, "r or s is zero or not less than the curve's order")
    raise Rejection(Reason.SIGNATURE_INVALID, "the signature is not that of the document's certificate")
