"""What one writes in an afternoon: cbor2, pycose, and cryptography.x509 for the path.

It is not careless: the root is compared, names and signatures are followed, every certificate's time is looked at, the
signature and the PCRs are checked. What it lacks is what the libraries do not do by themselves.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from pycose.keys import EC2Key  # type: ignore[attr-defined]  # pycose re-exports without saying so
from pycose.keys.curves import P384
from pycose.messages import Sign1Message  # type: ignore[attr-defined]  # as above

from bench.peer.loop import Order, RefusedError, serve

ROOT = x509.load_pem_x509_certificate(Path(os.environ["PEER_ROOT"]).read_bytes())


def verify(order: Order) -> None:
    """Verify path, time, signature and PCRs."""
    message = Sign1Message.from_cose_obj(cbor2.loads(order.document), allow_unknown_attributes=True)
    assert message.payload
    document = cbor2.loads(message.payload)
    leaf = validate_path([*document["cabundle"], document["certificate"]])
    key = leaf.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    numbers = key.public_numbers()
    message.key = EC2Key(crv=P384, x=numbers.x.to_bytes(48, "big"), y=numbers.y.to_bytes(48, "big"))
    if not message.verify_signature():
        raise RefusedError("signature")
    for index, value in order.pcrs.items():
        if document["pcrs"][index].hex() != value:
            raise RefusedError("PCR")


def validate_path(ders: list[bytes]) -> x509.Certificate:
    """Walk from the root to the leaf, and give the leaf."""
    path = [x509.load_der_x509_certificate(der) for der in ders]
    if path[0] != ROOT:
        raise RefusedError("root")
    now = datetime.now(UTC)
    for certificate in path:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise RefusedError("time")
    for issuer, subject in pairwise(path):
        subject.verify_directly_issued_by(issuer)
    return path[-1]


if __name__ == "__main__":
    serve(verify)
