"""A throwaway PKI in the shape of AWS's own, which nobody can mistake for it.

Where AWS writes `aws`, names here say `not-aws`; the organisation says THROWAWAY TEST; every URL is on
example.invalid (RFC 2606). What a chain looks like is in `profile`; whose keys sign it, and when, is here.
"""

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.nsm import profile
from issuer.nsm.certificates import CertificateSpec, IssuedChain, issue_chain, sign_certificate
from issuer.nsm.document import EPOCH
from issuer.nsm.keys import SeededKeys

MAX_INTERMEDIATES: Final = 6
ENCLAVE_ID_BYTES: Final = 8
AUTHORITY_SERIAL_BITS: Final = 128
INSTANCE_SERIAL_BITS: Final = 159  # 160 would need a 21st octet when the top bit is set (RFC 5280, 4.1.2.2)

_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayPki:
    """Issues chains for one instance in one region; the same seed gives the same chains.

    Attributes:
        seed: what every key and identifier follows from; None draws a random one.
        intermediates: 3 as AWS has them (regional, zonal, instance), or 1 to 6.
        instance_key_ids: instance certificates carry SKI and AKI since mid-2024, none before.

    Raises:
        ValueError: the instance id or the number of intermediates is impossible.
    """

    seed: bytes | None = field(default=None, repr=False)
    region: str = "us-east-1"
    instance_id: str = "i-0123456789abcdef0"
    intermediates: int = 3
    instance_key_ids: bool = True
    keys: SeededKeys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Draw the seed if there is none and check what was asked for."""
        if not 1 <= self.intermediates <= MAX_INTERMEDIATES:
            raise ValueError(f"1 to {MAX_INTERMEDIATES} intermediates, not {self.intermediates}")
        if not _INSTANCE_ID.fullmatch(self.instance_id):
            raise ValueError(f"not an instance id: {self.instance_id!r}")
        keys = SeededKeys() if self.seed is None else SeededKeys(seed=self.seed)
        # Stored back so that `dataclasses.replace` keeps the root, which depends on the seed alone.
        object.__setattr__(self, "seed", keys.seed)
        object.__setattr__(self, "keys", keys)

    @property
    def root_der(self) -> bytes:
        """The trust anchor."""
        return sign_certificate(self.root_spec())

    @property
    def root_pem(self) -> str:
        """The trust anchor in PEM."""
        certificate = x509.load_der_x509_certificate(self.root_der)
        return certificate.public_bytes(Encoding.PEM).decode()

    @property
    def root_sha256(self) -> bytes:
        """The fingerprint by which a verifier pins the trust anchor."""
        return x509.load_der_x509_certificate(self.root_der).fingerprint(hashes.SHA256())

    def module_id(self, enclave_id: bytes) -> str:
        """The name of an enclave on this instance."""
        return f"{self.instance_id}-enc{enclave_id.hex()}"

    def issue(self, *, enclave_id: bytes, at: datetime) -> IssuedChain:
        """Sign the whole chain of a leaf issued to an enclave at that time."""
        return issue_chain(self.chain_specs(enclave_id=enclave_id, at=at))

    def chain_specs(self, *, enclave_id: bytes, at: datetime) -> tuple[CertificateSpec, ...]:
        """The chain as specifications, root first, leaf last, ready to be mutated and signed."""
        specs = [self._leaf_spec(enclave_id, (at - EPOCH) // timedelta(seconds=1))]
        # Upwards: an issuer must already be there when the certificate below it is made.
        for depth in reversed(range(self.intermediates)):
            specs.insert(0, self._intermediate_spec(depth, specs[0].not_before))
        return (self.root_spec(), *specs)

    def root_spec(self) -> CertificateSpec:
        """The root: the same for every region and instance of one seed."""
        return CertificateSpec(
            subject=profile.authority_name(profile.ROOT_NAME),
            serial=self._serial("root", AUTHORITY_SERIAL_BITS),
            not_before=profile.ROOT_NOT_BEFORE,
            not_after=profile.ROOT_NOT_BEFORE + profile.ROOT_LIFETIME,
            key=self.keys.private_key("root"),
            extensions=profile.root_extensions(),
        )

    def _intermediate_spec(self, depth: int, used_at: datetime) -> CertificateSpec:
        """The last one above the leaf is the instance's, the first the region's, all between are zonal."""
        path_length = self.intermediates - 1 - depth
        if path_length == 0:
            return self._instance_spec(used_at)
        if depth == 0:
            return self._regional_spec(path_length, used_at)
        return self._zonal_spec(depth, path_length, used_at)

    def _regional_spec(self, path_length: int, used_at: datetime) -> CertificateSpec:
        not_before = profile.REGIONAL.not_before(used_at)
        label = f"regional {self.region} {not_before.isoformat()}"
        common_name = f"{self.keys.octets(label, 8).hex()}.{self.region}.{profile.SUFFIX}"
        return CertificateSpec(
            subject=profile.authority_name(common_name),
            serial=self._serial(label, AUTHORITY_SERIAL_BITS),
            not_before=not_before,
            not_after=not_before + profile.REGIONAL.lifetime,
            key=self.keys.private_key(label),
            extensions=profile.issuing_extensions(path_length, self._crl_url("crl", "regional")),
        )

    def _zonal_spec(self, depth: int, path_length: int, used_at: datetime) -> CertificateSpec:
        not_before = profile.ZONAL.not_before(used_at)
        label = f"zonal {depth} {self.region} {not_before.isoformat()}"
        common_name = f"{self.keys.octets(label, 8).hex()}.zonal.{self.region}.{profile.SUFFIX}"
        url = self._crl_url(f"crl-{self.region}", f"zonal {depth} {self.region}")
        return CertificateSpec(
            subject=profile.zonal_name(common_name),
            serial=self._serial(label, AUTHORITY_SERIAL_BITS),
            not_before=not_before,
            not_after=not_before + profile.ZONAL.lifetime,
            key=self.keys.private_key(label),
            extensions=profile.issuing_extensions(path_length, url),
        )

    def _instance_spec(self, used_at: datetime) -> CertificateSpec:
        not_before = profile.INSTANCE.not_before(used_at)
        label = f"instance {self.region} {self.instance_id} {not_before.isoformat()}"
        return CertificateSpec(
            subject=profile.instance_name(f"{self.instance_id}.{self.region}.{profile.SUFFIX}"),
            serial=self._serial(label, INSTANCE_SERIAL_BITS),
            not_before=not_before,
            not_after=not_before + profile.INSTANCE.lifetime,
            key=self.keys.private_key(label),
            extensions=profile.instance_extensions(key_ids=self.instance_key_ids),
        )

    def _leaf_spec(self, enclave_id: bytes, second: int) -> CertificateSpec:
        if len(enclave_id) != ENCLAVE_ID_BYTES:
            raise ValueError(f"an enclave id has {ENCLAVE_ID_BYTES} bytes, not {len(enclave_id)}")
        module_id = self.module_id(enclave_id)
        issued_at = EPOCH + timedelta(seconds=second)
        return CertificateSpec(
            subject=profile.instance_name(f"{module_id}.{self.region}.{profile.PARTITION}"),
            serial=int.from_bytes(enclave_id + second.to_bytes(8)),
            not_before=issued_at - profile.LEAF_BACKDATING,
            not_after=issued_at + profile.LEAF_LIFETIME,
            key=self.keys.private_key(f"leaf {self.region} {module_id} {second}"),
            extensions=profile.leaf_extensions(),
        )

    def _serial(self, label: str, bits: int) -> int:
        """A positive number of at most that many bits."""
        octets = self.keys.octets(f"serial {label}", 20)
        return (int.from_bytes(octets) >> (160 - bits)) | 1

    def _crl_url(self, host: str, label: str) -> str:
        list_id = uuid.UUID(bytes=self.keys.octets(f"crl {label}", 16), version=4)
        return f"http://{host}.throwaway-test.example.invalid/crl/{list_id}.crl"
