"""The certification path from a pinned root to the document's certificate (RFC 5280 section 6).

The bundle is ordered, so the path is walked, never built: root first, each certificate issued by the one before it.
Everything cheap is checked before any signature, and signatures from the root down, so no key that an attacker made
ever verifies anything, and no bundle makes the work longer than its own length.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from verifier.reasons import ConfigurationError, Reason, Rejection
from verifier.trust.anchors import TrustAnchor
from verifier.trust.certificate import Certificate, decode_certificate
from verifier.trust.ecdsa import Engine, KeyUnsupportedError, PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.trust.cache import PathCache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class CertificationPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path whose every signature was verified; its windows are checked again at each use."""

    anchor: TrustAnchor
    certificates: tuple[Certificate, ...]
    """The root first, the document's certificate last."""
    leaf: Certificate
    """The last one again, which signed the document."""
    key: PublicKey
    """The last certificate's key, loaded."""
    not_before: int
    """Seconds since 1970: the latest notBefore of the path."""
    not_after: int
    """Seconds since 1970: the earliest notAfter of the path."""
    valid_from: datetime
    """``not_before`` as a time: worked out once for a path, and shown in the result of every document under it."""
    valid_until: datetime
    """``not_after`` as a time."""


class TrustStore:
    """The configured anchors, by their exact bytes."""

    __slots__ = ("_by_der", "anchors")

    def __init__(self, anchors: Iterable[TrustAnchor]) -> None:
        """Hold at least one anchor; the same certificate given again, under whatever name, adds nothing.

        Raises:
            ConfigurationError: no anchor at all, or two different ones with the same name.
        """
        self._by_der: dict[bytes, TrustAnchor] = {}
        for anchor in anchors:
            self._by_der.setdefault(anchor.certificate.der, anchor)
        self.anchors = tuple(self._by_der.values())
        if not self.anchors:
            msg = "no trust anchor: every document would be refused"
            raise ConfigurationError(msg)
        if len({anchor.name for anchor in self.anchors}) != len(self.anchors):
            msg = "two different trust anchors have the same name"
            raise ConfigurationError(msg)

    def find(self, der: bytes) -> TrustAnchor:
        """Give the anchor with exactly these bytes.

        Raises:
            Rejection: there is none. A root with an anchor's name or key but other bytes is not an anchor.
        """
        anchor = self._by_der.get(der)
        if anchor is None:
            raise Rejection(Reason.PATH_ROOT_UNTRUSTED, "the first certificate of cabundle is no trust anchor")
        return anchor


def validate_path(  # noqa: PLR0913 - each is a separate input of RFC 5280 section 6.1.1
    leaf: bytes,
    cabundle: tuple[bytes, ...],
    *,
    trust: TrustStore,
    engine: Engine,
    cache: PathCache,
    at: int,
    leeway: int,
) -> CertificationPath:
    """Validate ``cabundle`` (root first) and ``leaf`` as one certification path.

    Args:
        leaf: DER of the certificate that signed the document.
        cabundle: DER of the root and the intermediate issuers, in order.
        trust: the anchors, one of which the bundle must begin with.
        engine: who verifies.
        cache: paths verified before, by their exact bytes.
        at: the time of verification, milliseconds since 1970.
        leeway: milliseconds granted to notBefore, never to notAfter.

    Raises:
        Rejection: the first thing that is wrong with the path.
    """
    # The anchor first, also for a known path: a cache may be shared with a verifier that trusts other anchors.
    anchor = trust.find(cabundle[0])
    path = cache.find_path(cabundle, leaf)
    if path is None:
        path = _walk(leaf, cabundle, anchor=anchor, engine=engine, cache=cache, at=at, leeway=leeway)
    elif not _is_within(path, at, leeway):
        _check_windows(path.certificates, at, leeway)
    return path


def _walk(  # noqa: PLR0913 - as above
    leaf: bytes,
    cabundle: tuple[bytes, ...],
    *,
    anchor: TrustAnchor,
    engine: Engine,
    cache: PathCache,
    at: int,
    leeway: int,
) -> CertificationPath:
    if leaf in cabundle or len(set(cabundle)) != len(cabundle):
        raise Rejection(Reason.PATH_CERTIFICATE_DUPLICATE, "a certificate occurs twice")
    issuers = cache.find_issuers(cabundle)
    known = (anchor.certificate, *map(decode_certificate, cabundle[1:])) if issuers is None else issuers.certificates
    certificates = (*known, decode_certificate(leaf))
    _check_shape(certificates)
    _check_windows(certificates, at, leeway)
    if issuers is None:
        issuers = _conclude(anchor, known, _verify_down(known, _load(engine, anchor.certificate), engine))
        # Kept whatever becomes of the leaf: genuine issuers are public, and forged leaves under them would otherwise
        # cost four verifications each time. A prefix that failed anywhere leaves nothing behind.
        cache.keep_issuers(cabundle, issuers)
    path = _conclude(anchor, certificates, _verify_down(certificates[-2:], issuers.key, engine))
    # The same bytes, in the one copy that all leaves of these issuers share: two thirds of an entry's memory.
    cache.keep_path(tuple([issuer.der for issuer in known]), leaf, path)
    return path


def _is_within(path: CertificationPath, at: int, leeway: int) -> bool:
    return path.not_before * 1000 - leeway <= at <= path.not_after * 1000


def _check_shape(certificates: Sequence[Certificate]) -> None:
    """Check all that RFC 5280 asks of a path except time and signatures."""
    for issuer, subject in pairwise(certificates):
        if issuer.subject != subject.issuer:
            raise Rejection(Reason.PATH_NAME_MISMATCH, "a certificate names another issuer than the one before it")
    below = len(certificates) - 2
    for issuer in certificates[:-1]:
        _check_issuer(issuer, below)
        below -= 1
    leaf = certificates[-1]
    if leaf.is_ca:
        raise Rejection(Reason.PATH_LEAF_IS_CA, "the document's certificate is a certification authority")
    if not leaf.signs_data or leaf.signs_certificates:
        raise Rejection(Reason.PATH_KEY_USAGE_INVALID, "the document's certificate is not for signing data alone")


def _check_issuer(issuer: Certificate, below: int) -> None:
    """Check one issuer that has ``below`` issuers under it; self-issued ones count too, which is stricter."""
    if not issuer.is_ca:
        raise Rejection(Reason.PATH_NOT_A_CA, "an issuer is not a certification authority")
    if not issuer.constraints_critical:  # RFC 5280 section 4.2.1.9
        raise Rejection(Reason.PATH_NOT_A_CA, "an issuer's basicConstraints is not critical")
    if not issuer.signs_certificates:
        raise Rejection(Reason.PATH_KEY_USAGE_INVALID, "an issuer's keyUsage lacks keyCertSign")
    if issuer.path_length is not None and below > issuer.path_length:
        raise Rejection(Reason.PATH_LENGTH_EXCEEDED, f"{below} issuers below a path length of {issuer.path_length}")


def _check_windows(certificates: Sequence[Certificate], at: int, leeway: int) -> None:
    """Check every validity window; both ends belong to it (RFC 5280 section 4.1.2.5)."""
    for position, certificate in enumerate(certificates):
        name = f"certificate {position} of {len(certificates)}, counted from the root"
        if at > certificate.not_after * 1000:
            late = at / 1000 - certificate.not_after
            raise Rejection(Reason.PATH_EXPIRED, f"{name}, expired {_duration(late)} ago")
        if at < certificate.not_before * 1000 - leeway:
            early = certificate.not_before - at / 1000
            raise Rejection(Reason.PATH_NOT_YET_VALID, f"{name}, is valid in {_duration(early)}")


def _duration(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:.0f} days" if days >= 2 else f"{seconds:.1f} s"  # noqa: PLR2004 - below, seconds read better


def _verify_down(certificates: Sequence[Certificate], key: PublicKey, engine: Engine) -> PublicKey:
    """Verify each certificate but the first by the key before it; give the last one's key."""
    for certificate in certificates[1:]:
        if not key.verify(certificate.tbs, certificate.signature):
            raise Rejection(Reason.PATH_SIGNATURE_INVALID, "a certificate was not signed by the one before it")
        key = _load(engine, certificate)
    return key


def _load(engine: Engine, certificate: Certificate) -> PublicKey:
    try:
        return engine.load_key(certificate.spki)
    except KeyUnsupportedError as error:
        raise Rejection(Reason.PATH_KEY_UNSUPPORTED, "a certificate's point is not on P-384") from error


def _conclude(anchor: TrustAnchor, certificates: tuple[Certificate, ...], key: PublicKey) -> CertificationPath:
    not_before = max([certificate.not_before for certificate in certificates])
    not_after = min([certificate.not_after for certificate in certificates])
    return CertificationPath(
        anchor=anchor,
        certificates=certificates,
        leaf=certificates[-1],
        key=key,
        not_before=not_before,
        not_after=not_after,
        valid_from=_EPOCH + not_before * _SECOND,
        valid_until=_EPOCH + not_after * _SECOND,
    )
