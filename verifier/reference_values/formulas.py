"""What the Nitro hypervisor computes: PCR0, 1, 2 and 8 from digests, PCR3 and PCR4 from texts, all SHA-384.

Every register starts as 48 zero bytes and is extended once. What is measured as content is hashed first; an ARN and an
instance id are extended as they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from cryptography.x509 import load_der_x509_certificate

from verifier.evidence.pcrs import ZERO
from verifier.policy.measurements import pcr_of_text

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_PEM_START = b"-----BEGIN "


def content_pcr(sha384: bytes) -> bytes:
    """Give the PCR of measured content by its digest: PCR0, PCR1 and PCR2 are of this form."""
    return hashlib.sha384(ZERO + sha384).digest()


def role_pcr(role_arn: str) -> bytes:
    """Give PCR3 of the IAM *role* (not the instance profile) of the parent instance."""
    return pcr_of_text(role_arn)


def instance_pcr(instance_id: str) -> bytes:
    """Give PCR4 of the parent instance."""
    return pcr_of_text(instance_id)


def signer_pcr(certificate: bytes) -> bytes:
    """Give PCR8 of an image signed with this certificate, in PEM or DER.

    Raises:
        ValueError: not exactly one certificate.
    """
    return content_pcr(hashlib.sha384(certificate_der(certificate)).digest())


def certificate_der(data: bytes) -> bytes:
    """Give the DER of one certificate in PEM or DER, byte for byte: PCR8 is of these bytes.

    Raises:
        ValueError: not exactly one certificate. With several in a file, tools take the first without saying so.
    """
    der = _decode_pem(data) if _PEM_START in data else data
    load_der_x509_certificate(der)
    return der


def _decode_pem(data: bytes) -> bytes:
    blocks = _PEM.findall(data)
    if len(blocks) != 1 or data.count(_PEM_START) != 1:
        raise ValueError("not exactly one PEM block with a certificate")
    try:
        return base64.b64decode(b"".join(blocks[0].split()), validate=True)
    except binascii.Error as error:
        raise ValueError("broken base64 in the certificate") from error
