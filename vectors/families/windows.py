"""Validity windows: every certificate's, at both ends, with leeway at the beginning alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.nsm import issue_chain
from vectors.case import affirmed, rejected
from vectors.pki import EXPIRED_ROOT, FUTURE_ROOT
from vectors.world import AT, EVERY, GOOD, ROOT, SHORT_SPECS, SIGNED_AT, SPECS, attest, milliseconds, respecify, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuer.nsm import CertificateSpec
    from vectors.case import Case

EXPIRED, EARLY = "path.expired", "path.not-yet-valid"


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _expired()
    yield from _not_yet_valid()


def _root_chain(root: CertificateSpec) -> bytes:
    return attest(issue_chain((root, *SPECS[1:])))


def _expired() -> Iterator[Case]:
    for name, level in EVERY.items():
        if level == ROOT:
            evidence, anchors = _root_chain(EXPIRED_ROOT), ("expired-root",)
        else:
            chain = respecify(level, not_after=AT - seconds(1))
            evidence, anchors = attest(chain), ("throwaway-root",)
        yield rejected(name, f"The {name} certificate ended a second ago.", evidence, EXPIRED, anchors=anchors)
        if level != ROOT:
            description = (
                f"The {name} certificate ended a second ago, and the policy's skew of an hour changes nothing."
            )
            yield rejected(f"{name}-wide-skew", description, evidence, EXPIRED, policy="wide-skew")
    end = SHORT_SPECS[2].not_after
    late = attest(timestamp=milliseconds(end) - 2000)
    yield affirmed("leaf.last-second", "The leaf's last second.", late, at=end)
    yield rejected("millisecond", "A millisecond after the leaf's last second.", late, EXPIRED, at=end + seconds(0.001))
    yield rejected("one-second", "A second after the leaf's last second.", late, EXPIRED, at=end + seconds(1))
    yield rejected("next-year", "A year later.", GOOD, EXPIRED, at=AT + seconds(365 * 86_400))
    yield rejected("far-future", "In the year 9999.", GOOD, EXPIRED, at=AT.replace(year=9999))
    yield rejected("without-policy", "Expired, and no policy.", GOOD, EXPIRED, policy=None, at=AT + seconds(86_400))


def _not_yet_valid() -> Iterator[Case]:
    for name, level in EVERY.items():
        if level == ROOT:
            evidence, anchors = _root_chain(FUTURE_ROOT), ("future-root",)
        else:
            chain = respecify(level, not_before=AT + seconds(31))
            evidence, anchors = attest(chain), ("throwaway-root",)
        yield rejected(
            name, f"The {name} certificate begins in 31 seconds; the skew is 30.", evidence, EARLY, anchors=anchors
        )
    start = SHORT_SPECS[2].not_before
    first = attest(timestamp=milliseconds(start))
    yield affirmed("leaf.first-second", "The leaf's first second.", first, at=start)
    yield affirmed(
        "leaf.clock-5s-slow", "A leaf just issued, and a clock five seconds slow.", first, at=start - seconds(5)
    )
    yield affirmed("leaf.clock-30s-slow", "A clock as slow as the skew allows.", first, at=start - seconds(30))
    yield rejected(
        "clock-too-slow", "A clock a millisecond slower than the skew allows.", first, EARLY, at=start - seconds(30.001)
    )
    yield rejected(
        "no-skew",
        "A clock a second slow, and a policy without skew.",
        first,
        EARLY,
        policy="hurried",
        at=start - seconds(1),
    )
    yield rejected("past", "Years before.", GOOD, EARLY, at=AT.replace(year=2020))
    yield rejected("before-1970", "A clock before 1970.", GOOD, EARLY, at=AT.replace(year=1969))
    backdated = respecify(2, SHORT_SPECS, not_before=SIGNED_AT)
    yield affirmed(
        "leaf.no-backdating", "A leaf that begins when the document was made, as in 2021.", attest(backdated)
    )
