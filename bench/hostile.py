"""The worst that anyone can send: what the costliest input takes, against one honest cold verification in the same run.

Appraises and explains every evidence of the vectors, and inputs made here to be as dear as the limits allow, with
nothing cached. Exits 1 when one costs more than ``LIMIT`` honest ones.

    python bench/hostile.py [--rounds 15] [--worst 10] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.pki import AT, Corpus, make_corpus
from issuer.nsm import (
    AttestationFields,
    CertificateSpec,
    SeededKeys,
    ThrowawayPki,
    build_pcrs,
    encode_payload,
    issue_chain,
    sign1,
)
from verifier import PathCache, Policy, TrustAnchor, Verifier, load_anchor, read_policy
from verifier.evidence.envelope import MAX_EVIDENCE_BYTES
from verifier.explanation import explain
from verifier.service.explanations import explanation_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[["Verifier", "Attack"], None]

LIMIT = 3.0
VECTORS = Path(__file__).resolve().parent.parent / "vectors"
_KEYS = SeededKeys(seed=b"nitro-verifier hostile benchmark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One input and the verifier it meets, without any cache."""

    name: str
    evidence: bytes
    anchors: tuple[TrustAnchor, ...]
    policy: Policy | None
    at: datetime


def main() -> int:
    """Measure, print the worst, and say whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--worst", type=int, default=10)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    corpus = make_corpus(leaves=1, documents_per_leaf=1)
    attacks = [*vector_attacks(), *made_attacks(corpus)]
    worst: dict[str, float] = {}
    for what, ask in (("verify", _verify), ("explain", _explain)):
        ratios = measure(_honest(corpus), attacks, arguments.rounds, ask)
        ranking = sorted(ratios.items(), key=lambda item: item[1], reverse=True)
        print(f"{what}: {len(attacks)} inputs; cost in honest cold verifications, median of {arguments.rounds}")
        for name, ratio in ranking[: arguments.worst]:
            print(f"{ratio:6.2f}  {name}")
        worst |= {f"{what}, {name}": ratio for name, ratio in ranking[: arguments.worst]}
    print(f"worst {max(worst.values()):.2f}, limit {LIMIT}")
    if arguments.json is not None:
        report = {"inputs": len(attacks), "limit": LIMIT, "worst": worst}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(max(worst.values()) > LIMIT)


def measure(honest: Attack, attacks: list[Attack], rounds: int, ask: Ask) -> dict[str, float]:
    """Give each attack's cost as the median ratio to an honest verification timed right before it."""
    ratios = {}
    for attack in attacks:
        pairs = [(_cost(honest, _verify), _cost(attack, ask)) for _ in range(rounds)]
        ratios[attack.name] = statistics.median(cost / base for base, cost in pairs)
    return ratios


def _cost(attack: Attack, ask: Ask) -> int:
    verifier = Verifier(anchors=attack.anchors, cache=PathCache(leaves=0))
    started = time.process_time_ns()
    ask(verifier, attack)
    return time.process_time_ns() - started


def _verify(verifier: Verifier, attack: Attack) -> None:
    verifier.appraise(attack.evidence, policy=attack.policy, at=attack.at)


def _explain(verifier: Verifier, attack: Attack) -> None:
    """Explain, and write what the service would answer."""
    explanation_body(explain(verifier, attack.evidence, policy=attack.policy, at=attack.at))


def _honest(corpus: Corpus) -> Attack:
    return _attack("honest", corpus.documents[0][0], corpus)


def _attack(name: str, evidence: bytes, corpus: Corpus) -> Attack:
    return Attack(name=name, evidence=evidence, anchors=(corpus.anchor,), policy=corpus.policy, at=AT)


def vector_attacks() -> Iterator[Attack]:
    """Read every case of the vectors that appraises evidence, once for each evidence and time."""
    seen = set()
    for path in sorted(VECTORS.glob("cases/**/*.json")):
        content = json.loads(path.read_text())
        for case in content if isinstance(content, list) else [content]:
            key = (case.get("evidence"), case.get("at"))
            if case.get("evidence") and key not in seen:
                seen.add(key)
                yield _vector(case)


def _vector(case: dict[str, Any]) -> Attack:
    policy = case["policy"] and read_policy((VECTORS / case["policy"]).read_text())
    anchors = tuple(
        load_anchor((VECTORS / anchor["file"]).read_bytes(), name=anchor["name"], sha256=anchor["sha256"])
        for anchor in case["anchors"]
    )
    return Attack(
        name=case["id"],
        evidence=(VECTORS / case["evidence"]).read_bytes(),
        anchors=anchors,
        policy=policy or None,
        at=datetime.fromisoformat(case["at"]),
    )


def made_attacks(corpus: Corpus) -> Iterator[Attack]:
    """Make the dearest inputs that the limits let through."""
    for name, evidence in (*_stuffed_payloads(), *_bundles(corpus)):
        yield _attack(name, evidence, corpus)


def _stuffed_payloads() -> Iterator[tuple[str, bytes]]:
    """Payloads of the full size whose every byte is an item, under a signature that is never reached."""
    room = MAX_EVIDENCE_BYTES - 256
    key = _KEYS.private_key("nobody")
    numbers = b"".join(b"\x19" + number.to_bytes(2) + b"\x00" for number in range(room // 4))
    payloads = {
        "array of ones": b"\x99" + room.to_bytes(2) + b"\x01" * room,
        "indefinite array of ones": b"\x9f" + b"\x01" * room + b"\xff",
        "map of numbers": b"\xb9" + (room // 4).to_bytes(2) + numbers,
        "indefinite map of numbers": b"\xbf" + numbers + b"\xff",
        "empty arrays in arrays": b"\x9f" * room,
        "field of empty arrays": b"\xa1\x61a\x99" + (room - 6).to_bytes(2) + b"\x80" * (room - 6),
        "indefinite map, field of empty arrays": b"\xbf\x61a\x99"
        + (room - 9).to_bytes(2)
        + b"\x80" * (room - 9)
        + b"".join(bytes((0x61, letter, 0)) for letter in b"bcdefghij")
        + b"\xff",
        "one long text": b"\x79" + room.to_bytes(2) + b"\xc3\xa9" * (room // 2),
        "arrays as keys": b"\xb9"
        + (room // 6).to_bytes(2)
        + b"".join(b"\x82\x19" + number.to_bytes(2) + b"\x00\x00" for number in range(room // 6)),
    }
    for name, payload in payloads.items():
        yield f"made: {name}", sign1(payload, key)
    yield "made: long protected header", b"\x84\x59" + room.to_bytes(2) + b"\xa1" + b"\x81" * (room - 1)


def _bundles(corpus: Corpus) -> Iterator[tuple[str, bytes]]:
    """Bundles under the trusted root, with the genuine issuers where that helps the attacker."""
    pki = ThrowawayPki(seed=b"nitro-verifier benchmarks, throwaway")
    specs = pki.chain_specs(enclave_id=bytes(8), at=AT)
    stranger = _KEYS.private_key("stranger")
    yield (
        "made: forged leaf under genuine issuers",
        _document((*specs[:-1], replace(specs[-1], issuer_key=stranger)), corpus),
    )
    yield "made: genuine path, forged signature", _document(specs, corpus, flip=True)
    same_name = [replace(specs[0], serial=number + 2, key=_KEYS.private_key(f"ca {number}")) for number in range(7)]
    yield (
        "made: seven issuers named like the root, rightly signed",
        _document((specs[0], *same_name, specs[-1]), corpus),
    )
    impostor = replace(same_name[0], issuer_key=stranger)
    yield (
        "made: seven issuers named like the root, forged",
        _document((specs[0], impostor, *same_name[1:], specs[-1]), corpus),
    )
    deepest = ThrowawayPki(seed=b"nitro-verifier benchmarks, throwaway", intermediates=6)
    yield (
        "made: six genuine issuers, forged signature",
        _document(deepest.chain_specs(enclave_id=bytes(8), at=AT), corpus, flip=True),
    )


def _document(specs: tuple[CertificateSpec, ...], corpus: Corpus, *, flip: bool = False) -> bytes:
    chain = issue_chain(specs)
    fields = AttestationFields(
        module_id="i-0-enc0",
        timestamp=int(AT.timestamp() * 1000),
        pcrs=build_pcrs("bench"),
        certificate=chain.certificate,
        cabundle=(corpus.anchor.certificate.der, *chain.cabundle[1:]),
    )
    document = sign1(encode_payload(fields), chain.key)
    return document[:-1] + bytes([document[-1] ^ 1]) if flip else document


if __name__ == "__main__":
    sys.exit(main())
