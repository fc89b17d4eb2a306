import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.nsm import encode_payload, sign1
from tests.support.core import AT_MS, anchor, chain, document, fields, specs
from verifier.evidence.document import AttestationDocument, decode_document
from verifier.evidence.envelope import Envelope, decode_envelope
from verifier.reasons import Reason, Rejection
from verifier.trust.authenticity import authenticate
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import ORDER, select_engine
from verifier.trust.path import CertificationPath, TrustStore, validate_path


def parts(evidence: bytes) -> tuple[Envelope, AttestationDocument, CertificationPath]:
    envelope = decode_envelope(evidence)
    read = decode_document(envelope.payload)
    path = validate_path(
        read.certificate,
        read.cabundle,
        trust=TrustStore([anchor()]),
        engine=select_engine(),
        cache=PathCache(),
        at=AT_MS,
        leeway=0,
    )
    return envelope, read, path


@pytest.mark.parametrize("high_s", [False, True])
def test_what_the_leaf_signed_is_authentic(high_s: bool) -> None:  # noqa: FBT001 - the table's column
    """Half of the genuine documents, those with a high s, would be refused."""
    envelope, read, path = parts(sign1(encode_payload(fields()), chain().key, high_s=high_s))
    evidence = authenticate(envelope, read, path)
    assert (evidence.document, evidence.path) == (read, path)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (bytes(96), Reason.SIGNATURE_OUT_OF_RANGE),
        (ORDER.to_bytes(48) + b"\x01" * 48, Reason.SIGNATURE_OUT_OF_RANGE),
        (b"\x01" * 48 + ORDER.to_bytes(48), Reason.SIGNATURE_OUT_OF_RANGE),
        (b"\x01" * 96, Reason.SIGNATURE_INVALID),
    ],
)
def test_another_signature_is_refused(signature: bytes, expected: Reason) -> None:
    """Anybody could write a document under a genuine certificate."""
    envelope, read, path = parts(document()[:-96] + signature)
    with pytest.raises(Rejection) as caught:
        authenticate(envelope, read, path)
    assert caught.value.reason is expected


def test_a_document_signed_by_an_issuer_is_refused() -> None:
    """The signature must be the leaf's, not that of any key of the path."""
    issuer = specs()[-2].key
    assert isinstance(issuer, ec.EllipticCurvePrivateKey)
    envelope, read, path = parts(sign1(encode_payload(fields()), issuer))
    with pytest.raises(Rejection) as caught:
        authenticate(envelope, read, path)
    assert caught.value.reason is Reason.SIGNATURE_INVALID
