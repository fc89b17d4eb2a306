"""Attestation documents: the payload and its COSE_Sign1 envelope, byte for byte as the NSM writes them.

Payload: attestation_process.md, section 3 (the nine keys, always all of them, always in this order, null for
what is absent). Envelope: RFC 9052, section 4.2, untagged, ES384 (RFC 9053, section 2.1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from issuer.nsm.cbor import CborPairs, CborValue, Encoded, encode, encode_array, encode_map
from issuer.nsm.certificates import HashAlgorithm

MapStyle: TypeAlias = Literal["definite", "indefinite"]

PROTECTED_ES384: Final = bytes.fromhex("a1013822")  # {1: -35}
UNPROTECTED_EMPTY: Final = bytes.fromhex("a0")
TAG_COSE_SIGN1: Final = bytes.fromhex("d2")  # tag 18
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def unix_milliseconds(at: datetime) -> int:
    """Whole milliseconds since the epoch; a naive datetime is a TypeError."""
    return (at - EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationFields:
    """What one document says. None is written as null, which is not the same as zero bytes."""

    module_id: str
    timestamp: int
    pcrs: Mapping[int, bytes]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    public_key: bytes | None = None
    user_data: bytes | None = None
    nonce: bytes | None = None
    digest: str = "SHA384"

    def __post_init__(self) -> None:
        """Keep a private copy of the PCRs: a document does not change after it is made."""
        object.__setattr__(self, "pcrs", MappingProxyType(dict(self.pcrs)))

    def pairs(self) -> tuple[tuple[str, CborValue], ...]:
        """The payload's pairs in the NSM's order; edit them to make one that is wrong in one place."""
        return (
            ("module_id", self.module_id),
            ("digest", self.digest),
            ("timestamp", Encoded(b"\x1b" + self.timestamp.to_bytes(8))),  # the NSM never shortens it
            ("pcrs", dict(self.pcrs.items())),
            ("certificate", self.certificate),
            ("cabundle", self.cabundle),
            ("public_key", self.public_key),
            ("user_data", self.user_data),
            ("nonce", self.nonce),
        )


def encode_payload(fields: AttestationFields | CborPairs, map_style: MapStyle = "indefinite") -> bytes:
    """Encode a payload; only the root map's head has a style, everything inside is definite.

    The NSM wrote definite maps (`a9`) until mid-2025 and writes indefinite ones (`bf` to `ff`) since.
    """
    pairs = fields.pairs() if isinstance(fields, AttestationFields) else fields
    return encode_map(pairs, indefinite=map_style == "indefinite")


def sign1(
    payload: bytes,
    key: ec.EllipticCurvePrivateKey,
    *,
    protected: bytes = PROTECTED_ES384,
    unprotected: bytes = UNPROTECTED_EMPTY,
    tagged: bool = False,
    high_s: bool | None = None,
) -> bytes:
    """Sign a payload and return the COSE_Sign1, the signature covering exactly these protected bytes.

    Args:
        payload: what the document says.
        key: the leaf's key; another curve than P-384 gives a signature of that curve's width.
        protected: the encoded protected header map, before it is wrapped in a byte string.
        unprotected: the encoded unprotected header map.
        tagged: put tag 18 before it; the NSM never does.
        high_s: choose which of the two valid twins; None keeps what signing gave, high half the time.
    """
    signature = sign_raw(signature_structure(protected, payload), key, high_s=high_s)
    return assemble_sign1(protected, Encoded(unprotected), payload, signature, tagged=tagged)


def signature_structure(
    protected: bytes, payload: bytes, *, context: str = "Signature1", external_aad: bytes = b""
) -> bytes:
    """Encode the Sig_structure of RFC 9052, section 4.4: the bytes that are signed."""
    return encode_array((context, protected, external_aad, payload))


def sign_raw(
    message: bytes,
    key: ec.EllipticCurvePrivateKey,
    *,
    high_s: bool | None = None,
    hash_algorithm: HashAlgorithm | None = None,
) -> bytes:
    """Sign deterministically (RFC 6979) and return r || s, each as wide as the curve (RFC 9053, 2.1)."""
    scheme = ec.ECDSA(hash_algorithm or hashes.SHA384(), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(message, scheme))
    order = key.curve.group_order
    if high_s is not None and high_s != (s > order // 2):
        s = order - s
    width = (key.curve.key_size + 7) // 8
    return r.to_bytes(width) + s.to_bytes(width)


def assemble_sign1(
    protected: CborValue,
    unprotected: CborValue,
    payload: CborValue,
    signature: CborValue,
    *,
    extra: Iterable[CborValue] = (),
    tagged: bool = False,
) -> bytes:
    """Put four parts (and any `extra` that do not belong) into a COSE_Sign1 array, checking nothing."""
    body = encode((protected, unprotected, payload, signature, *extra))
    return TAG_COSE_SIGN1 + body if tagged else body
