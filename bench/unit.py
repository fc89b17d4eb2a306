"""What benchmarks measure in: V, one P-384 verification in the same run, and medians of ratios within rounds."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.trust.certificate import decode_certificate
from verifier.trust.ecdsa import EngineName, select_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The median of many figures, and the quartiles around it."""

    low: float
    middle: float
    high: float


def summarise(values: Sequence[float]) -> Summary:
    """Give the median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return Summary(low=low, middle=middle, high=high)


def verification(document: bytes, engine: EngineName | None = None) -> Callable[[], None]:
    """Give V: the verification of one genuine document's signature, its digest included."""
    envelope = decode_envelope(document)
    leaf = decode_certificate(decode_document(envelope.payload).certificate)
    key = select_engine(engine).load_key(leaf.spki)

    def verify() -> None:
        if not key.verify(envelope.to_be_signed, envelope.signature):
            raise AssertionError

    return verify


def processor_us(run: Callable[[], None], calls: int) -> float:
    """Give the processor time of one of ``calls`` calls, in microseconds."""
    started = time.process_time_ns()
    for _ in range(calls):
        run()
    return (time.process_time_ns() - started) / calls / 1000
