"""A verifier that answers what it is told to, one question for each connection, over plain HTTP or TLS."""

import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from verifier.ear.strict_json import encode_bytes

NONCE = bytes(range(58))
DOCUMENT = b"a document"
Handler = Callable[["Request"], bytes | None]
CLAIMS: dict[str, Any] = {
    "module_id": "i-0123456789abcdef0-enc0123456789abcdef",
    "timestamp": "2026-03-01T12:00:00.000Z",
    "digest": "SHA384",
    "pcrs": {"0": "11" * 48, "8": "88" * 48},
    "user_data": None,
    "public_key": "AQID",
    "nonce": encode_bytes(NONCE),
    "debug": False,
    "unrecognised_fields": [],
    "certificate": {"not_before": "2026-03-01T11:00:00.000Z", "not_after": "2026-03-01T14:00:00.000Z"},
}
REASON = {"code": "measurement.pcr-mismatch", "detail": "PCR0", "hint": "rebuild"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the verifier was asked."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """What the request is for."""
        return self.line.split(" ")[1]

    @property
    def query(self) -> dict[str, list[str]]:
        """What is in the target's query."""
        return parse_qs(urlsplit(self.target).query, strict_parsing=True)


@dataclass(slots=True, kw_only=True)
class FakeVerifier:
    """Answers each connection with the next of its handlers, and the last one from then on."""

    listener: socket.socket
    handlers: list[Handler]
    tls: ssl.SSLContext | None
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is, for a client."""
        if self.listener.family == socket.AF_UNIX:
            return f"unix:{self.listener.getsockname()}"
        scheme = "https" if self.tls else "http"
        return f"{scheme}://localhost:{self.listener.getsockname()[1]}"


def http(status: int, body: object = b"", media_type: str = "application/json", **headers: str) -> bytes:
    """Write an answer; header names have underscores for hyphens."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": media_type, "Content-Length": str(len(octets)), "Connection": "close"}
    fields |= {name.replace("_", "-"): text for name, text in headers.items()}
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + octets


def problem(status: int, slug: str, detail: str = "d", **headers: str) -> bytes:
    body = {"type": f"urn:nitro-verifier:problem:{slug}", "title": "t", "status": status, "detail": detail}
    return http(status, body, "application/problem+json", **headers)


def nonce_body(**changes: object) -> dict[str, object]:
    body = {"nonce": encode_bytes(NONCE), "issued_at": "2026-03-01T12:00:00Z", "expires_at": "2026-03-01T12:05:00Z"}
    return body | changes


def give_nonce(_: Request) -> bytes:
    return http(201, nonce_body())


def result_body(document: bytes = DOCUMENT, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The result that affirms a document; ``a__b`` changes what is at b in a."""
    body: dict[str, Any] = {
        "verdict": "affirmed",
        "reasons": [],
        "policy": {"name": "payments", "sha256": "ab" * 32, "debug": "reject"},
        "build": "v1",
        "freshness": {"mode": "service-nonce", "age_ms": 412, "single_use": "host"},
        "anchor": {"name": "aws-nitro-root-g1", "sha256": "cd" * 32},
        "claims": dict(CLAIMS),
        "evidence_sha256": hashlib.sha256(document).hexdigest(),
        "evaluated_at": "2026-03-01T12:00:05.000Z",
        "request_id": "r-1",
    }
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner:
            body[outer][inner] = value
        else:
            body[outer] = value
    return body


def rejected_body(document: bytes = DOCUMENT, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return result_body(document, **({"verdict": "rejected", "reasons": [REASON], "build": None} | changes))


def affirm(request: Request) -> bytes:
    return http(200, result_body(request.body), Attestation_Verdict="affirmed")


def reject(request: Request) -> bytes:
    return http(422, rejected_body(request.body), Attestation_Verdict="rejected")


def always(answer: bytes | None) -> Handler:
    return lambda _: answer


def by_path(**handlers: Handler) -> Handler:
    """Answer by the last word of the path, without its extension."""
    return lambda request: handlers[urlsplit(request.target).path.rpartition("/")[2].partition(".")[0]](request)


@contextmanager
def verifier(*handlers: Handler, tls: ssl.SSLContext | None = None, path: str | None = None) -> Iterator[FakeVerifier]:
    """Run a fake verifier until the block ends, on a Unix socket where there is a path."""
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    listener.bind(path or ("127.0.0.1", 0))
    listener.listen()
    fake = FakeVerifier(listener=listener, handlers=list(handlers), tls=tls)
    thread = threading.Thread(target=_serve, args=(fake,))
    thread.start()
    try:
        yield fake
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def _serve(fake: FakeVerifier) -> None:
    with ThreadPoolExecutor() as threads:
        while True:
            try:
                sock, _ = fake.listener.accept()
            except OSError:
                return
            handler = fake.handlers.pop(0) if len(fake.handlers) > 1 else fake.handlers[0]
            threads.submit(_answer, sock, fake, handler)


def _answer(sock: socket.socket, fake: FakeVerifier, handler: Handler) -> None:
    with sock, suppress(OSError):  # it has gone, as it should where it is sent too much or trusts nobody
        stream = fake.tls.wrap_socket(sock, server_side=True) if fake.tls else sock
        request = _read(stream)
        fake.requests.append(request)
        answer = handler(request)
        if answer is not None:
            stream.sendall(answer)
        if stream is not sock:
            stream.close()


def _read(sock: socket.socket) -> Request:
    with sock.makefile("rb") as stream:
        line = stream.readline().decode().rstrip()
        headers = {}
        while text := stream.readline().decode().rstrip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        return Request(line=line, headers=headers, body=stream.read(int(headers.get("content-length", "0"))))
