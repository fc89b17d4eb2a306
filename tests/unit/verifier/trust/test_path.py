from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from issuer.nsm import IssuedChain, SeededKeys, ThrowawayPki, issue_chain, sign_tbs
from issuer.nsm.profile import key_usage
from tests.support.core import AT_MS, ENCLAVE_ID, SIGNED_AT, anchor, chain, specs
from verifier.reasons import ConfigurationError, Reason, Rejection
from verifier.trust.anchors import TrustAnchor, anchor_fingerprint, load_anchor
from verifier.trust.cache import PathCache
from verifier.trust.certificate import decode_certificate
from verifier.trust.ecdsa import select_engine
from verifier.trust.path import CertificationPath, TrustStore, validate_path

ROOT, REGIONAL, ZONAL, INSTANCE, LEAF = range(5)
OTHER_KEY = SeededKeys(seed=b"attacker").private_key("any")


def validate(
    issued: IssuedChain,
    *,
    at: int = AT_MS,
    leeway: int = 0,
    cache: PathCache | None = None,
    anchors: Sequence[TrustAnchor] | None = None,
) -> CertificationPath:
    return validate_path(
        issued.certificate,
        issued.cabundle,
        trust=TrustStore(anchors or [anchor()]),
        engine=select_engine(),
        cache=cache or PathCache(),
        at=at,
        leeway=leeway,
    )


def refusal(issued: IssuedChain, *, at: int = AT_MS, leeway: int = 0, cache: PathCache | None = None) -> Reason:
    with pytest.raises(Rejection) as caught:
        validate(issued, at=at, leeway=leeway, cache=cache)
    return caught.value.reason


def changed(level: int, **changes: object) -> IssuedChain:
    """The chain with one certificate changed and everything rightly signed."""
    mutated = list(specs())
    mutated[level] = replace(mutated[level], **changes)  # type: ignore[arg-type]  # a table's values
    return issue_chain(mutated)


def with_extension(level: int, value: x509.ExtensionType, *, critical: bool = True) -> IssuedChain:
    """The chain with one extension replaced by another of its kind."""
    kept = tuple(
        replace(extension, value=value, critical=critical) if isinstance(extension.value, type(value)) else extension
        for extension in specs()[level].extensions
    )
    return changed(level, extensions=kept)


def bundle(*cabundle: bytes) -> IssuedChain:
    return replace(chain(), cabundle=cabundle)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


OTHER_ROOT_SHA256 = anchor_fingerprint(changed(ROOT, key=OTHER_KEY).cabundle[0])


def test_a_path_ends_in_the_key_that_signs() -> None:
    """The signature would be checked with another certificate's key."""
    path = validate(chain())
    assert path.anchor == anchor()
    assert [entry.der for entry in path.certificates] == [*chain().cabundle, chain().certificate]
    assert path.leaf.der == chain().certificate
    assert path.not_before == max(entry.not_before for entry in path.certificates)
    assert path.not_after == min(entry.not_after for entry in path.certificates)


@pytest.mark.parametrize("intermediates", [1, 2, 3, 4, 5, 6])
def test_a_path_may_have_any_number_of_issuers_that_fits(intermediates: int) -> None:
    """Another depth than AWS's present one would be an outage."""
    pki = replace(ThrowawayPki(seed=b"depth"), intermediates=intermediates)
    root = load_anchor(pki.root_der, name="depth", sha256=pki.root_sha256.hex())
    path = validate(pki.issue(enclave_id=ENCLAVE_ID, at=SIGNED_AT), anchors=[anchor(), root])
    assert (len(path.certificates), path.anchor.name) == (intermediates + 2, "depth")


ROOT_DER, REGIONAL_DER, ZONAL_DER, INSTANCE_DER = chain().cabundle
BASIC, USAGE = x509.BasicConstraints, key_usage
REFUSED = {
    "another root": (changed(ROOT, key=OTHER_KEY), Reason.PATH_ROOT_UNTRUSTED),
    "the root left out": (bundle(REGIONAL_DER, ZONAL_DER, INSTANCE_DER), Reason.PATH_ROOT_UNTRUSTED),
    "the bundle reversed": (bundle(INSTANCE_DER, ZONAL_DER, REGIONAL_DER, ROOT_DER), Reason.PATH_ROOT_UNTRUSTED),
    "a certificate twice": (
        bundle(ROOT_DER, REGIONAL_DER, REGIONAL_DER, ZONAL_DER, INSTANCE_DER),
        Reason.PATH_CERTIFICATE_DUPLICATE,
    ),
    "the leaf in the bundle": (
        bundle(ROOT_DER, REGIONAL_DER, ZONAL_DER, INSTANCE_DER, chain().certificate),
        Reason.PATH_CERTIFICATE_DUPLICATE,
    ),
    "the root as leaf": (replace(chain(), certificate=ROOT_DER), Reason.PATH_CERTIFICATE_DUPLICATE),
    "an issuer missing": (bundle(ROOT_DER, REGIONAL_DER, INSTANCE_DER), Reason.PATH_NAME_MISMATCH),
    "two issuers swapped": (bundle(ROOT_DER, ZONAL_DER, REGIONAL_DER, INSTANCE_DER), Reason.PATH_NAME_MISMATCH),
    "the root alone": (bundle(ROOT_DER), Reason.PATH_NAME_MISMATCH),
    "an attacker's root after the genuine one": (
        bundle(ROOT_DER, changed(ROOT, key=OTHER_KEY).cabundle[0], *changed(ROOT, key=OTHER_KEY).cabundle[1:]),
        Reason.PATH_SIGNATURE_INVALID,
    ),
    "the right key under another name": (changed(LEAF, issuer=name("another")), Reason.PATH_NAME_MISMATCH),
    "the right name under another key": (changed(LEAF, issuer_key=OTHER_KEY), Reason.PATH_SIGNATURE_INVALID),
    "an issuer's signature wrong": (changed(ZONAL, issuer_key=OTHER_KEY), Reason.PATH_SIGNATURE_INVALID),
    "an issuer that is no CA": (
        with_extension(ZONAL, BASIC(ca=False, path_length=None)),
        Reason.PATH_NOT_A_CA,
    ),
    "an issuer whose CA is not critical": (
        with_extension(ZONAL, BASIC(ca=True, path_length=1), critical=False),
        Reason.PATH_NOT_A_CA,
    ),
    "an issuer without keyCertSign": (
        with_extension(INSTANCE, USAGE("digital_signature")),
        Reason.PATH_KEY_USAGE_INVALID,
    ),
    "an issuer below a path length of zero": (
        with_extension(ZONAL, BASIC(ca=True, path_length=0)),
        Reason.PATH_LENGTH_EXCEEDED,
    ),
    "a leaf that is a CA": (
        with_extension(LEAF, BASIC(ca=True, path_length=None)),
        Reason.PATH_LEAF_IS_CA,
    ),
    "a leaf without digitalSignature": (
        with_extension(LEAF, USAGE("content_commitment"), critical=False),
        Reason.PATH_KEY_USAGE_INVALID,
    ),
    "a leaf with keyCertSign": (
        with_extension(LEAF, USAGE("digital_signature", "key_cert_sign"), critical=False),
        Reason.PATH_KEY_USAGE_INVALID,
    ),
    "a leaf that issued a leaf": (
        issue_chain([*specs(), replace(specs()[LEAF], serial=2, subject=name("below"), key=OTHER_KEY)]),
        Reason.PATH_LENGTH_EXCEEDED,
    ),
    "another hash": (changed(REGIONAL, hash_algorithm=hashes.SHA256()), Reason.PATH_ALGORITHM_UNSUPPORTED),
    "another curve": (
        changed(LEAF, public_key=SeededKeys(seed=b"x").private_key("x", ec.SECP256R1()).public_key()),
        Reason.PATH_KEY_UNSUPPORTED,
    ),
    "bytes that are no certificate": (replace(chain(), certificate=b"\x30"), Reason.PATH_CERTIFICATE_MALFORMED),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_path_with_one_fault_is_refused_for_it(case: str) -> None:
    """One of these is accepted by at least one published verifier."""
    issued, expected = REFUSED[case]
    assert refusal(issued) is expected


def test_a_point_off_the_curve_is_found_when_it_is_loaded() -> None:
    """An engine's failure would travel up as a bug of ours."""
    spki = decode_certificate(chain().certificate).spki
    tampered = chain().certificate.replace(spki, spki[:-1] + bytes((spki[-1] ^ 1,)))
    key = specs()[INSTANCE].key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    resigned = replace(chain(), certificate=sign_tbs(decode_certificate(tampered).tbs, key))
    assert refusal(resigned) is Reason.PATH_KEY_UNSUPPORTED


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("warm", [False, True])
def test_each_certificate_has_its_window_also_with_a_warm_cache(level: int, *, warm: bool) -> None:
    """A path would stay valid for as long as it stays in memory."""
    cache = PathCache() if warm else PathCache(leaves=0)
    # One certificate gets the narrowest window, so that both ends are its own.
    begin, end = SIGNED_AT + timedelta(minutes=1), SIGNED_AT + timedelta(minutes=2)
    issued = changed(level, not_before=begin, not_after=end)
    root = load_anchor(issued.cabundle[0], name="r", sha256=anchor_fingerprint(issued.cabundle[0]))
    first, last = int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000

    def outcome(at: int, leeway: int = 0) -> Reason | None:
        try:
            validate(issued, at=at, leeway=leeway, cache=cache, anchors=[root])
        except Rejection as rejection:
            return rejection.reason
        return None

    assert outcome(first) is None
    assert outcome(last) is None
    assert outcome(first - 1) is Reason.PATH_NOT_YET_VALID
    assert outcome(first - 30_000, leeway=30_000) is None
    assert outcome(first - 30_001, leeway=30_000) is Reason.PATH_NOT_YET_VALID
    assert outcome(last + 1, leeway=30_000) is Reason.PATH_EXPIRED


def test_a_path_that_failed_leaves_nothing_of_itself_in_the_cache() -> None:
    """A forged path could lean on what an earlier attempt left behind."""
    cache = PathCache()
    for issued, _ in REFUSED.values():
        refusal(issued, cache=cache)
    assert cache.counts()["leaf"].entries == 0
    # Only a bundle every signature of which held was kept, for whatever leaf was forged under it.
    assert cache.counts()["issuer"].entries == 1
    assert cache.find_issuers(chain().cabundle) is not None


def test_a_shared_cache_lends_no_trust() -> None:
    """A verifier that trusts another root would affirm what its neighbour has verified."""
    cache = PathCache()
    validate(chain(), cache=cache)
    other = load_anchor(changed(ROOT, key=OTHER_KEY).cabundle[0], name="other", sha256=OTHER_ROOT_SHA256)
    with pytest.raises(Rejection) as caught:
        validate(chain(), cache=cache, anchors=[other])
    assert caught.value.reason is Reason.PATH_ROOT_UNTRUSTED


def test_known_issuers_do_not_make_a_leaf_known() -> None:
    """A leaf that the cached issuer did not sign would be accepted."""
    cache = PathCache()
    validate(chain(), cache=cache)
    forged = changed(LEAF, issuer_key=OTHER_KEY)
    assert forged.cabundle == chain().cabundle
    assert refusal(forged, cache=cache) is Reason.PATH_SIGNATURE_INVALID


def test_a_new_leaf_under_known_issuers_is_verified_and_kept() -> None:
    """Each new enclave of a known instance would cost five signatures."""
    cache = PathCache()
    validate(chain(), cache=cache)
    sibling = changed(LEAF, serial=7)
    assert validate(sibling, cache=cache).leaf.serial == 7
    assert cache.counts()["leaf"].entries == 2
    assert cache.counts()["issuer"].entries == 1


def test_a_trust_store_must_trust_something_and_know_its_name() -> None:
    """A verifier without anchors would refuse everything, and two of one name could not be told apart in a result."""
    other = load_anchor(changed(ROOT, key=OTHER_KEY).cabundle[0], name=anchor().name, sha256=OTHER_ROOT_SHA256)
    with pytest.raises(ConfigurationError, match="no trust anchor"):
        TrustStore([])
    with pytest.raises(ConfigurationError, match="same name"):
        TrustStore([anchor(), other])


def test_the_same_anchor_twice_is_one() -> None:
    """An operator who names the bundled root as well would be refused, or see two of it."""
    assert TrustStore([anchor(), replace(anchor(), name="again")]).anchors == (anchor(),)
