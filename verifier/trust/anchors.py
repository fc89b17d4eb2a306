"""Trust anchors: where every certification path must begin (RFC 5280 section 6.1.1).

The root of the commercial AWS partition is part of this module, byte for byte the file in ``certs/``, and is pinned by
its fingerprint. Any other anchor is the operator's configuration, named together with its fingerprint, and is shown
in every result that used it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from verifier.reasons import ConfigurationError, Rejection
from verifier.trust.certificate import Certificate, decode_certificate
from verifier.trust.ecdsa import EngineName, KeyUnsupportedError, select_engine

AWS_NITRO_ROOT_G1_NAME = "aws-nitro-root-g1"
AWS_NITRO_ROOT_G1_SHA256 = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
"""SHA-256 of the certificate's DER. The widely quoted ``8cf60e2b…`` is the hash of AWS's zip file."""

_AWS_NITRO_ROOT_G1_PEM = """\
-----BEGIN CERTIFICATE-----
MIICETCCAZagAwIBAgIRAPkxdWgbkK/hHUbMtOTn+FYwCgYIKoZIzj0EAwMwSTEL
MAkGA1UEBhMCVVMxDzANBgNVBAoMBkFtYXpvbjEMMAoGA1UECwwDQVdTMRswGQYD
VQQDDBJhd3Mubml0cm8tZW5jbGF2ZXMwHhcNMTkxMDI4MTMyODA1WhcNNDkxMDI4
MTQyODA1WjBJMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGQW1hem9uMQwwCgYDVQQL
DANBV1MxGzAZBgNVBAMMEmF3cy5uaXRyby1lbmNsYXZlczB2MBAGByqGSM49AgEG
BSuBBAAiA2IABPwCVOumCMHzaHDimtqQvkY4MpJzbolL//Zy2YlES1BR5TSksfbb
48C8WBoyt7F2Bw7eEtaaP+ohG2bnUs990d0JX28TcPQXCEPZ3BABIeTPYwEoCWZE
h8l5YoQwTcU/9KNCMEAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUkCW1DdkF
R+eWw5b6cp3PmanfS5YwDgYDVR0PAQH/BAQDAgGGMAoGCCqGSM49BAMDA2kAMGYC
MQCjfy+Rocm9Xue4YnwWmNJVA44fA0P5W2OpYow9OYCVRaEevL8uO1XYru5xtMPW
rfMCMQCi85sWBbJwKKXdS6BptQFuZbT73o/gBh1qUxl/nNr12UO8Yfwr6wPLb+6N
IwLz3/Y=
-----END CERTIFICATE-----
"""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A self-signed P-384 root whose bytes match the fingerprint that its owner gave for it."""

    name: str
    sha256: str
    certificate: Certificate

    @property
    def is_aws(self) -> bool:
        """Whether this is the bundled root of the commercial AWS partition."""
        return self.sha256 == AWS_NITRO_ROOT_G1_SHA256


def load_anchor(data: bytes, *, name: str, sha256: str) -> TrustAnchor:
    """Make a trust anchor of one certificate in PEM or DER.

    Args:
        data: exactly one certificate.
        name: how results call it; lower-case letters, digits, dot, underscore and hyphen.
        sha256: the fingerprint of the DER in hex, obtained from somewhere else than ``data``; colons are allowed.

    Raises:
        ConfigurationError: not one certificate, another fingerprint, or not a self-signed P-384 root.
    """
    expected = sha256.replace(":", "").lower()
    der = _decode_pem(data, name) if data.lstrip().startswith(b"-----") else data
    problems = []
    if not _NAME.fullmatch(name):
        problems.append("a trust anchor's name is 1 to 64 lower-case letters, digits, dots, underscores and hyphens")
    if not _FINGERPRINT.fullmatch(expected):
        problems.append(f"trust anchor {name}: the fingerprint is not 64 hex digits of SHA-256")
    elif anchor_fingerprint(der) != expected:
        problems.append(f"trust anchor {name}: the certificate's SHA-256 is {anchor_fingerprint(der)}, not {expected}")
    if problems:
        raise ConfigurationError(*problems)
    return TrustAnchor(name=name, sha256=expected, certificate=_decode_root(der, name))


def anchor_fingerprint(data: bytes) -> str:
    """Give the SHA-256 of a certificate's DER in hex; ``data`` may be PEM."""
    der = _decode_pem(data, "certificate") if data.lstrip().startswith(b"-----") else data
    return hashlib.sha256(der).hexdigest()


def bundled_anchor() -> TrustAnchor:
    """Give AWS Nitro Enclaves Root G1, for the commercial partitions."""
    return load_anchor(_AWS_NITRO_ROOT_G1_PEM.encode(), name=AWS_NITRO_ROOT_G1_NAME, sha256=AWS_NITRO_ROOT_G1_SHA256)


def _decode_pem(data: bytes, name: str) -> bytes:
    blocks = _PEM.findall(data.decode("ascii", "replace"))
    if len(blocks) != 1:
        msg = f"trust anchor {name}: {len(blocks)} certificates in the file instead of one"
        raise ConfigurationError(msg)
    try:
        return base64.b64decode("".join(blocks[0].split()), validate=True)
    except binascii.Error as error:
        msg = f"trust anchor {name}: broken base64"
        raise ConfigurationError(msg) from error


def _decode_root(der: bytes, name: str) -> Certificate:
    try:
        certificate = decode_certificate(der)
        # OpenSSL whatever the verifier's engine: this happens once, and must not depend on its choice.
        key = select_engine(EngineName.OPENSSL).load_key(certificate.spki)
    except (Rejection, KeyUnsupportedError) as error:
        msg = f"trust anchor {name}: not a P-384 certification authority's certificate ({error})"
        raise ConfigurationError(msg) from error
    if not (
        certificate.is_ca
        and certificate.constraints_critical
        and certificate.signs_certificates
        and certificate.issuer == certificate.subject
    ):
        msg = f"trust anchor {name}: not a self-issued certification authority"
        raise ConfigurationError(msg)
    if not key.verify(certificate.tbs, certificate.signature):
        msg = f"trust anchor {name}: its own signature is wrong"
        raise ConfigurationError(msg)
    return certificate
