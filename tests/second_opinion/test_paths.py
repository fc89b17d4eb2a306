"""Our path validation against pyOpenSSL and `cryptography.x509.verification`, on the vectors' and genuine paths.

Both build paths: they pick whatever leads from the leaf to an anchor and ignore the rest. Ours walks the bundle as it
stands. Neither knows the Nitro profile (P-384 and SHA-384 throughout, basicConstraints and keyUsage on every
certificate). So they accept much that ours refuses; what they refuse and ours accepts is named one by one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.verification import Criticality, ExtensionPolicy
from OpenSSL import crypto

from tests.conftest import RequireShared
from tests.real_documents.catalogue import TODAY, read_genuine
from tests.second_opinion.documents import Chain, read_chain
from tests.support.cases import vector_cases
from verifier import Reason, TrustAnchor, bundled_anchor
from verifier.reasons import Rejection
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import select_engine
from verifier.trust.path import TrustStore, validate_path

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # names that `cryptography` would rather not see
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]

Opinion = Callable[[Chain, Sequence[TrustAnchor], datetime], bool]
BUILT = "they build another path than the one in the bundle, which is not what the document says"
PROFILE = "RFC 5280 allows it; no certificate of AWS's has it, so ours refuses what it was not made to read"
SUBSECOND = "they drop the milliseconds; a certificate has expired at the first instant after notAfter"


def ours(chain: Chain, anchors: Sequence[TrustAnchor], at: datetime) -> Reason | None:
    """Why our path validation refuses a chain, or None; without leeway, which the others do not know."""
    try:
        validate_path(
            chain.leaf,
            chain.cabundle,
            trust=TrustStore(anchors),
            engine=select_engine(),
            cache=PathCache(leaves=0),
            at=int(at.timestamp() * 1000),
            leeway=0,
        )
    except Rejection as rejection:
        return rejection.reason
    return None


def openssl(chain: Chain, anchors: Sequence[TrustAnchor], at: datetime) -> bool:
    """OpenSSL with its default flags; its strict one refuses every genuine path, as leaves have no AKI."""
    try:
        store = crypto.X509Store()
        for anchor in anchors:
            store.add_cert(_load(anchor.certificate.der))
        store.set_time(at)
        crypto.X509StoreContext(
            store, _load(chain.leaf), [_load(der) for der in chain.cabundle[1:]]
        ).verify_certificate()
    except (crypto.X509StoreContextError, crypto.Error, ValueError, x509.InvalidVersion):
        return False
    return True


def _load(der: bytes) -> crypto.X509:
    return crypto.X509.from_cryptography(x509.load_der_x509_certificate(der))


def webpki(chain: Chain, anchors: Sequence[TrustAnchor], at: datetime) -> bool:
    """`cryptography`'s verifier; its default policy refuses every genuine path, so extensions are judged as below."""
    try:
        policy = (
            verification.PolicyBuilder()
            .store(verification.Store([x509.load_der_x509_certificate(anchor.certificate.der) for anchor in anchors]))
            .time(at)
            .max_chain_depth(8)
            .extension_policies(ca_policy=_issuer_policy(), ee_policy=_leaf_policy())
        )
        issuers = [x509.load_der_x509_certificate(der) for der in chain.cabundle[1:]]
        policy.build_client_verifier().verify(x509.load_der_x509_certificate(chain.leaf), issuers)
    except (verification.VerificationError, ValueError, x509.InvalidVersion):
        return False
    return True


def _issuer_policy() -> ExtensionPolicy:
    policy = ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    return policy.require_present(x509.KeyUsage, Criticality.AGNOSTIC, _is_issuer)


def _leaf_policy() -> ExtensionPolicy:
    policy = ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_no_ca)
    return policy.require_present(x509.KeyUsage, Criticality.AGNOSTIC, _is_signer)


def _is_issuer(_: verification.Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("keyCertSign")


def _is_signer(_: verification.Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature or usage.key_cert_sign:
        raise ValueError("digitalSignature")


def _is_no_ca(_: verification.Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if constraints.ca:
        raise ValueError("CA")


# What ours refuses and the other accepts, by our reason; and what ours accepts and the other refuses, by vector. Who is
# right: ours on everything in the first half, since it is stricter by intent; for the second half each line says.
OPENSSL_LAXER = {
    Reason.PATH_ALGORITHM_UNSUPPORTED: PROFILE,
    Reason.PATH_CERTIFICATE_DUPLICATE: BUILT,
    Reason.PATH_CERTIFICATE_MALFORMED: "OpenSSL reads BER booleans, negative and overlong serials, repeated extensions",
    Reason.PATH_EXPIRED: SUBSECOND,
    Reason.PATH_EXTENSION_MISSING: "OpenSSL takes absent keyUsage for every usage, absent basicConstraints for a leaf",
    Reason.PATH_EXTENSION_UNSUPPORTED: "OpenSSL knows more extensions; ours processes two and no more",
    Reason.PATH_KEY_UNSUPPORTED: PROFILE,
    Reason.PATH_KEY_USAGE_INVALID: "OpenSSL checks a leaf's keyUsage only for a purpose, and none is given",
    Reason.PATH_LEAF_IS_CA: "OpenSSL does not mind what a CA's key is used for",
    Reason.PATH_LENGTH_EXCEEDED: "OpenSSL does not count self-issued certificates, as RFC 5280 says; ours does",
    Reason.PATH_NAME_MISMATCH: "OpenSSL compares names without case, blanks and string types; or " + BUILT,
    Reason.PATH_NOT_A_CA: "OpenSSL accepts a CA whose basicConstraints is not critical",
    Reason.PATH_ROOT_UNTRUSTED: BUILT,
    Reason.PATH_SIGNATURE_INVALID: BUILT,
}
OPENSSL_STRICTER = {
    "affirmed.anchors.second-of-two": "both anchors have one name and OpenSSL tries the first alone: ours is right",
    "affirmed.anchors.cross-signed": "OpenSSL stops at a self-signed certificate that is no anchor: ours is right",
}
WEBPKI_LAXER = {
    Reason.PATH_ALGORITHM_UNSUPPORTED: PROFILE,
    Reason.PATH_CERTIFICATE_DUPLICATE: BUILT,
    Reason.PATH_CERTIFICATE_MALFORMED: "cryptography reads a zero serial, an empty subject and unique ids",
    Reason.PATH_EXPIRED: SUBSECOND,
    Reason.PATH_EXTENSION_UNSUPPORTED: "cryptography was told to permit every extension it knows",
    Reason.PATH_KEY_UNSUPPORTED: "cryptography does not load the leaf's key, and knows more curves; ours has one",
    Reason.PATH_NAME_MISMATCH: BUILT,
    Reason.PATH_ROOT_UNTRUSTED: BUILT,
    Reason.PATH_SIGNATURE_INVALID: BUILT,
}
WEBPKI_STRICTER = {
    "affirmed.path.huge-length": "cryptography holds a path length in a byte; RFC 5280 knows no bound: ours is right",
    "affirmed.certificate.generalized-time": "RFC 5280 section 4.1.2.5: issuers must not, applications must read it",
    "affirmed.certificate.generalized-not-after": "as above",
}


def disagreements(opinion: Opinion) -> tuple[set[Reason], set[str]]:
    """Where the other is laxer, by our reason, and where it is stricter, by vector; each distinct chain once."""
    laxer: set[Reason] = set()
    stricter: set[str] = set()
    seen = set()
    for case in vector_cases():
        chain = read_chain(case.evidence)
        key = (chain, case.anchors, case.at)
        if chain is None or key in seen:
            continue
        seen.add(key)
        reason, accepted = ours(chain, case.anchors, case.at), opinion(chain, case.anchors, case.at)
        if reason is not None and accepted:
            laxer.add(reason)
        if reason is None and not accepted:
            stricter.add(case.id)
    assert len(seen) > 100
    return laxer, stricter


@pytest.mark.parametrize(
    ("opinion", "laxer", "stricter"),
    [(openssl, OPENSSL_LAXER, OPENSSL_STRICTER), (webpki, WEBPKI_LAXER, WEBPKI_STRICTER)],
)
def test_disagreements_on_the_vectors_are_the_listed_ones(
    opinion: Opinion, laxer: dict[Reason, str], stricter: dict[str, str]
) -> None:
    """A path would be accepted or refused here for a reason that nobody has thought about."""
    found_laxer, found_stricter = disagreements(opinion)
    assert found_laxer == laxer.keys()
    assert found_stricter == stricter.keys()


@pytest.mark.parametrize("opinion", [openssl, webpki])
def test_on_genuine_paths_all_agree(opinion: Opinion, require_shared: RequireShared) -> None:
    """AWS's own paths would be judged by rules of our own making."""
    anchors = [bundled_anchor()]
    second = timedelta(seconds=1)
    for document in read_genuine(require_shared("real-documents")):
        chain = read_chain(document.evidence)
        assert chain is not None
        moments = [document.signed_at, document.first, document.last]
        outside = [document.first - second, document.last + second, TODAY]
        for at in moments:
            assert ours(chain, anchors, at) is None
            assert opinion(chain, anchors, at)
        for at in outside:
            assert ours(chain, anchors, at) is not None
            assert not opinion(chain, anchors, at)
