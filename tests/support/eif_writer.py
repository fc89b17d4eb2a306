"""Our own writer of enclave image files: right by default, wrong in exactly the place a test names.

Written from the format's specification and sharing nothing with the reader, so that the two check each other.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import IO, Literal

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5
HEADER_BYTES, SLOTS = 548, 32

METADATA_JSON = json.dumps(
    {
        "ImageName": "app",
        "ImageVersion": "1.4.2",
        "BuildMetadata": {
            "BuildTime": "2026-01-01T00:00:00Z",
            "BuildTool": "nitro-cli",
            "BuildToolVersion": "1.4.2",
            "OperatingSystem": "Linux",
            "KernelVersion": "4.14.256",
        },
        "DockerInfo": {},
        "CustomMetadata": {},
    }
).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class EifSection:
    """A section and what its own header says; ``size`` only where it lies."""

    kind: int
    data: bytes
    flags: int = 0
    size: int | None = None

    def encode(self) -> bytes:
        """Write header and content."""
        size = len(self.data) if self.size is None else self.size
        return struct.pack(">HHQ", self.kind, self.flags, size) + self.data


def sections(
    *,
    kernel: bytes = b"K" * 100,
    cmdline: bytes = b"reboot=k",
    ramdisks: Iterable[bytes] = (b"boot-ramdisk", b"app-ramdisk"),
    metadata: bytes | None = METADATA_JSON,
    signature: bytes | None = None,
) -> tuple[EifSection, ...]:
    """Give the sections of an image in the order of nitro-cli; by default those whose PCRs are known."""
    return (
        EifSection(kind=KERNEL, data=kernel),
        EifSection(kind=CMDLINE, data=cmdline),
        *([] if metadata is None else [EifSection(kind=METADATA, data=metadata)]),
        *(EifSection(kind=RAMDISK, data=data) for data in ramdisks),
        *([] if signature is None else [EifSection(kind=SIGNATURE, data=signature)]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EifHeader:
    """The header's fields; offsets, sizes and CRC are right unless they are given."""

    magic: bytes = b".eif"
    version: int = 4
    flags: int = 0
    default_mem: int = 1 << 30
    default_cpus: int = 2
    reserved: int = 0
    num_sections: int | None = None
    offsets: tuple[int, ...] | None = None
    sizes: tuple[int, ...] | None = None
    unused: int = 0
    crc32: int | None = None

    def encode(self, count: int, offsets: tuple[int, ...], sizes: tuple[int, ...]) -> bytes:
        """Write all fields but the CRC."""
        table = (*_slots(self.offsets or offsets), *_slots(self.sizes or sizes))
        number = count if self.num_sections is None else self.num_sections
        fixed = (self.version, self.flags, self.default_mem, self.default_cpus, self.reserved, number)
        return struct.pack(">4sHHQQHH64QI", self.magic, *fixed, *table, self.unused)


def write_eif(
    content: Iterable[EifSection] | None = None, header: EifHeader | None = None, *, tail: bytes = b""
) -> bytes:
    """Write an image; without arguments, the one whose PCRs are known."""
    parts = sections() if content is None else tuple(content)
    header = header or EifHeader()
    body = b"".join(part.encode() for part in parts)
    offsets, sizes, at = [], [], HEADER_BYTES
    for part in parts:
        offsets.append(at)
        sizes.append(len(part.data))
        at += len(part.encode())
    head = header.encode(len(parts), tuple(offsets), tuple(sizes))
    crc32 = zlib.crc32(head + body) if header.crc32 is None else header.crc32
    return head + struct.pack(">I", crc32) + body + tail


def write_large_eif(file: IO[bytes], *, application: Iterable[bytes], size: int) -> None:
    """Write an image whose application ramdisk comes in pieces of ``size`` bytes in all, without holding it."""
    head = sections(ramdisks=(b"boot-ramdisk",))
    data_sizes = (*(len(part.data) for part in head), size)
    offsets = tuple(HEADER_BYTES + sum(data_sizes[:number]) + 12 * number for number in range(len(data_sizes)))
    header = EifHeader().encode(len(data_sizes), offsets, data_sizes)
    before = b"".join(part.encode() for part in head) + struct.pack(">HHQ", RAMDISK, 0, size)
    file.write(header + bytes(4) + before)
    crc32 = zlib.crc32(before, zlib.crc32(header))
    for piece in application:
        file.write(piece)
        crc32 = zlib.crc32(piece, crc32)
    file.seek(HEADER_BYTES - 4)
    file.write(struct.pack(">I", crc32))


def resealed(image: bytes) -> bytes:
    """Give a file the CRC that its bytes call for, whatever was done to them."""
    crc32 = zlib.crc32(image[HEADER_BYTES:], zlib.crc32(image[: HEADER_BYTES - 4]))
    return image[: HEADER_BYTES - 4] + struct.pack(">I", crc32) + image[HEADER_BYTES:]


def pcr(*contents: bytes) -> bytes:
    """Measure as the hypervisor does, written out."""
    return hashlib.sha384(bytes(48) + hashlib.sha384(b"".join(contents)).digest()).digest()


def _slots(values: tuple[int, ...]) -> tuple[int, ...]:
    return (*values, *([0] * (SLOTS - len(values))))


# --- signed images ---

_CURVES: dict[str, tuple[ec.EllipticCurve, int, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "P-256": (ec.SECP256R1(), -7, hashes.SHA256()),
    "P-384": (ec.SECP384R1(), -35, hashes.SHA384()),
    "P-521": (ec.SECP521R1(), -36, hashes.SHA512()),
}
CurveName = Literal["P-256", "P-384", "P-521"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A throwaway key and the certificate for it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    algorithm: int
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512

    @property
    def pem(self) -> bytes:
        """The certificate as nitro-cli is given it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate as PCR8 is of it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


@cache
def signer(curve: CurveName = "P-384", name: str = "image signer, throwaway test") -> Signer:
    """Make a signer; the same one for the same arguments."""
    group, algorithm, digest = _CURVES[curve]
    key = ec.generate_private_key(group)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + timedelta(days=365))
        .sign(key, digest)
    )  # fmt: skip
    return Signer(key=key, certificate=certificate, algorithm=algorithm, digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Everything in a signature section that a test may want otherwise."""

    pcr0: bytes
    by: Signer
    as_numbers: bool = True
    value_as_numbers: bool = True
    tag: bytes = b""
    index: int = 0
    protected: bytes | None = None
    unprotected: tuple[tuple[object, object], ...] = ()
    payload: bytes | None = None
    signature: bytes | None = None
    pem: bytes | None = None

    def message(self) -> bytes:
        """Write the COSE_Sign1."""
        protected = cbor2.dumps({1: self.by.algorithm}) if self.protected is None else self.protected
        value = list(self.pcr0) if self.value_as_numbers else self.pcr0
        payload = self.payload or cbor2.dumps({"register_index": self.index, "register_value": value})
        signature = self.signature
        if signature is None:
            signature = self._sign(cbor2.dumps(["Signature1", protected, b"", payload]))
        return self.tag + cbor2.dumps([protected, dict(self.unprotected), payload, signature])

    def section(self) -> bytes:
        """Write the section's content."""
        return cbor2.dumps([self.entry()])

    def entry(self) -> dict[str, object]:
        """Give the one entry."""
        pem, message = self.by.pem if self.pem is None else self.pem, self.message()
        if self.as_numbers:
            return {"signing_certificate": list(pem), "signature": list(message)}
        return {"signing_certificate": pem, "signature": message}

    def _sign(self, message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(self.by.key.sign(message, ec.ECDSA(self.by.digest)))
        size = (self.by.key.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)


def signed_sections(signing: Signing | None = None, **changes: object) -> tuple[EifSection, ...]:
    """Give the usual sections and a signature of them, changed as named."""
    content = b"".join(part.data for part in sections() if part.kind in {KERNEL, CMDLINE, RAMDISK})
    usual = signing or Signing(pcr0=pcr(content), by=signer())
    return sections(signature=replace(usual, **changes).section())  # type: ignore[arg-type]  # fields by name
