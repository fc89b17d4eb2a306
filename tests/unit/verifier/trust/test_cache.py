from tests.support.core import AT_MS, anchor, chain, verifier
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import select_engine
from verifier.trust.path import CertificationPath, TrustStore, validate_path

BUNDLE = chain().cabundle


def path() -> CertificationPath:
    return validate_path(
        chain().certificate,
        BUNDLE,
        trust=TrustStore([anchor()]),
        engine=select_engine(),
        cache=PathCache(leaves=0),
        at=AT_MS,
        leeway=0,
    )


def keep(cache: PathCache, leaf: bytes) -> CertificationPath:
    kept = path()
    cache.keep_issuers(BUNDLE, kept)
    cache.keep_path(BUNDLE, leaf, kept)
    return kept


def fill(cache: PathCache, leaves: int) -> None:
    for number in range(leaves):
        keep(cache, b"leaf %d" % number)


def test_a_path_is_found_by_exactly_its_bytes() -> None:
    """A reordered bundle or another leaf would count as verified."""
    cache = PathCache()
    kept = keep(cache, b"leaf")
    assert cache.find_path(BUNDLE, b"leaf") is kept
    assert cache.find_issuers(BUNDLE) is kept
    assert cache.find_path(BUNDLE, b"other leaf") is None
    assert cache.find_path(BUNDLE[::-1], b"leaf") is None
    assert cache.find_issuers(BUNDLE[:-1]) is None


def test_a_flood_of_leaves_does_not_push_out_their_issuers() -> None:
    """An attacker who can start enclaves would make every other document cost five signatures."""
    cache = PathCache(leaves=2, issuers=2)
    fill(cache, 10)
    assert cache.find_issuers(BUNDLE) is not None
    counts = cache.counts()
    assert (counts["leaf"].entries, counts["leaf"].evictions) == (2, 8)
    assert (counts["issuer"].entries, counts["issuer"].evictions) == (1, 0)


def test_what_was_used_last_stays() -> None:
    """A busy enclave would be verified anew each time a rare one comes by."""
    cache = PathCache(leaves=2)
    fill(cache, 2)
    assert cache.find_path(BUNDLE, b"leaf 0") is not None
    keep(cache, b"leaf 2")
    assert cache.find_path(BUNDLE, b"leaf 0") is not None
    assert cache.find_path(BUNDLE, b"leaf 1") is None


def test_no_leaves_turn_it_off() -> None:
    """A deployment that wants no memory of earlier documents would have one."""
    cache = PathCache(leaves=0)
    fill(cache, 1)
    assert cache.find_path(BUNDLE, b"leaf 0") is None
    assert cache.find_issuers(BUNDLE) is None


def test_hits_and_misses_are_counted() -> None:
    """The metric that tells a cold cache from a hostile sender would be wrong."""
    cache = verifier().cache
    assert cache.find_path(BUNDLE, b"leaf") is None
    keep(cache, b"leaf")
    assert cache.find_path(BUNDLE, b"leaf") is not None
    counts = cache.counts()["leaf"]
    assert (counts.hits, counts.misses, counts.entries) == (1, 1, 1)
