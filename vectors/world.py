"""The one good document that nearly every case is a mutation of: who signed it, when, and what it says.

Keys follow from fixed seeds (they protect nothing), signatures are deterministic (RFC 6979), the clock is a constant.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, Unpack

from cryptography.hazmat.primitives.asymmetric import ec

from issuer.nsm import (
    AttestationFields,
    CertificateSpec,
    Encoded,
    IssuedChain,
    SeededKeys,
    ThrowawayPki,
    build_pcrs,
    encode_map,
    encode_payload,
    instance_pcr,
    issue_chain,
    measured,
    role_pcr,
    sign1,
    sign_tbs,
)
from vectors.der import Parts, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryptography import x509

    from issuer.nsm import CborValue, ExtensionSpec, MapStyle
    from issuer.nsm.certificates import HashAlgorithm, PrivateKey, PublicKey

ISSUED_AT = datetime(2025, 12, 31, 23, 50, tzinfo=UTC)
"""When the leaf was issued; its notBefore is three seconds earlier."""
SIGNED_AT = datetime(2025, 12, 31, 23, 59, 58, tzinfo=UTC)
"""The NSM's timestamp."""
AT = datetime(2026, 1, 1, tzinfo=UTC)
"""When documents are appraised unless a case says otherwise."""

KEYS = SeededKeys(seed=b"nitro-verifier vectors: these keys protect none!")
PKI = ThrowawayPki(seed=KEYS.seed)
SHORT_PKI = ThrowawayPki(seed=KEYS.seed, intermediates=1, instance_key_ids=False)
"""The same root with one issuer under it, for the many documents in which the path is not the matter."""
OTHER_PKI = ThrowawayPki(seed=b"nitro-verifier vectors: another root, of no use.")
"""Somebody else's hierarchy with the very same names."""

ENCLAVE_ID = bytes.fromhex("019b757300000001")
NONCE = KEYS.octets("nonce", 32)
ROLE_ARN = "arn:aws:iam::123456789012:role/throwaway-test"
SIGNER = measured(b"throwaway signing certificate")
ZERO = bytes(48)

ROOT, REGIONAL, ZONAL, INSTANCE, LEAF = range(5)
ISSUERS = {"regional": REGIONAL, "zonal": ZONAL, "instance": INSTANCE}
BELOW_ROOT = {**ISSUERS, "leaf": LEAF}
EVERY = {"root": ROOT, **BELOW_ROOT}

PCRS: Mapping[int, bytes] = {
    **build_pcrs("v1"),
    3: role_pcr(ROLE_ARN),
    4: instance_pcr(PKI.instance_id),
    8: ZERO,
}
"""Fewer than the sixteen of a genuine document, which keeps a thousand files small; affirmed cases have 16 to 32."""
SPECS = PKI.chain_specs(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
"""The five certificates of a genuine document."""
FULL = issue_chain(SPECS)
SHORT_SPECS = SHORT_PKI.chain_specs(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
CHAIN = issue_chain(SHORT_SPECS)
KEY = CHAIN.key
MODULE_ID = PKI.module_id(ENCLAVE_ID)

Pairs = tuple[tuple["CborValue", "CborValue"], ...]


class Changes(TypedDict, total=False):
    """What a document may say differently."""

    module_id: str
    timestamp: int
    pcrs: Mapping[int, bytes]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None
    digest: str


class SpecChanges(TypedDict, total=False):
    """What a certificate may be described as instead."""

    subject: x509.Name
    serial: int
    not_before: datetime
    not_after: datetime
    key: PrivateKey
    extensions: tuple[ExtensionSpec, ...]
    issuer: x509.Name
    issuer_key: PrivateKey
    public_key: PublicKey
    hash_algorithm: HashAlgorithm | None


def milliseconds(at: datetime) -> int:
    """Write a time as the NSM does."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def fields(chain: IssuedChain = CHAIN, **changes: Unpack[Changes]) -> AttestationFields:
    """Give what the good document says, changes apart."""
    base = AttestationFields(
        module_id=MODULE_ID,
        timestamp=milliseconds(SIGNED_AT),
        pcrs=PCRS,
        certificate=chain.certificate,
        cabundle=chain.cabundle,
        nonce=NONCE,
    )
    return replace(base, **changes)


def attest(chain: IssuedChain = CHAIN, *, map_style: MapStyle = "indefinite", **changes: Unpack[Changes]) -> bytes:
    """Sign the good document, changes apart."""
    return sign1(encode_payload(fields(chain, **changes), map_style), chain.key)


def payload() -> bytes:
    """Give the good document's payload."""
    return encode_payload(fields())


def pairs() -> Pairs:
    """Give the good payload's pairs in the NSM's order."""
    return fields().pairs()


def put(name: str, value: CborValue) -> Pairs:
    """Replace one value of the good payload by anything."""
    return tuple((key, value if key == name else old) for key, old in pairs())


def put_pcrs(values: Mapping[int, CborValue]) -> Pairs:
    """Replace the PCRs of the good payload by others, right or wrong."""
    return put("pcrs", Encoded(encode_map(values.items())))


def drop(name: str) -> Pairs:
    """Leave one field out of the good payload."""
    return tuple(pair for pair in pairs() if pair[0] != name)


def seal(said: bytes | Pairs, map_style: MapStyle = "indefinite") -> bytes:
    """Sign any payload with the good leaf's key."""
    return sign1(said if isinstance(said, bytes) else encode_payload(said, map_style), KEY)


def seconds(count: float) -> timedelta:
    """Give a span of time."""
    return timedelta(seconds=count)


def respecify(level: int, specs: Sequence[CertificateSpec] = SPECS, **changes: Unpack[SpecChanges]) -> IssuedChain:
    """Issue a chain with one certificate described differently, all rightly signed."""
    return issue_chain([replace(spec, **changes) if at == level else spec for at, spec in enumerate(specs)])


def edit(level: int, change: Callable[[Parts], Parts], specs: Sequence[CertificateSpec] = SPECS) -> IssuedChain:
    """Issue the good chain with one certificate edited field by field and signed again by its issuer."""
    chain = issue_chain(specs)
    parts = change(take_apart((*chain.cabundle, chain.certificate)[level]))
    return exchange(level, resign(parts, level, specs), chain)


def resign(parts: Parts, level: int, specs: Sequence[CertificateSpec] = SPECS) -> bytes:
    """Sign edited fields with the key of the level above."""
    return sign_tbs(parts.tbs(), ec_key(specs[level - 1]), algorithm=parts.outer_algorithm)


def ec_key(spec: CertificateSpec) -> ec.EllipticCurvePrivateKey:
    """Give a certificate's key, which can sign documents.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(spec.key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{spec.subject.rfc4514_string()} has no EC key")
    return spec.key


def exchange(level: int, der: bytes, chain: IssuedChain = FULL) -> IssuedChain:
    """Put other bytes in the place of one certificate, whatever they are."""
    certificates = [*chain.cabundle, chain.certificate]
    certificates[level] = der
    return replace(chain, cabundle=tuple(certificates[:-1]), certificate=certificates[-1])


def rewrap(level: int, change: Callable[[bytes], bytes], chain: IssuedChain = FULL) -> IssuedChain:
    """Change the finished bytes of one certificate."""
    return exchange(level, change((*chain.cabundle, chain.certificate)[level]), chain)


def bundle(*cabundle: bytes, leaf: bytes | None = None, chain: IssuedChain = FULL) -> IssuedChain:
    """Give the good chain another bundle, and possibly another leaf, without signing anything."""
    return replace(chain, cabundle=cabundle, certificate=chain.certificate if leaf is None else leaf)


GOOD = attest()
GOOD_FULL = attest(FULL)
