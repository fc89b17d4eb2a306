"""The worst that anyone can send over HTTP: what a request costs the service, against an honest cold document there.

The service remembers no paths, so an honest document costs it all five signatures. Every request has a connection of
its own. Exits 1 when one costs more than ``LIMIT`` honest ones, or is affirmed.

    python bench/hostile_http.py [--rounds 9] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from bench.http_service import Corpus, serving, write_configuration
from bench.machine import Watch
from verifier.evidence.envelope import MAX_EVIDENCE_BYTES
from verifier.service.bodies import MAX_JSON_BODY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.http_service import Server

LIMIT = 3.0
REQUESTS = 20
"""In one sample."""
PATIENCE_S = 15.0
JSON_BYTES = MAX_JSON_BODY - 100
"""What the service takes, less what stands around the bulk; more is refused by its length alone."""


def main() -> int:
    """Measure, print the worst, and say whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    watch, corpus = Watch(), Corpus()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, write_configuration(folder, corpus), ("--path-cache", "0")) as server:
            ratios, statuses = measure(server, corpus, arguments.rounds)
    ranking = sorted(ratios.items(), key=lambda item: item[1], reverse=True)
    for what, ratio in ranking:
        print(f"{ratio:6.2f}  {statuses[what]}  {what}")
    print(f"worst {ranking[0][1]:.2f}, limit {LIMIT}; others had {watch.others():.0%} of the machine")
    if arguments.json is not None:
        report = {"limit": LIMIT, "worst": dict(ranking), "statuses": statuses}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(ranking[0][1] > LIMIT or "200" in statuses.values())


def measure(server: Server, corpus: Corpus, rounds: int) -> tuple[dict[str, float], dict[str, str]]:
    """Give each attack's cost as the median ratio to honest requests sent right before, and its status."""
    ratios, statuses = {}, {}
    honest = corpus.request_for(corpus.document(), "open")
    for name, attack in attacks(corpus):
        statuses[name] = exchange(server, attack)
        pairs = [(cost(server, honest), cost(server, attack)) for _ in range(rounds)]
        ratios[name] = statistics.median(one / base for base, one in pairs)
    return ratios, statuses


def cost(server: Server, request: bytes) -> float:
    """Give the processor time of a batch of the same request."""
    before = server.processor_s()
    for _ in range(REQUESTS):
        exchange(server, request)
    return server.processor_s() - before


def exchange(server: Server, request: bytes) -> str:
    """Send it over a new connection; give the first answer's status, or nothing if there was none."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as sock:
        try:
            sock.sendall(request)
            return sock.recv(1 << 16)[9:12].decode()
        except ConnectionError:
            return ""


def attacks(corpus: Corpus) -> Iterator[tuple[str, bytes]]:
    """Make requests as dear as the limits allow."""
    document = corpus.document()
    text = b64encode(document).decode()
    forged = document[:-1] + bytes([document[-1] ^ 1])
    yield "a document whose signature is forged", corpus.request_for(forged, "open")
    yield "the largest body, of nothing", corpus.request_for(bytes(MAX_EVIDENCE_BYTES), "open")
    yield "the largest body, of arrays in arrays", corpus.request_for(b"\x81" * MAX_EVIDENCE_BYTES, "open")
    yield "a body that is too large", corpus.request_for(bytes(1 << 20), "open")
    bodies = {
        "JSON: arrays in arrays": b"[" * JSON_BYTES,
        "JSON: an unknown member of empty arrays": b'{"x":[' + b"[]," * (JSON_BYTES // 3) + b"[]]}",
        "JSON: thousands of members": b"{" + b",".join(b'"%d":0' % number for number in range(JSON_BYTES // 10)) + b"}",
        "JSON: a document of blanks": b'{"document":"%b","policy":"open"}' % (b" " * JSON_BYTES),
        "JSON: a document of escapes": b'{"document":"%b","policy":"open"}' % (b"\\u0041" * (JSON_BYTES // 6)),
        "JSON: a long name of a policy": json.dumps(
            {"document": text, "policy": "p" * (JSON_BYTES - len(text))}
        ).encode(),
        "JSON: the same member again and again": b"{" + b'"policy":"open",' * (JSON_BYTES // 17) + b'"policy":"open"}',
    }
    for name, body in bodies.items():
        yield name, _post("/v1/verify", body, "Content-Type: application/json")
    names = "&".join(f"p{number}=1" for number in range(900))
    cose = "Content-Type: application/cose"
    yield "a query of 900 parameters", _post(f"/v1/verify?policy=open&{names}", document, cose)
    yield "a query of escapes", _post("/v1/verify?policy=" + "%6f" * 2500, document, cose)
    yield "a hundred headers", _post("/v1/verify?policy=open", forged, cose, *(f"X-{n}: 1" for n in range(100)))
    yield "a forged document in chunks of one byte", _chunked(forged)
    yield "the largest body in chunks of one byte", _chunked(bytes(MAX_EVIDENCE_BYTES))


def _post(target: str, body: bytes, *headers: str) -> bytes:
    lines = (f"POST {target} HTTP/1.1", "Host: bench", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


def _chunked(body: bytes) -> bytes:
    head = b"POST /v1/verify?policy=open HTTP/1.1\r\nHost: bench\r\nContent-Type: application/cose\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in body)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


if __name__ == "__main__":
    sys.exit(main())
