"""Keys and identifiers that follow from a seed, so that two runs make the same bytes.

HKDF with SHA-384 (RFC 5869) expands the seed under a label. With a random seed the results are as
unpredictable as any; with a known seed they protect nothing, which is what test vectors want.
"""

import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEED_BYTES = 48
# 128 bits beyond the group order make the bias of the reduction negligible (FIPS 186-5, A.2.1 asks for 64).
_SPARE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededKeys:
    """Everything a seed can name; a fresh random seed unless one is given."""

    seed: bytes = field(default_factory=lambda: secrets.token_bytes(SEED_BYTES), repr=False)

    def octets(self, label: str, length: int) -> bytes:
        """Derive `length` bytes that belong to `label`."""
        info = b"nitro-verifier throwaway " + label.encode()
        return HKDF(algorithm=hashes.SHA384(), length=length, salt=None, info=info).derive(self.seed)

    def private_key(self, label: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
        """Derive the private key that belongs to `label`, on P-384 unless told otherwise."""
        curve = curve or ec.SECP384R1()
        octets = self.octets(f"{curve.name} key {label}", (curve.key_size + 7) // 8 + _SPARE_BYTES)
        scalar = int.from_bytes(octets) % (curve.group_order - 1) + 1
        return ec.derive_private_key(scalar, curve)
