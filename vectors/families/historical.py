"""As of another time: the label, and the nonces that such an appraisal neither uses up nor misses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.case import Before, affirmed, rejected
from vectors.nonces import SERVICE, nonce
from vectors.world import AT, GOOD, SIGNED_AT, attest, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

LATER = AT + seconds(200)


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _times()
    yield from _nonces()


def _times() -> Iterator[Case]:
    yield affirmed("historical.own-time", "At the moment in which it was signed.", GOOD, at=SIGNED_AT, historical=True)
    yield affirmed("historical.later", "Within max_age of a time that was chosen.", GOOD, at=LATER, historical=True)
    yield rejected(
        "historical",
        "A chosen time that is later than max_age allows.",
        GOOD,
        "freshness.too-old",
        at=AT + seconds(3600),
        historical=True,
    )
    yield rejected(
        "historical",
        "A chosen time at which it was not made yet.",
        GOOD,
        "freshness.in-future",
        at=SIGNED_AT - seconds(31),
        historical=True,
    )
    yield rejected(
        "historical", "A year later, as of which nothing holds.", GOOD, "path.expired", at=AT + seconds(31_536_000),
        historical=True,
    )  # fmt: skip
    yield rejected(
        "historical", "History lets no other nonce pass.", GOOD, "freshness.nonce-mismatch", nonce=bytes(32),
        historical=True,
    )  # fmt: skip
    yield rejected(
        "historical",
        "History needs a nonce where the policy does.",
        GOOD,
        "freshness.nonce-not-supplied",
        nonce=None,
        at=SIGNED_AT,
        historical=True,
    )
    yield rejected(
        "historical",
        "History without a policy affirms nothing.",
        GOOD,
        "measurement.no-policy",
        policy=None,
        at=SIGNED_AT,
        historical=True,
    )


def _nonces() -> Iterator[Case]:
    mine = attest(nonce=nonce())
    live = Before(evidence=mine, verdict="affirmed", nonce=None)
    past = Before(evidence=mine, verdict="affirmed", nonce=None, at=SIGNED_AT, historical=True)
    yield affirmed(
        "historical.after-use",
        "A document whose nonce was used up long since: history asks no guard.",
        mine,
        nonce=None,
        service=SERVICE,
        before=(live,),
        at=SIGNED_AT,
        historical=True,
    )
    yield affirmed(
        "service-nonce.after-history",
        "Looking back used no nonce up, however often.",
        mine,
        nonce=None,
        service=SERVICE,
        before=(past, past),
    )
    yield rejected(
        "around-history",
        "Looking back does not bring a used nonce back.",
        mine,
        "freshness.nonce-replayed",
        nonce=None,
        service=SERVICE,
        before=(live, past),
    )
    yield rejected(
        "historical",
        "A chosen time at which the verifier's nonce had expired.",
        mine,
        "freshness.nonce-expired",
        nonce=None,
        service=SERVICE,
        at=LATER,
        historical=True,
    )
