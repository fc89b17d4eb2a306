"""Documents that QEMU's emulated Nitro Secure Module answered with; it signs nothing, so each must be refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vectors.case import rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

_RECORDED = Path(__file__).resolve().parent.parent / "recorded"
_WHAT = {
    "attestation-after-locks": "after some PCRs were locked",
    "attestation-all": "with all three optional fields",
    "attestation-all-32-locked": "with all 32 PCRs",
    "attestation-nonce": "with a nonce",
    "attestation-nonce-513-over-aws-limit": "with a nonce of 513 bytes",
    "attestation-nulls": "for a request of nulls",
    "attestation-text-nonce": "for a nonce in text",
}


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    for name, what in _WHAT.items():
        evidence = (_RECORDED / f"{name}.cose.bin").read_bytes()
        description = f"QEMU 10's unsigned document {what}: alg is -1, certificates and signature are zeros."
        yield rejected(f"qemu-{name}", description, evidence, "envelope.algorithm-unsupported")
