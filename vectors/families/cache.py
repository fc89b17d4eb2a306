"""What a verifier may remember: exact bytes that were verified whole, and their windows at every use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from issuer.nsm import IssuedChain, encode_payload, issue_chain, sign1
from vectors.case import Before, affirmed, rejected
from vectors.der import signature_of, with_signature
from vectors.pki import EXPIRING_ROOT
from vectors.world import (
    AT,
    BELOW_ROOT,
    FULL,
    GOOD_FULL,
    INSTANCE,
    ISSUED_AT,
    KEY,
    KEYS,
    LEAF,
    OTHER_PKI,
    PKI,
    ROOT,
    SPECS,
    attest,
    exchange,
    fields,
    milliseconds,
    respecify,
    rewrap,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from vectors.case import Case

_ORDER = KEY.curve.group_order
_LATER = AT + seconds(601)
_OTHER_LEAF = PKI.chain_specs(enclave_id=bytes(8), at=ISSUED_AT)[LEAF]


def certificate_twin(der: bytes) -> bytes:
    """Give the certificate with (r, n - s), which is as valid as (r, s)."""
    r, s = decode_dss_signature(signature_of(der))
    return with_signature(der, encode_dss_signature(r, _ORDER - s))


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _twins()
    yield from _same_key()
    yield from _expired_while_warm()
    yield from _poisoned()


def _warm(evidence: bytes = GOOD_FULL, verdict: str = "affirmed", at: datetime = AT) -> tuple[Before, ...]:
    return (Before(evidence=evidence, verdict=verdict, at=at),)


def _twins() -> Iterator[Case]:
    for name, level in BELOW_ROOT.items():
        evidence = attest(rewrap(level, certificate_twin))
        description = f"The {name} certificate with (r, n - s): other bytes, so another path, and as valid."
        yield affirmed(f"cache.twin-{name}", description, evidence, before=_warm())
        broken = attest(rewrap(level, lambda der: with_signature(der, _one_more(signature_of(der)))))
        description = f"After the good document, the {name} certificate with another s."
        yield rejected(f"warm-other-signature-{name}", description, broken, "path.signature-invalid", before=_warm())
    forged = sign1(encode_payload(fields(FULL)), KEYS.private_key("nobody"))
    yield rejected(
        "warm-path",
        "After the good document, one that another key signed.",
        forged,
        "signature.invalid",
        before=_warm(),
    )
    other = OTHER_PKI.issue(enclave_id=bytes(8), at=ISSUED_AT)
    spliced = replace(FULL, certificate=other.certificate, key=other.key)
    yield rejected(
        "warm-foreign-leaf",
        "After the good document, a foreign leaf under its issuers.",
        attest(spliced),
        "path.signature-invalid",
        before=_warm(),
    )
    spliced = replace(other, certificate=FULL.certificate, key=FULL.key)
    yield rejected(
        "warm-foreign-issuers",
        "After the good document, its leaf under foreign issuers.",
        attest(spliced),
        "path.root-untrusted",
        before=_warm(),
    )


def _same_key() -> Iterator[Case]:
    """A key that was verified once is worth nothing under another issuer: what is remembered is a path, not a key."""
    other = respecify(INSTANCE, key=KEYS.private_key("another instance"))
    yield affirmed(
        "cache.same-key-other-issuer",
        "After the good document, its leaf's key and name certified by another genuine issuer: another path, verified.",
        attest(other),
        before=_warm(),
    )
    attacker = KEYS.private_key("nobody")
    yield rejected(
        "warm-same-key-forged-issuer",
        "After the good document, its leaf's key and name certified by an issuer that nobody certified.",
        attest(respecify(INSTANCE, key=attacker, issuer_key=attacker)),
        "path.signature-invalid",
        before=_warm(),
    )


def _one_more(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, s - 1)


def _issuers_expiring() -> Iterator[tuple[str, IssuedChain, IssuedChain]]:
    """Chains in which one certificate ends ten minutes from now, each with a second leaf under the same issuers."""
    for name, level in BELOW_ROOT.items():
        specs = [replace(spec, not_after=AT + seconds(600)) if at == level else spec for at, spec in enumerate(SPECS)]
        yield (
            name,
            issue_chain(specs),
            issue_chain((*specs[:LEAF], replace(_OTHER_LEAF, not_after=specs[LEAF].not_after))),
        )
    specs = [EXPIRING_ROOT, *SPECS[1:]]
    yield "root", issue_chain(specs), issue_chain((*specs[:LEAF], _OTHER_LEAF))


def _expired_while_warm() -> Iterator[Case]:
    expired = "path.expired"
    for name, chain, sibling in _issuers_expiring():
        anchors = ("expiring-root",) if name == "root" else ("throwaway-root",)
        evidence = attest(chain)
        description = f"The {name} certificate ended since the same document was affirmed."
        yield rejected(
            f"warm-{name}",
            description,
            evidence,
            expired,
            policy="patient",
            anchors=anchors,
            at=_LATER,
            before=_warm(evidence),
        )
        description = f"The {name} certificate ended since a document of another leaf was affirmed."
        yield rejected(
            f"warm-{name}-new-leaf",
            description,
            attest(sibling),
            expired,
            policy="patient",
            anchors=anchors,
            at=_LATER,
            before=_warm(evidence),
        )
        yield affirmed(
            f"cache.until-the-end-{name}",
            f"The {name} certificate's last second, with a warm cache.",
            evidence,
            policy="patient",
            anchors=anchors,
            at=AT + seconds(600),
            before=_warm(evidence),
        )
    early = respecify(INSTANCE, not_before=AT - seconds(5))
    evidence = attest(early)
    yield rejected(
        "warm-clock-set-back",
        "The clock was set back since the same document was affirmed.",
        evidence,
        "path.not-yet-valid",
        at=AT - seconds(60),
        before=_warm(evidence),
    )
    yield rejected(
        "warm-and-old", "The same document a day later.", GOOD_FULL, expired, at=AT + seconds(86_400), before=_warm()
    )


def _poisoned() -> Iterator[Case]:
    """A failure must leave nothing behind, neither trust nor distrust."""
    attacker = KEYS.private_key("nobody")
    forged_leaf = respecify(LEAF, key=attacker, issuer_key=attacker)
    forged_issuer = respecify(INSTANCE, key=attacker, issuer_key=attacker)
    bad_signature = GOOD_FULL[:-1] + bytes((GOOD_FULL[-1] ^ 1,))
    table = {
        "bad-signature": bad_signature,
        "forged-leaf": attest(forged_leaf),
        "forged-issuer": attest(forged_issuer),
        "other-root": attest(exchange(ROOT, OTHER_PKI.root_der)),
    }
    for slug, evidence in table.items():
        description = f"The good document after one that was refused ({slug})."
        yield affirmed(f"cache.after-{slug}", description, GOOD_FULL, before=_warm(evidence, "rejected"))
    issuer = attest(forged_issuer)
    yield rejected(
        "again-forged-issuer",
        "A forged issuer a second time.",
        issuer,
        "path.signature-invalid",
        before=_warm(issuer, "rejected"),
    )
    leaf = attest(forged_leaf)
    yield rejected(
        "again-forged-leaf",
        "A forged leaf a second time.",
        leaf,
        "path.signature-invalid",
        before=_warm(leaf, "rejected"),
    )
    yield rejected(
        "again",
        "A bad signature a second time.",
        bad_signature,
        "signature.invalid",
        before=_warm(bad_signature, "rejected"),
    )
    sibling = issue_chain((*SPECS[:LEAF], _OTHER_LEAF))
    yield affirmed("cache.new-leaf", "A new leaf under issuers that are known.", attest(sibling), before=_warm())
    later = attest(FULL, timestamp=milliseconds(AT) + 60_000)
    yield affirmed(
        "cache.later-document",
        "The enclave's next document under a known leaf.",
        later,
        at=AT + seconds(61),
        before=_warm(),
    )
