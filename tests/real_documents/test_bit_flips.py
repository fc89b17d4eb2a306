"""Every single bit of one genuine document flipped, and a sample of another's: nothing of it is ever affirmed.

About 36,000 appraisals by one verifier whose cache is warm, so that only the first bits of each kind cost signatures;
some ten seconds on one core, 0.3 ms each. They are spread over eight tests for parallel runs.
"""

import random
from pathlib import Path

import pytest

from tests.real_documents.catalogue import Genuine, find_genuine, pinning_policy
from verifier import Affirmed, Rejected, Verifier

INDEFINITE = "2025-12-25_us-east-1_enc_indef_5e983e0b"
DEFINITE = "2024-09-07_us-east-1_enc_def_72ffd835"
SHARES = 8
SAMPLED = 3000


def flipped(evidence: bytes, bit: int) -> bytes:
    changed = bytearray(evidence)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def affirmed_bits(document: Genuine, bits: list[int] | range) -> list[int]:
    """Those bits whose flipping is not noticed; the document itself is affirmed, so that it means something."""
    judge, policy, at = Verifier(), pinning_policy(document), document.signed_at
    for _ in range(2):  # at the second time, what recurs in it is learnt
        assert isinstance(judge.appraise(document.evidence, policy=policy, at=at), Affirmed)
    results = ((bit, judge.appraise(flipped(document.evidence, bit), policy=policy, at=at)) for bit in bits)
    return [bit for bit, result in results if not (isinstance(result, Rejected) and result.findings)]


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_no_bit_of_a_genuine_document_can_be_flipped(share: int, genuine_folder: Path) -> None:
    """Some part of a document would be outside of every check."""
    document = find_genuine(genuine_folder, INDEFINITE)
    assert affirmed_bits(document, range(share, 8 * len(document.evidence), SHARES)) == []


@pytest.mark.slow
def test_no_bit_of_a_sample_of_the_older_form_can_be_flipped(genuine_folder: Path) -> None:
    """The definite map's reading would pass over something that the indefinite one does not."""
    document = find_genuine(genuine_folder, DEFINITE)
    bits = random.Random(1).sample(range(8 * len(document.evidence)), SAMPLED)
    assert affirmed_bits(document, bits) == []
