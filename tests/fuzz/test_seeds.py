from tests.fuzz.seeds import CERTIFICATE, ORDER, POLICY, identity, known_documents, own_documents, reader_seeds
from tests.support.cases import vector_cases
from tests.support.core import AT, NONCE, document, policy, reasons, verifier


def test_what_is_malleable_does_not_change_a_documents_identity() -> None:
    """The fuzzer would report the tag and the twin as forgeries."""
    evidence = document()
    twin = evidence[:-48] + (ORDER - int.from_bytes(evidence[-48:])).to_bytes(48)
    assert identity(evidence) == identity(twin) == identity(b"\xd2" + evidence)


def test_everything_else_changes_it() -> None:
    """The fuzzer would take a forgery for a known document."""
    evidence = document()
    known = identity(evidence)
    for bit in range(8 * len(evidence)):
        changed = bytearray(evidence)
        changed[bit // 8] ^= 1 << bit % 8
        assert identity(bytes(changed)) != known, bit


def test_the_seeds_reach_behind_every_check() -> None:
    """The fuzzer would never see a document that is right."""
    known = known_documents()
    assert all(identity(case.evidence) in known for case in vector_cases() if not case.reasons)
    for evidence in own_documents():
        assert identity(evidence) in known
        assert reasons(verifier().appraise(evidence, policy=policy(), nonce=NONCE, at=AT)) == ()


def test_both_readers_have_seeds() -> None:
    """A reader would be fuzzed with noise alone."""
    kinds = [seed[:1] for seed in reader_seeds()]
    assert set(kinds) == {POLICY, CERTIFICATE}
    assert min(kinds.count(POLICY), kinds.count(CERTIFICATE)) > 20
