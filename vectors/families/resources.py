"""Inputs that cost much to look at: nothing unauthenticated may cost more than one signature and a little parsing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.nsm import CertificateSpec, Encoded, encode, encode_array, encode_map, sign_certificate
from vectors.case import rejected
from vectors.der import sequence
from vectors.families.cose import message
from vectors.families.payload import also
from vectors.world import CHAIN, KEYS, PCRS, ROOT, SHORT_SPECS, SPECS, ZERO, attest, put, seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _bundles()
    yield from _containers()
    yield from _unsigned()


def _authorities(count: int, subject: x509.Name, issuer_key: str = "loop 0") -> tuple[bytes, ...]:
    """Make authorities of one name that all claim to have issued each other."""
    specs = [
        CertificateSpec(
            subject=subject,
            serial=at + 1,
            key=KEYS.private_key(f"loop {at}"),
            extensions=SHORT_SPECS[ROOT].extensions,
            not_before=SPECS[ROOT].not_before,
            not_after=SPECS[ROOT].not_after,
            issuer_key=KEYS.private_key(issuer_key),
        )
        for at in range(count)
    ]
    return tuple(map(sign_certificate, specs))


def _bundles() -> Iterator[Case]:
    root = CHAIN.cabundle[ROOT]
    short = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loop")])
    many = replace(CHAIN, cabundle=(root, *_authorities(23, short)))
    yield rejected(
        "24-same-name",
        "24 authorities of one name, which make path builders search for ever.",
        attest(many),
        "document.cabundle-invalid",
    )
    eight = replace(CHAIN, cabundle=(root, *_authorities(7, SPECS[ROOT].subject)))
    forged = attest(eight)
    yield rejected(
        "8-same-name-other-leaf",
        "Eight authorities of the root's name, and a leaf that names none of them.",
        forged,
        "path.name-mismatch",
    )
    leaf = replace(SHORT_SPECS[2], issuer=SPECS[ROOT].subject, issuer_key=KEYS.private_key("loop 6"))
    eight = replace(eight, certificate=sign_certificate(leaf))
    yield rejected(
        "8-same-name",
        "Eight authorities of the root's name and a leaf of the last one.",
        attest(eight),
        "path.signature-invalid",
    )
    nested = replace(CHAIN, certificate=_nested_der(260))
    yield rejected(
        "nested-der", "A certificate of SEQUENCEs within SEQUENCEs.", attest(nested), "path.certificate-malformed"
    )
    huge = replace(CHAIN, certificate=b"\x30\x84\xff\xff\xff\xff" + CHAIN.certificate[4:])
    yield rejected(
        "der-4-gigabytes", "A certificate that announces four gigabytes.", attest(huge), "path.certificate-malformed"
    )


def _nested_der(depth: int) -> bytes:
    der = b""
    for _ in range(depth):
        der = sequence(der)
    return der


def _containers() -> Iterator[Case]:
    malformed = "document.malformed"
    tiny = Encoded(encode_array((0,) * 2000))
    yield rejected(
        "indefinite-tiny-items",
        "Two thousand items of one byte, in an indefinite array.",
        seal(also(Encoded(b"\x9f" + b"\0" * 2000 + b"\xff"))),
        malformed,
    )
    yield rejected(
        "tiny-items-of-indefinite-map",
        "Two thousand items of one byte beside an indefinite map.",
        seal(also((tiny, Encoded(b"\xbf\xff")))),
        malformed,
    )
    pcrs = Encoded(encode_map([(index, ZERO if index % 2 else PCRS[0]) for index in range(130)]))
    yield rejected("130", "130 PCRs.", seal(put("pcrs", pcrs)), "document.pcrs-invalid")
    keys = Encoded(encode_map([(index, 0) for index in range(1000)]))
    yield rejected(
        "1000-indices", "A thousand PCR indices of one byte each.", seal(put("pcrs", keys)), "document.pcrs-invalid"
    )
    bundle = Encoded(encode_array([b"\x30"] * 1500))
    yield rejected(
        "1500-tiny",
        "Fifteen hundred certificates of one byte.",
        seal(put("cabundle", bundle)),
        "document.cabundle-invalid",
    )
    colliding = Encoded(encode_map([(2**61 * at - at, 0) for at in range(1, 8)]))
    yield rejected(
        "colliding-hashes",
        "PCR indices that one hash table takes for neighbours.",
        seal(put("pcrs", colliding)),
        "document.pcrs-invalid",
    )


def _unsigned() -> Iterator[Case]:
    """What needs no key at all to make."""
    signature = bytes(95) + b"\1"
    bomb = b"\xbf" + encode("a") + b"\x81" * 3000
    yield rejected(
        "depth-unsigned",
        "Three thousand arrays in a payload that nobody signed.",
        message(said=bomb, signature=signature),
        "document.malformed",
    )
    zeros = message(said=bytes(3000), signature=signature)
    yield rejected("root-zeros", "A payload of zeros that nobody signed.", zeros, "document.trailing-bytes")
    protected = b"\xa1\x01" + b"\x81" * 3000
    yield rejected(
        "depth-3000", "Three thousand arrays in the protected header.", message(protected), "envelope.protected-invalid"
    )
    labels = encode(dict.fromkeys(range(2, 1000), 0))
    yield rejected(
        "998-labels", "998 protected headers, alg not among them.", message(labels), "envelope.algorithm-missing"
    )
    own = b"\xbf" + b"".join(encode(f"k{at}") + b"\0" for at in range(600)) + b"\xff"
    yield rejected(
        "600-fields", "Six hundred fields that nobody knows, in an indefinite map.", seal(own), "document.malformed"
    )
