"""Nonces that the verifier issued: whose, for what, how long, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.case import Before, affirmed, rejected
from vectors.families.freshness import MISMATCH, MISSING, NOW
from vectors.families.signature import twin
from vectors.nonces import AUDIENCE, ISSUED_AT, ONE_KEY, SERVICE, UNGUARDED, nonce
from vectors.world import AT, GOOD, NONCE, PCRS, ZERO, attest, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

UNKNOWN, EXPIRED, REPLAYED = "freshness.nonce-unknown", "freshness.nonce-expired", "freshness.nonce-replayed"
EARLY, PREDATES = "freshness.nonce-in-future", "freshness.document-predates-nonce"


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _service_nonces()
    yield from _unknown_nonces()
    yield from _nonce_times()
    yield from _replays()


def _of(value: bytes) -> bytes:
    return attest(nonce=value)


def _service_nonces() -> Iterator[Case]:
    for role in ("current", "next", "previous"):
        yield affirmed(
            f"service-nonce.{role}-key",
            f"A nonce of the verifier's {role} key.",
            _of(nonce(role)),
            nonce=None,
            service=SERVICE,
        )
    mine = nonce()
    yield affirmed(
        "service-nonce.named",
        "The verifier's nonce, which the Relying Party names too.",
        _of(mine),
        nonce=mine,
        service=SERVICE,
    )
    anywhere = nonce(policy="")
    yield affirmed("service-nonce.any-policy", "A nonce for any policy.", _of(anywhere), nonce=None, service=SERVICE)
    yield affirmed(
        "service-nonce.unguarded", "A verifier that does not count uses.", _of(mine), nonce=None, service=UNGUARDED
    )
    yield affirmed(
        "service-nonce.caller-policy",
        "The policy wants the caller's nonce, though the verifier has keys.",
        GOOD,
        policy="caller",
        service=SERVICE,
    )
    yield affirmed(
        "service-nonce.no-nonce-policy",
        "The policy wants no nonce, though the verifier has keys.",
        GOOD,
        policy="no-nonce",
        nonce=None,
        service=SERVICE,
    )
    yield rejected(
        "service-null",
        "The verifier issues nonces and the document has none.",
        attest(nonce=None),
        MISSING,
        nonce=None,
        service=SERVICE,
    )
    yield rejected(
        "service-empty",
        "The verifier issues nonces and the document's is empty.",
        _of(b""),
        MISSING,
        nonce=None,
        service=SERVICE,
    )
    other = nonce(policy="")
    yield rejected(
        "service-other",
        "A nonce of the verifier's, but not the one that the Relying Party names.",
        _of(mine),
        MISMATCH,
        nonce=other,
        service=SERVICE,
    )
    yield rejected(
        "service-callers-own",
        "The Relying Party names another nonce than the document's, and neither is the verifier's.",
        GOOD,
        MISMATCH,
        UNKNOWN,
        nonce=bytes(32),
        service=SERVICE,
    )


def _unknown_nonces() -> Iterator[Case]:
    mine = nonce()
    table = {
        "callers-own": (NONCE, "A nonce that the Relying Party thought of, which anybody could have foreseen."),
        "other-policy": (nonce(policy="patient"), "A nonce for another policy."),
        "other-audience": (
            nonce(audience="https://other.example.invalid"),
            "A nonce of another verifier with the same keys.",
        ),
        "shifted-context": (
            nonce(policy="stricth", audience=AUDIENCE[1:]),
            "Policy and audience cut in another place.",
        ),
        "stranger-key": (nonce("stranger"), "A nonce of a key with a known id."),
        "version-2": (nonce(version=2), "A nonce of version 2."),
        "version-0": (nonce(version=0), "A nonce of version 0."),
        "other-label": (nonce(label=b"nitro-verifier nonce v2\0"), "A MAC made for another purpose."),
        "mac-bit": (mine[:-1] + bytes((mine[-1] ^ 1,)), "One bit of the MAC differs."),
        "mac-zero": (mine[:26] + bytes(32), "The MAC is zero."),
        "time-bit": (mine[:7] + bytes((mine[7] ^ 1,)) + mine[8:], "One bit of the issue time differs."),
        "ttl-longer": (mine[:8] + b"\xff\xff" + mine[10:], "A longer life under the old MAC."),
        "key-id": (mine[:1] + b"\3" + mine[2:], "The id of another key under the old MAC."),
        "short": (mine[:-1], "A byte is missing."),
        "long": (mine + b"\0", "A byte too many."),
        "fields-only": (mine[:26], "The fields without the MAC."),
        "empty-mac": (mine[:26] + b"\0", "The fields and a byte."),
        "zero": (bytes(58), "58 zeros."),
    }
    for slug, (value, description) in table.items():
        yield rejected(slug, description, _of(value), UNKNOWN, nonce=None, service=SERVICE)
    retired = nonce("previous")
    yield rejected("retired-key", "A nonce of a key that is gone.", _of(retired), UNKNOWN, nonce=None, service=ONE_KEY)
    yield rejected("named-too", "A foreign nonce, which the Relying Party names too.", GOOD, UNKNOWN, service=SERVICE)


def _nonce_times() -> Iterator[Case]:
    mine = _of(nonce())
    end = AT + seconds(50)
    yield affirmed(
        "service-nonce.last-millisecond",
        "The nonce's last millisecond.",
        mine,
        nonce=None,
        service=SERVICE,
        at=end - seconds(0.001),
    )
    yield rejected("on-time", "The moment in which the nonce ends.", mine, EXPIRED, nonce=None, service=SERVICE, at=end)
    yield rejected(
        "long-ago",
        "A nonce of an hour ago.",
        mine,
        EXPIRED,
        policy="strict",
        nonce=None,
        service=SERVICE,
        at=AT + seconds(200),
    )
    ahead = nonce(issued_at=NOW + 30_001)
    late = attest(nonce=ahead, timestamp=NOW + 30_000)
    yield rejected(
        "replica-ahead",
        "A nonce of a replica whose clock is 30.001 seconds ahead.",
        late,
        EARLY,
        nonce=None,
        service=SERVICE,
    )
    within = nonce(issued_at=NOW + 30_000)
    yield affirmed(
        "service-nonce.replica-ahead",
        "A nonce of a replica whose clock is 30 seconds ahead.",
        attest(nonce=within, timestamp=NOW),
        nonce=None,
        service=SERVICE,
    )
    before = attest(nonce=nonce(), timestamp=ISSUED_AT - 30_001)
    yield rejected(
        "foreseen", "Made 30.001 seconds before the nonce was issued.", before, PREDATES, nonce=None, service=SERVICE
    )
    edge = attest(nonce=nonce(), timestamp=ISSUED_AT - 30_000)
    yield affirmed(
        "service-nonce.within-skew",
        "Made 30 seconds before the nonce was issued: clocks differ.",
        edge,
        nonce=None,
        service=SERVICE,
    )
    minute = attest(nonce=nonce(), timestamp=ISSUED_AT - 60_000)
    yield rejected(
        "a-minute", "Made a minute before the nonce was issued.", minute, PREDATES, nonce=None, service=SERVICE
    )


def _replays() -> Iterator[Case]:
    first = _of(nonce())

    def after(evidence: bytes, verdict: str = "affirmed") -> tuple[Before, ...]:
        return (Before(evidence=evidence, verdict=verdict, nonce=None),)

    low, high = twin(high=False, evidence=first), twin(high=True, evidence=first)
    yield rejected(
        "same-bytes", "The same document again.", first, REPLAYED, nonce=None, service=SERVICE, before=after(first)
    )
    yield rejected(
        "twin-high",
        "Its twin with the other s: other bytes, the same nonce.",
        high,
        REPLAYED,
        nonce=None,
        service=SERVICE,
        before=after(low),
    )
    yield rejected(
        "twin-low", "The same, the other way round.", low, REPLAYED, nonce=None, service=SERVICE, before=after(high)
    )
    yield rejected(
        "tagged",
        "The same document with tag 18.",
        b"\xd2" + first,
        REPLAYED,
        nonce=None,
        service=SERVICE,
        before=after(first),
    )
    newer = attest(nonce=nonce(), timestamp=NOW, user_data=b"another")
    yield rejected(
        "other-document",
        "Another document with the same nonce.",
        newer,
        REPLAYED,
        nonce=None,
        service=SERVICE,
        before=after(first),
    )
    wrong = attest(nonce=nonce(), pcrs={**PCRS, 1: ZERO})
    yield affirmed(
        "service-nonce.after-refusal",
        "A refused document does not use up its nonce.",
        first,
        nonce=None,
        service=SERVICE,
        before=after(wrong, "rejected"),
    )
    forged = first[:-1] + bytes((first[-1] ^ 1,))
    yield affirmed(
        "service-nonce.after-forgery",
        "A forged document does not use up its nonce.",
        first,
        nonce=None,
        service=SERVICE,
        before=after(forged, "rejected"),
    )
    yield affirmed(
        "service-nonce.replay-unguarded",
        "Without a guard a replay within the nonce's life is not seen.",
        first,
        nonce=None,
        service=UNGUARDED,
        before=after(first),
    )
    other = _of(nonce(policy=""))
    yield affirmed(
        "service-nonce.second-nonce",
        "Another nonce after the first.",
        other,
        nonce=None,
        service=SERVICE,
        before=after(first),
    )
    yield rejected(
        "and-wrong-build",
        "A replay that is wrong anyway does not ask the guard.",
        wrong,
        "measurement.unmeasured",
        "measurement.pcr-mismatch",
        nonce=None,
        service=SERVICE,
        before=after(first),
    )
