"""epsilon-attestation-verifier: Python over cryptography. It is given the root as a file, or it would fetch it."""

from __future__ import annotations

import os
from base64 import b64encode

from epsilon_verifier import verify_attestation

from bench.peer.loop import Order, RefusedError, serve


def verify(order: Order) -> None:
    """Verify what it takes: base64, and three PCRs."""
    result = verify_attestation(
        b64encode(order.document).decode(),
        aws_root_cert_path=os.environ["PEER_ROOT"],
        **{f"expected_pcr{index}": value for index, value in order.pcrs.items() if index <= 2},  # noqa: PLR2004 - all it takes
    )
    if not result.valid:
        raise RefusedError(result.error)


if __name__ == "__main__":
    serve(verify)
