"""Writes the data of the service's self-test: ``python -m tests.service.known_answer``."""

import hashlib
from pathlib import Path

from issuer.nsm import SoftwareNsm, ThrowawayPki
from verifier.service import selftest

FOLDER = Path(selftest.__file__).parent / "known_answer"


def make() -> dict[str, bytes]:
    """Make the document and its root; the same bytes every time."""
    pki = ThrowawayPki(seed=b"nitro-verifier known answer")
    nsm = SoftwareNsm(clock=lambda: selftest.SIGNED_AT, pki=pki, pcrs=selftest.PCRS)
    return {"document.cbor": nsm.attestation(nonce=selftest.NONCE), "root.der": pki.root_der}


if __name__ == "__main__":
    for name, data in make().items():
        FOLDER.joinpath(name).write_bytes(data)
        print(name, len(data), hashlib.sha256(data).hexdigest())  # noqa: T201 - a generator reports
