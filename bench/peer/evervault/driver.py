"""evervault-attestation-bindings: Rust, the root built in. It wants the certificate of the TLS connection as well."""

from __future__ import annotations

from evervault_attestation_bindings import PCRs, attest_enclave

from bench.peer.loop import Order, RefusedError, serve


def verify(order: Order) -> None:
    """Attest; an empty list of PCRs stands for any."""
    expected = [PCRs(*(order.pcrs.get(index) for index in (0, 1, 2, 8)))] if order.pcrs else []
    if not attest_enclave(order.tls_certificate, expected, order.document):
        raise RefusedError


if __name__ == "__main__":
    serve(verify)
