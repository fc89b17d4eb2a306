"""The trust anchors that cases name, and the roots behind those that are not the usual one."""

from __future__ import annotations

import base64
import hashlib
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from issuer.nsm import CertificateSpec, ExtensionSpec, sign_certificate
from vectors.world import AT, OTHER_PKI, PKI, SPECS, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

_AWS_ROOT = Path(__file__).resolve().parent.parent / "certs" / "aws-nitro-root-g1.pem"


def pem(der: bytes) -> str:
    """Write a certificate as PEM."""
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def unpem(text: str) -> bytes:
    """Read one certificate from PEM."""
    return base64.b64decode("".join(line for line in text.split("\n") if not line.startswith("-")))


def fingerprint(text: str) -> str:
    """Give the SHA-256 of the DER within a PEM."""
    return hashlib.sha256(unpem(text)).hexdigest()


def _root(**changes: object) -> CertificateSpec:
    return replace(SPECS[0], **changes)  # type: ignore[arg-type]  # each caller names a field and gives its type


def _with_path_length(length: int) -> CertificateSpec:
    constraints = ExtensionSpec(value=x509.BasicConstraints(ca=True, path_length=length), critical=True)
    return _root(serial=3 + length, extensions=(constraints, *SPECS[0].extensions[1:]))


EXPIRED_ROOT = _root(serial=1, not_after=AT - seconds(1))
EXPIRING_ROOT = _root(serial=9, not_after=AT + seconds(600))
FUTURE_ROOT = _root(serial=2, not_before=AT + seconds(31))
NARROW_ROOT = _with_path_length(2)
"""One issuer less than the good chain needs."""
EXACT_ROOT = _with_path_length(3)

AWS_ROOT = _AWS_ROOT.read_text(encoding="ascii")

ANCHORS: Mapping[str, str] = {
    "throwaway-root": PKI.root_pem,
    "other-root": OTHER_PKI.root_pem,
    "expired-root": pem(sign_certificate(EXPIRED_ROOT)),
    "expiring-root": pem(sign_certificate(EXPIRING_ROOT)),
    "future-root": pem(sign_certificate(FUTURE_ROOT)),
    "narrow-root": pem(sign_certificate(NARROW_ROOT)),
    "exact-root": pem(sign_certificate(EXACT_ROOT)),
    "aws-nitro-root-g1": AWS_ROOT,
}
