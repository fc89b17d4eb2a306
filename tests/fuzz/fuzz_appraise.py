"""Coverage-guided fuzzing of `Verifier.appraise`; `make fuzz` runs it on the vectors' evidence.

Each input is appraised as it stands. If it is an envelope, its payload is also signed with a leaf's real key and
appraised again, so that the fuzzer reaches what lies behind the signature. Kept true: there is a result for any bytes
and nothing is raised; as it stands an input is affirmed only if it is a known document but for tag 18 and the
(r, n - s) twin; and a payload signed here is affirmed only if an independent reader finds in it what the policy asks.
"""

import sys
from datetime import datetime
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verifier"]):
    from verifier import Affirmed, Policy, Rejected, Verifier, read_policy

from issuer.nsm import sign1
from tests.fuzz.seeds import identities_of, identity, known_documents, own_documents, write_seeds
from tests.second_opinion.documents import read_fields, read_parts
from tests.second_opinion.strict_cbor import Array, Map, Text, problems, read_item
from tests.support.cases import VECTORS, vector_cases
from tests.support.core import AT, NONCE, PCRS, anchor, chain, policy

KNOWN = known_documents()
CASE = next(case for case in vector_cases() if not case.reasons and case.policy)
STRICT = read_policy((VECTORS / "policies" / "strict.toml").read_text())
OURS = policy()
JUDGE = Verifier(anchors=[*CASE.anchors, anchor()])


def appraise_as_it_stands(evidence: bytes) -> None:
    """Affirm nothing but known documents."""
    check(evidence, STRICT, nonce=CASE.nonce, at=CASE.at)
    check(evidence, OURS, nonce=NONCE, at=AT)


def check(evidence: bytes, by: Policy, *, nonce: bytes | None, at: datetime) -> None:
    """Appraise once."""
    result = JUDGE.appraise(evidence, policy=by, nonce=nonce, at=at)
    match result:
        case Affirmed():
            assert identity(evidence) in KNOWN
        case Rejected():
            assert result.findings


def appraise_signed(payload: bytes) -> None:
    """Sign a payload with the leaf's key; affirm it only for what it says."""
    result = JUDGE.appraise(sign1(payload, chain().key), policy=OURS, nonce=NONCE, at=AT)
    if isinstance(result, Affirmed):
        fields = read_fields(payload)
        assert not list(problems(read_item(payload)))
        assert fields["nonce"] == NONCE
        assert fields["certificate"] == chain().certificate
        assert fields["cabundle"] == Array(chain().cabundle)
        assert fields["digest"] == Text(b"SHA384")
        pcrs = fields["pcrs"]
        assert isinstance(pcrs, Map)
        assert {(index, PCRS[index]) for index in (0, 1, 2)} <= set(pcrs.pairs)
    else:
        assert result.findings


def test_one_input(data: bytes) -> None:
    """Judge one input of the fuzzer."""
    appraise_as_it_stands(data)
    parts = read_parts(data)
    if parts is not None and chain().certificate in parts.payload:
        appraise_signed(parts.payload)


if __name__ == "__main__":
    DIRECTORIES = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    write_seeds(DIRECTORIES[0], own_documents())
    KNOWN |= identities_of(DIRECTORIES)
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
