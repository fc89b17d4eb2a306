"""attested-relay: Python over pyOpenSSL. Its public function wants its own relay's user data, so its core is called.

Its root is a file of the package, pinned by a constant: for other roots both are exchanged.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from attested_relay import verify as relay
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from bench.peer.loop import Order, serve


def trust(root: Path) -> None:
    """Exchange the root that it trusts."""
    der = load_pem_x509_certificate(root.read_bytes()).public_bytes(Encoding.DER)
    relay.ROOT_SHA256 = hashlib.sha256(der).hexdigest()
    relay.files = lambda _: _Folder(root)


class _Folder:
    """Stands for the package's folder, whatever file is asked for."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def joinpath(self, _: str) -> Path:
        """Give the one file."""
        return self._file


def verify(order: Order) -> None:
    """Verify signature, path, freshness and PCR0."""
    relay._authenticated_document(order.document, order.pcrs.get(0))  # noqa: SLF001 - see above


if __name__ == "__main__":
    trust(Path(os.environ["PEER_ROOT"]))
    serve(verify)
