"""Our certificate reader against `cryptography.x509`, on every certificate at hand and on mutations of them.

Whatever ours accepts, `cryptography` must accept with equal fields, but for the exceptions that `certificates` lists.
"""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.conftest import RequireShared
from tests.real_documents.catalogue import read_genuine
from tests.second_opinion.certificates import (
    ENCIPHER_ONLY,
    EXCUSES,
    LONG_PATH,
    NAME,
    OFF_CURVE,
    UNPROCESSED,
    differences,
    excuse,
)
from tests.second_opinion.documents import certificates_of
from tests.support.cases import vector_cases
from tests.support.core import chain
from verifier.reasons import Rejection
from verifier.trust.certificate import decode_certificate

MUTATIONS = 20_000

# `cryptography` warns of what it would rather refuse, such as a country of seven letters; here only refusals count.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]


def compare(certificates: Iterable[bytes]) -> tuple[int, Counter[str]]:
    """Count what ours accepts, and the differences by their excuse."""
    accepted, found = 0, Counter[str]()
    for der in certificates:
        try:
            ours = decode_certificate(der)
        except Rejection:
            continue
        accepted += 1
        found.update({excuse(difference) for difference in differences(ours)})
    return accepted, found


def mutated(base: list[bytes], dice: random.Random) -> bytes:
    """Change one place: a bit, a byte, a length; insert or delete a byte."""
    der = bytearray(dice.choice(base))
    at = dice.randrange(len(der))
    match dice.randrange(5):
        case 0 | 1:
            der[at] ^= 1 << dice.randrange(8)
        case 2:
            der[at:at] = dice.randbytes(1)
        case 3:
            del der[at]
        case _:
            der[at] = dice.choice([0, 1, 0x80, 0x81, 0x82, 0xFF, (der[at] + 1) & 0xFF, (der[at] - 1) & 0xFF])
    return bytes(der)


def test_the_certificates_of_the_vectors_are_read_alike() -> None:
    """A certificate would mean one thing to us and another to everybody else."""
    accepted, found = compare(sorted({der for case in vector_cases() for der in certificates_of(case.evidence)}))
    assert accepted > 100
    assert found.keys() == {OFF_CURVE, ENCIPHER_ONLY, LONG_PATH, UNPROCESSED}


def test_genuine_certificates_are_read_alike(require_shared: RequireShared) -> None:
    """A certificate of AWS's would mean one thing to us and another to everybody else."""
    documents = read_genuine(require_shared("real-documents"))
    certificates = sorted({der for document in documents for der in certificates_of(document.evidence)})
    accepted, found = compare(certificates)
    assert (accepted, found) == (len(certificates), {})
    assert accepted > 50


@pytest.mark.slow
def test_mutated_certificates_are_never_read_more_kindly() -> None:
    """Some malformed certificate would be accepted here, and be another one elsewhere."""
    dice = random.Random(384)
    base = [*chain().cabundle, chain().certificate]
    accepted, found = compare(mutated(base, dice) for _ in range(MUTATIONS))
    assert accepted > MUTATIONS // 4
    assert found.keys() == {NAME, UNPROCESSED, OFF_CURVE}


@pytest.mark.slow
def test_mutated_genuine_certificates_are_never_read_more_kindly(require_shared: RequireShared) -> None:
    """The same, for the forms that only AWS writes."""
    dice = random.Random(385)
    documents = read_genuine(require_shared("real-documents"))
    base = sorted({der for document in documents for der in certificates_of(document.evidence)})
    _, found = compare(mutated(base, dice) for _ in range(MUTATIONS))
    assert found.keys() <= EXCUSES.keys()
