from tests.support.core import PCRS, build
from verifier.policy.matching import BuildIndex, matches
from verifier.policy.model import DeniedBuild

A, B, C = (bytes((value,)) * 48 for value in (1, 2, 3))
FIRST = build(name="first", pcrs={0: A, 1: A})
SECOND = build(name="second", pcrs={0: B, 1: B})
ONE = build(name="one", pcrs={0: A})
INDEX = BuildIndex((FIRST, SECOND, ONE))


def test_a_build_matches_when_all_of_its_registers_do() -> None:
    """A document that is half of one build and half of another would match."""
    assert INDEX.match({0: A, 1: A, 2: C}) == (FIRST, ONE)
    assert INDEX.match({0: A, 1: B}) == (ONE,)
    assert INDEX.match({0: B, 1: A}) == ()
    assert INDEX.match({}) == ()


def test_two_builds_of_the_same_registers_both_match() -> None:
    """One of them, whose window is over, would hide the other."""
    twin = build(name="twin", pcrs={1: A, 0: A})
    assert BuildIndex((FIRST, twin)).match({0: A, 1: A}) == (FIRST, twin)


def test_debug_mode_leaves_the_other_registers_to_match() -> None:
    """In development any enclave would do, whoever's role it runs under."""
    signed = build(name="signed", pcrs={0: A, 8: B})
    index = BuildIndex((FIRST, signed))
    assert index.match_in_debug({8: B}) == (FIRST, signed)
    assert index.match_in_debug({8: C}) == (FIRST,)
    assert index.match_in_debug({}) == (FIRST,)


def test_what_every_build_names_and_the_document_lacks_is_told() -> None:
    """An operator would be told of a mismatch where a register was never locked."""
    index = BuildIndex((build(pcrs={0: A, 16: A}), build(pcrs={0: B, 16: B, 17: B})))
    assert index.absent({0: A}) == (16,)
    assert index.absent({0: A, 16: C}) == ()


def test_registers_that_no_build_expects_are_told() -> None:
    """An operator could not see which register is wrong."""
    assert INDEX.strange({0: C, 1: B}) == (0,)
    assert INDEX.strange({0: A, 1: B}) == ()
    assert INDEX.strange({}) == (0, 1)


def test_a_denied_build_matches_by_the_registers_it_names() -> None:
    """A revoked build would pass after a change that does not matter."""
    denied = DeniedBuild(name="bad", pcrs={0: PCRS[0]})
    assert matches(denied, PCRS)
    assert not matches(denied, {})
    assert not matches(DeniedBuild(name="bad", pcrs={0: PCRS[0], 1: A}), PCRS)
