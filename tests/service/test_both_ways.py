"""Any request is answered the same on the short way and on the long one: many of them, put together by chance."""

import json
import random
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import StreamReader
from aiohttp.http_parser import RawRequestMessage

from tests.service.harness import COSE, Running, base64url, enclave, make_settings, running, stranger
from verifier.service.connections import Connection
from verifier.service.shortcut import Known, Shortcut

JSON = "application/json"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
VARIES = re.compile(
    rb'(?im)^(?:date|content-length): [^\r]*|[0-9a-f]{32}|-?[0-9.]+ s (?:ahead|old)|"age_ms":-?[0-9]+'
    rb'|"(?:evaluated_at|issued_at|expires_at|nonce)":"[^"]*"'
)
REQUESTS = 250

DOCUMENT = enclave().attestation()
BODIES = (
    (COSE, DOCUMENT),
    (COSE, stranger().attestation()),
    (COSE, b""),
    (COSE, DOCUMENT[:-1]),
    (COSE, bytes(16385)),
    ("text/plain", b"noise"),
    (JSON, json.dumps({"document": base64url(DOCUMENT), "policy": "open"}).encode()),
    (JSON, b'{"document": "", "policy": "open", "extra": 1}'),
    (JSON, b'{"document": "AAAA", "policy": "open", "policy": "open"}'),
    (JSON, b'{"policy": "\\ud800"}'),
    (JSON, b'{"ttl": 5}'),
    (JSON, b"\xff"),
)
TARGETS = (
    "/v1/verify?policy=open",
    "/v1/verify?policy=open&reject_status=200",
    "/v1/verify?policy=payments&nonce=AAAA",
    "/v1/verify?policy=open&at=document",
    "/v1/verify?policy=op%0d%0aX:y",
    "/v1/verify?%ff=%zz",
    "/v1/verify?policy=open#f",
    "/v1/verify#f?policy=open",
    "/v1/verify",
    "/v1/nonces",
    "/v1/nonces?x=1",
    "//v1/verify?policy=open",
    "http://x/v1/verify?policy=open",
)
HEADERS = (
    "Accept: */*",
    "Accept: text/html",
    "Accept: application/json;q=0",
    "Accept: application/eat+jwt",
    f"Accept: {'a,' * 600}",
    "Connection: keep-alive",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Content-Length: 5",
    "Content-Type: text/plain",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Proxy-Connection: close",
    "Transfer-Encoding: identity",
    "Upgrade: h2c",
    "X-Request-Id: abc",
    "X-Request-Id: abc\r\nX-Request-Id: def",
    "X-Request-Id: a\tb",
    "X: \xe9",
    "X: a\r\n folded",
    "A b: c",
)


def put_together(chance: random.Random) -> bytes:
    """A request whose body is as long as it says, if it can be read at all."""
    media_type, body = chance.choice(BODIES)
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"))
    method = chance.choice(("POST", "POST", "POST", "PUT"))
    lines = [f"Content-Length: {len(body)}", f"Content-Type: {media_type}"]
    lines += chance.sample(HEADERS, chance.choice((0, 1, 1, 2, 3)))
    chance.shuffle(lines)
    head = "\r\n".join((f"{method} {chance.choice(TARGETS)} {version}", "Host: x", *lines, "", ""))
    return head.encode("latin-1") + body


def ask(service: Running, request: bytes) -> bytes:
    """Give all that is answered to a request, and to another one behind it."""
    with service.connect() as stream:
        stream.sendall(request)
        answers = stream.recv(1 << 16)
        with suppress(ConnectionError):  # it was closed, as some answers say
            stream.sendall(LAST)
            while more := stream.recv(1 << 16):
                answers += more
    return VARIES.sub(b"", answers)


@dataclass
class Barred:
    """The short way with a bar across it, and how many requests it answered while that was up."""

    real: Shortcut
    open: bool = True
    taken: int = 0
    again: int = 0

    def answer(self, message: RawRequestMessage, payload: StreamReader, connection: Connection, raw: bytes) -> bool:
        """Answer, and count."""
        done = self.open and self.real.answer(message, payload, connection, raw)
        self.taken += done
        return done

    def answer_again(self, data: bytes, connection: Connection) -> Known:
        """Answer what is known by its head, and count."""
        known = self.real.answer_again(data, connection) if self.open else Known.NO
        self.again += known is Known.ANSWERED
        return known


def test_any_request_is_answered_the_same_on_both_ways(tmp_path: Path) -> None:
    """What a client is told, and whether it may go on, would hang on how its bytes were cut into packets."""
    chance = random.Random(20)
    with running(make_settings(tmp_path, issuer="https://v.example", ephemeral_signing_key=True)) as service:
        real = service.service.shortcut
        assert real is not None
        barred = Barred(real=real)
        service.service.shortcut = cast("Shortcut", barred)
        for _ in range(REQUESTS):
            request = put_together(chance)
            barred.open = True
            short, again = ask(service, request), ask(service, request)
            barred.open = False
            assert short == again == ask(service, request), request
        assert barred.taken > REQUESTS // 5
        assert barred.again > REQUESTS // 5
        assert service.metric("in_flight") == service.metric("bugs_total") == 0
