"""Appraisal as of another time: which time that is.

A document's own time is what its author wrote, read before anything is believed. Choosing it as the time of
verification asks "was this a good document when it was made?", and ``Verifier.appraise`` must be told that it is
``historical``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TypeAlias

from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.reasons import Rejection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OwnTime(Enum):
    """Stands for each document's own timestamp."""

    DOCUMENT = "document"


ChosenTime: TypeAlias = datetime | OwnTime


def document_time(evidence: bytes) -> datetime | None:
    """Give the timestamp that a document states, believing nothing; ``None`` when it cannot be read as a document."""
    try:
        document = decode_document(decode_envelope(evidence).payload)
    except Rejection:
        return None
    return _EPOCH + timedelta(milliseconds=document.timestamp_ms)


def time_of_verification(evidence: bytes, chosen: ChosenTime, *, otherwise: datetime) -> datetime:
    """Give the time to appraise a document as of.

    Args:
        evidence: the document.
        chosen: a time, or each document's own.
        otherwise: for what has no time of its own; it is refused at any time, and the result names this one.
    """
    return document_time(evidence) or otherwise if isinstance(chosen, OwnTime) else chosen
