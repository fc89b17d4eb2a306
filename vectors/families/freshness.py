"""Was it made just now, and for this Relying Party? Timestamps, and the nonce that the Relying Party names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.case import affirmed, rejected
from vectors.world import AT, GOOD, NONCE, SHORT_SPECS, attest, drop, milliseconds, seal, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

OLD, FUTURE, OUTSIDE = "freshness.too-old", "freshness.in-future", "freshness.outside-certificate"
NOT_SUPPLIED, MISSING, MISMATCH = "freshness.nonce-not-supplied", "freshness.nonce-missing", "freshness.nonce-mismatch"
NOW = milliseconds(AT)


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _ages()
    yield from _outside()
    yield from _caller_nonces()
    yield from _nonce_elsewhere()


def _ages() -> Iterator[Case]:
    def aged(milliseconds_: int) -> bytes:
        return attest(timestamp=NOW - milliseconds_)

    yield affirmed("age.max-age", "As old as max_age allows.", aged(300_000))
    yield rejected("millisecond", "A millisecond older than max_age allows.", aged(300_001), OLD)
    yield rejected("hurried", "Two seconds old, and a policy that wants one.", GOOD, OLD, policy="hurried")
    yield rejected(
        "stored-document", "A document kept for an hour while its leaf is valid.", GOOD, OLD, at=AT + seconds(3600)
    )
    yield affirmed(
        "age.patient", "An hour old, and a policy that waits three.", GOOD, policy="patient", at=AT + seconds(3600)
    )
    yield affirmed("age.zero", "Made this very millisecond, and a policy without skew.", aged(0), policy="hurried")
    yield affirmed("age.skew", "As far ahead as the skew allows.", aged(-30_000))
    yield rejected("millisecond", "A millisecond further ahead than the skew allows.", aged(-30_001), FUTURE)
    yield rejected("no-skew", "A millisecond ahead, and a policy without skew.", aged(-1), FUTURE, policy="hurried")
    yield rejected("an-hour", "Made in an hour.", aged(-3_600_000), FUTURE)
    yield affirmed(
        "age.wide-skew", "An hour ahead, and a policy whose skew is an hour.", aged(-3_600_000), policy="wide-skew"
    )


def _outside() -> Iterator[Case]:
    start, end = milliseconds(SHORT_SPECS[2].not_before), milliseconds(SHORT_SPECS[2].not_after)
    before = attest(timestamp=start - 1)
    yield rejected("before", "Made a millisecond before its own certificate.", before, OUTSIDE, policy="patient")
    after = attest(timestamp=end + 1)
    yield rejected(
        "after",
        "Made a millisecond after its certificate's end.",
        after,
        OUTSIDE,
        policy="patient",
        at=SHORT_SPECS[2].not_after,
    )
    at_start = attest(timestamp=start)
    yield affirmed("age.leaf-start", "Made in its certificate's first millisecond.", at_start, policy="patient")
    years = attest(timestamp=NOW - 365 * 86_400_000)
    yield rejected("last-year", "Made last year, under a leaf of today.", years, OLD, OUTSIDE)
    earliest = attest(timestamp=10**12)
    yield rejected("earliest", "Made in 2001, the earliest time that is read at all.", earliest, OLD, OUTSIDE)
    latest = attest(timestamp=253_402_300_799_999)
    yield rejected("latest", "Made in the last millisecond of 9999.", latest, FUTURE, OUTSIDE)


def _caller_nonces() -> Iterator[Case]:
    for policy in ("strict", "caller", "no-nonce"):
        yield affirmed(
            f"nonce.caller-{policy}", f"The nonce that the Relying Party names (policy {policy}).", GOOD, policy=policy
        )
        yield rejected(
            f"other-{policy}",
            f"Another nonce than the Relying Party names (policy {policy}).",
            GOOD,
            MISMATCH,
            policy=policy,
            nonce=bytes(32),
        )
        yield rejected(
            f"null-{policy}",
            f"A nonce is named and the document's is null (policy {policy}).",
            attest(nonce=None),
            MISSING,
            policy=policy,
        )
    for policy in ("strict", "caller"):
        yield rejected(
            policy,
            f"The Relying Party names no nonce (policy {policy}).",
            GOOD,
            NOT_SUPPLIED,
            policy=policy,
            nonce=None,
        )
        yield rejected(
            f"empty-{policy}",
            f"The Relying Party names an empty nonce (policy {policy}).",
            GOOD,
            NOT_SUPPLIED,
            policy=policy,
            nonce=b"",
        )
    yield affirmed(
        "nonce.none",
        "No nonce anywhere, and a policy that wants none.",
        attest(nonce=None),
        policy="no-nonce",
        nonce=None,
    )
    yield affirmed("nonce.unasked", "A nonce that nobody asked for.", GOOD, policy="no-nonce", nonce=None)
    yield rejected(
        "both-null",
        "No nonce on either side, and a policy that wants one.",
        attest(nonce=None),
        NOT_SUPPLIED,
        nonce=None,
    )
    empty = attest(nonce=b"")
    yield rejected("both-empty", "An empty nonce on both sides proves nothing.", empty, NOT_SUPPLIED, nonce=b"")
    yield rejected("empty", "The document's nonce is empty.", empty, MISSING)
    yield rejected("absent", "The document has no nonce field.", seal(drop("nonce")), MISSING)
    table = {
        "last-bit": (NONCE[:-1] + bytes((NONCE[-1] ^ 1,)), "differs in its last bit"),
        "first-bit": (bytes((NONCE[0] ^ 128,)) + NONCE[1:], "differs in its first bit"),
        "prefix": (NONCE[:16], "is the first half of it"),
        "suffix": (NONCE[16:], "is the second half of it"),
        "longer": (NONCE + b"\0", "has a zero more"),
        "doubled": (NONCE * 2, "is it twice"),
        "hex": (NONCE.hex().encode(), "is its hex"),
        "reversed": (NONCE[::-1], "is it backwards"),
        "zero": (bytes(32), "is zero"),
        "one-byte": (NONCE[:1], "is its first byte"),
    }
    for slug, (value, how) in table.items():
        yield rejected(slug, f"The document's nonce {how}.", attest(nonce=value), MISMATCH)


def _nonce_elsewhere() -> Iterator[Case]:
    elsewhere = {
        "user-data": attest(nonce=None, user_data=NONCE),
        "public-key": attest(nonce=None, public_key=NONCE),
    }
    for name, evidence in elsewhere.items():
        yield rejected(f"in-{name}", f"The nonce stands in {name} and nonce is null.", evidence, MISSING)
    besides = {
        "user-data": attest(nonce=bytes(32), user_data=NONCE),
        "public-key": attest(nonce=bytes(32), public_key=NONCE),
    }
    for name, evidence in besides.items():
        yield rejected(f"in-{name}", f"The nonce stands in {name} and nonce has another.", evidence, MISMATCH)
    renamed = seal((*drop("nonce"), ("Nonce", NONCE)))
    yield rejected("capital", "The nonce stands in a field called Nonce.", renamed, MISSING)
