"""Our signature check against pycose, on the vectors' and genuine documents.

pycose 1.1.0 cannot read a message with cbor2 6 (`decode` answers a genuine one with TypeError), accepts `alg` in the
unprotected header, unknown `crit` and bytes after the message, and verifies P-384 in pure Python. So it is asked for
one thing, given the parts: does this key's ES384 signature fit this payload, by its own Sig_structure?
"""

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from pycose.algorithms import Es384
from pycose.headers import Algorithm
from pycose.keys import EC2Key  # type: ignore[attr-defined]  # pycose re-exports without saying so
from pycose.keys.curves import P384
from pycose.messages import Sign1Message  # type: ignore[attr-defined]  # as above

from tests.conftest import RequireShared
from tests.real_documents.catalogue import read_genuine
from tests.second_opinion.documents import Parts, read_chain, read_parts
from tests.support.cases import vector_cases
from verifier import Reason
from verifier.evidence.envelope import decode_envelope
from verifier.reasons import Rejection
from verifier.trust.ecdsa import KeyUnsupportedError, select_engine

PROTECTED = bytes.fromhex("a1013822")

# Vectors whose signature the two judge differently, and who is right.
DISAGREEMENTS: dict[str, str] = {}


def leaf_key(evidence: bytes) -> ec.EllipticCurvePublicKey | None:
    """The P-384 key of a document's certificate, if `cryptography` reads it as one."""
    chain = read_chain(evidence)
    try:
        key = None if chain is None else x509.load_der_x509_certificate(chain.leaf).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1) else None


def theirs(parts: Parts, key: ec.EllipticCurvePublicKey) -> bool:
    """What pycose says of a signature; what makes it raise is no signature."""
    numbers = key.public_numbers()
    message = Sign1Message(phdr={Algorithm: Es384}, uhdr={}, payload=parts.payload)
    message.key = EC2Key(crv=P384, x=numbers.x.to_bytes(48), y=numbers.y.to_bytes(48))
    message._signature = parts.signature
    return bool(message.verify_signature())


def ours(evidence: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Our verdict on the same signature; None of the rest of the document is looked at."""
    numbers = key.public_numbers()
    point = b"\x04" + numbers.x.to_bytes(48) + numbers.y.to_bytes(48)
    spki = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200") + point
    try:
        envelope = decode_envelope(evidence)
        return select_engine().load_key(spki).verify(envelope.to_be_signed, envelope.signature)
    except (Rejection, KeyUnsupportedError):
        return False


def comparable(evidence: bytes) -> tuple[Parts, ec.EllipticCurvePublicKey] | None:
    """The parts and the key of evidence that pycose can be asked about: ES384, 96 bytes, a P-384 key."""
    parts, key = read_parts(evidence), leaf_key(evidence)
    if parts is None or key is None or parts.protected != PROTECTED or len(parts.signature) != 96:
        return None
    return parts, key


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.slow
def test_the_vectors_signatures_are_judged_alike() -> None:
    """A signature would fit here that fits nowhere else, or the other way round."""
    found, compared = set(), {True: 0, False: 0}
    for case in vector_cases():
        both = comparable(case.evidence)
        if both is None or not well_formed(case.evidence):
            continue
        verdict = theirs(*both)
        compared[verdict] += 1
        if verdict is not ours(case.evidence, both[1]):
            found.add(case.id)
        if not case.reasons:
            assert verdict, case.id
        if set(case.reasons) & {Reason.SIGNATURE_INVALID, Reason.SIGNATURE_OUT_OF_RANGE}:
            assert not verdict, case.id
    assert found == DISAGREEMENTS.keys()
    assert min(compared.values()) > 5
    assert compared[True] > 100


def well_formed(evidence: bytes) -> bool:
    """Whether our envelope reader accepts it: the rest is a question of form, which pycose is not asked about."""
    try:
        decode_envelope(evidence)
    except Rejection:
        return False
    return True


def test_genuine_signatures_fit(require_shared: RequireShared) -> None:
    """We would verify something else than RFC 9052 says."""
    for document in read_genuine(require_shared("real-documents")):
        both = comparable(document.evidence)
        assert both is not None
        parts, key = both
        assert theirs(parts, key)
        assert ours(document.evidence, key)
        altered = Parts(protected=parts.protected, payload=parts.payload + b"\x00", signature=parts.signature)
        assert not theirs(altered, key)
