"""What peers are asked besides how fast they are: what should be accepted, and what must not be.

Two sets: changes of one genuine document, and forgeries that need no key of AWS's, against AWS's own root; and the
project's vectors under their throwaway root, for peers that can be told to trust another one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from bench.peer_process import REPOSITORY, Question
from issuer.nsm import (
    AttestationFields,
    CertificateSpec,
    IssuedChain,
    SeededKeys,
    ThrowawayPki,
    encode_payload,
    issue_chain,
    sign1,
    sign_certificate,
)
from tests.real_documents.catalogue import Genuine, find_genuine
from tests.support.cases import vector_cases
from verifier import read_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REAL_DOCUMENTS = REPOSITORY.parent / "shared" / "real-documents"
AWS_ROOT = REPOSITORY / "certs" / "aws-nitro-root-g1.pem"
THROWAWAY_ROOT = REPOSITORY / "vectors" / "pki" / "throwaway-root.pem"
STRICT_POLICY = REPOSITORY / "vectors" / "policies" / "strict.toml"
VECTORS_AT = datetime(2026, 1, 1, tzinfo=UTC)

_DOCUMENT = "2023-01-18_us-east-1_enc_def_061b9b75"
"""It names a P-384 key in its user data, as one of the peers wants it, and PCRs 0, 1, 2, 4 and 8 are set."""
_ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)  # of P-384, SEC 2 section 2.5.1
_KEYS = SeededKeys(seed=b"nitro-verifier peers, throwaway")

NAMED_VECTORS = {
    "envelope.algorithm-missing.only-unprotected": "the algorithm is not signed",
    "envelope.algorithm-unsupported.es256": "another algorithm is signed (ES256)",
    "envelope.header-unexpected.crit-unknown": "an unknown critical header",
    "envelope.protected-invalid.duplicate-algorithm": "the algorithm twice in one header",
    "path.not-a-ca.leaf-as-ca": "a leaf as an issuer",
    "path.leaf-is-ca.instance-signed": "an issuer as the leaf",
    "path.length-exceeded.zonal-0": "a path longer than an issuer allows",
    "path.extension-unsupported.instance": "an unknown critical extension",
    "path.key-usage-invalid.instance": "an issuer that may not sign certificates",
    "path.expired.zonal": "an issuer that has expired",
    "path.name-mismatch.loop": "two issuers that name each other",
    "path.name-mismatch.other-zonal": "an issuer of another name with the right key",
    "path.algorithm-unsupported.leaf-sha256": "a certificate signed with SHA-256",
    "path.key-unsupported.leaf-secp256r1": "a leaf with a P-256 key",
    "path.certificate-malformed.trailing-zero": "bytes after a certificate",
    "document.trailing-bytes.second-payload": "bytes after the payload",
    "document.duplicate-key.pcr0": "PCR0 twice",
    "document.duplicate-key.nonce-attacker-last": "the nonce twice",
    "measurement.debug-mode.three-pcrs": "a debug-mode enclave, no PCR expected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One question and the right answer to it."""

    name: str
    accept: bool
    question: Question
    at: datetime


def genuine_document() -> Genuine:
    """Give the document that all peers are timed on.

    Raises:
        FileNotFoundError: the genuine documents do not lie beside the checkout.
    """
    if not REAL_DOCUMENTS.exists():
        msg = "there are no genuine documents in ../shared/real-documents, and peers take nothing else"
        raise FileNotFoundError(msg)
    return find_genuine(REAL_DOCUMENTS, _DOCUMENT)


def genuine_question(genuine: Genuine) -> Question:
    """Ask about the genuine document, with its own PCRs expected."""
    fields = _payload(genuine)
    return Question(
        document=genuine.evidence,
        pcrs={index: fields["pcrs"][index] for index in (0, 1, 2, 8)},
        tls_certificate=_tls_certificate(fields["user_data"], genuine.signed_at),
    )


def _payload(genuine: Genuine) -> dict[str, Any]:
    payload: dict[str, Any] = cbor2.loads(cbor2.loads(genuine.evidence)[2])
    return payload


def _tls_certificate(spki: bytes, at: datetime) -> bytes:
    """Give a certificate for the key that a document names; nobody looks at who signed it."""
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "peers")])
    key = load_der_public_key(spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    builder = x509.CertificateBuilder(name, name, key, 1, at - timedelta(days=1), at + timedelta(days=1))
    return builder.sign(_KEYS.private_key("tls"), SHA256()).public_bytes(Encoding.DER)


def genuine_trials() -> Iterator[Trial]:
    """Ask about the genuine document, changes of it, and forgeries under AWS's root."""
    genuine = genuine_document()
    good = genuine_question(genuine)
    at = genuine.signed_at
    yield Trial(name="the genuine document", accept=True, question=good, at=at)
    for name, accept, document in _changed(genuine.evidence):
        yield Trial(name=name, accept=accept, question=replace(good, document=document), at=at)
    for name, document in _forged(genuine):
        yield Trial(name=name, accept=False, question=replace(good, document=document), at=at)
    wrong = {**good.pcrs, 0: bytes(47) + b"\x01"}
    yield Trial(name="another PCR0 than expected", accept=False, question=replace(good, pcrs=wrong), at=at)
    yield Trial(name="nothing is expected of any PCR", accept=False, question=replace(good, pcrs={}), at=at)
    for name, moved in (("a day before", -timedelta(days=1)), ("when its certificate is over", timedelta(hours=4))):
        question = replace(good, tls_certificate=_tls_certificate(_payload(genuine)["user_data"], at + moved))
        yield Trial(name=name, accept=False, question=question, at=at + moved)


def _changed(document: bytes) -> Iterator[tuple[str, bool, bytes]]:
    protected, unprotected, payload, signature = cbor2.loads(document)
    r, s = signature[:48], int.from_bytes(signature[48:])
    twin = r + (_ORDER - s).to_bytes(48)
    user_data = bytearray(payload)
    user_data[payload.index(cbor2.loads(payload)["user_data"]) + 60] ^= 1
    yield "its tag is spelt out", True, b"\xd2" + document
    yield "its signature's other form (r, n - s)", True, cbor2.dumps([protected, unprotected, payload, twin])
    yield "one bit of the signature", False, document[:-1] + bytes([document[-1] ^ 1])
    yield "one bit of the payload", False, cbor2.dumps([protected, unprotected, bytes(user_data), signature])
    yield "bytes after the document", False, document + b"\0"
    yield "another algorithm beside the signed one", False, cbor2.dumps([protected, {1: -7}, payload, signature])
    yield "a fifth element", False, cbor2.dumps([protected, unprotected, payload, signature, b""])
    yield "a tag of something else (98)", False, b"\xd8\x62" + document


def _forged(genuine: Genuine) -> Iterator[tuple[str, bytes]]:
    """Forge the genuine document's words under issuers of our own."""
    at = genuine.signed_at
    aws = x509.load_pem_x509_certificate(AWS_ROOT.read_bytes())
    specs = ThrowawayPki(seed=b"nitro-verifier peers, throwaway").chain_specs(enclave_id=bytes(8), at=at)
    named_alike = _renamed(specs, aws.subject)
    aws_der = aws.public_bytes(Encoding.DER)
    own, alike = issue_chain(specs), issue_chain(named_alike)
    genuine_bundle = tuple(_payload(genuine)["cabundle"])
    yield "an attacker's root of AWS's name", _document(genuine, alike)
    yield "AWS's root, then an attacker's of another name", _document(genuine, _after(aws_der, own))
    yield "AWS's root, then an attacker's of the same name", _document(genuine, _after(aws_der, alike))
    instead = replace(alike, cabundle=(aws_der, *alike.cabundle[1:]))
    yield "AWS's root over an attacker's issuers", _document(genuine, instead)
    last = x509.load_der_x509_certificate(genuine_bundle[-1])
    leaf = replace(specs[-1], issuer=last.subject, issuer_key=specs[-1].key)
    forged = replace(own, cabundle=genuine_bundle, certificate=sign_certificate(leaf))
    yield "AWS's issuers, then a leaf that signed itself", _document(genuine, forged)


def _renamed(specs: tuple[CertificateSpec, ...], name: x509.Name) -> tuple[CertificateSpec, ...]:
    root, first, *rest = specs
    return (replace(root, subject=name), replace(first, issuer=name), *rest)


def _after(root: bytes, chain: IssuedChain) -> IssuedChain:
    return replace(chain, cabundle=(root, *chain.cabundle))


def _document(genuine: Genuine, chain: IssuedChain) -> bytes:
    fields = _payload(genuine)
    words = AttestationFields(
        module_id=fields["module_id"],
        timestamp=fields["timestamp"],
        pcrs=fields["pcrs"],
        certificate=chain.certificate,
        cabundle=chain.cabundle,
        user_data=fields["user_data"],
        nonce=fields["nonce"],
        public_key=fields["public_key"],
    )
    return sign1(encode_payload(words, "definite"), chain.key)


@cache
def vector_trials() -> tuple[Trial, ...]:
    """Ask about every vector that is judged at one moment by form, origin and PCRs: no nonce, no other policy."""
    strict = STRICT_POLICY.read_text()
    return tuple(
        Trial(
            name=case.id,
            accept=not case.reasons,
            question=Question(document=case.evidence, pcrs=_expected(case.id, case.policy)),
            at=case.at,
        )
        for case in vector_cases()
        if case.at == VECTORS_AT
        and len(case.anchors) == 1
        and case.anchors[0].name == "throwaway-root"
        and case.policy == strict
        and (case.id in NAMED_VECTORS or _origin_or_form(case.id, case.reasons))
    )


def _origin_or_form(name: str, reasons: tuple[str, ...]) -> bool:
    stages = {reason.partition(".")[0] for reason in reasons}
    return name == "affirmed.good" or stages & {"envelope", "document", "path", "signature"} != set()


def _expected(name: str, policy: str | None) -> Mapping[int, bytes]:
    """Expect what the policy's first build says of PCRs 0 to 2, where the vector is not about expecting nothing."""
    if policy is None or name.startswith("measurement.debug-mode"):
        return {}
    builds = read_policy(policy).builds
    return {index: value for index, value in builds[0].pcrs.items() if index in {0, 1, 2}} if builds else {}
