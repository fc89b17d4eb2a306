"""A verifier that answers what it is told to, and an NSM whose documents are JSON."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from issuer.vsock import Address, bound_address, listen

NONCE = bytes(range(58))
Handler = Callable[["Request"], bytes | None]


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass(slots=True, kw_only=True)
class FakeNsm:
    """Signs nothing; what it was asked is in what it gives."""

    documents: list[dict[str, str | None]] = field(default_factory=list)

    def attestation(self, *, user_data: bytes | None, nonce: bytes | None, public_key: bytes | None) -> bytes:
        """Write down what was asked."""
        asked = {"user_data": user_data, "nonce": nonce, "public_key": public_key}
        self.documents.append({name: None if value is None else base64url(value) for name, value in asked.items()})
        return json.dumps(self.documents[-1] | {"serial": len(self.documents)}).encode()


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


@dataclass(slots=True, kw_only=True)
class FakeVerifier:
    """Answers each connection with the next of its handlers, and the last one from then on."""

    address: Address
    handlers: list[Handler]
    requests: list[Request] = field(default_factory=list)

    def targets(self) -> list[str]:
        """What the requests were for, in order."""
        return [request.target for request in self.requests]


def http(status: int, body: object = b"", media_type: str = "application/json", **headers: str) -> bytes:
    """Write an answer; header names have underscores for hyphens."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": media_type, "Content-Length": str(len(octets))}
    fields |= {name.replace("_", "-"): text for name, text in headers.items()}
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + octets


def problem(status: int, slug: str, **headers: str) -> bytes:
    body = {"type": f"urn:nitro-verifier:problem:{slug}", "title": "t", "status": status, "detail": "d"}
    return http(status, body, "application/problem+json", **headers)


def nonce(_: Request) -> bytes:
    return http(201, {"nonce": base64url(NONCE), "issued_at": "x", "expires_at": "y"})


def result(request: Request, **changes: object) -> dict[str, Any]:
    """The result that affirms what a request presents."""
    asked = json.loads(request.body)
    return {
        "verdict": "affirmed",
        "reasons": [],
        "policy": {"name": "payments", "sha256": "00", "debug": "reject"},
        "claims": {"nonce": asked["nonce"], "public_key": asked["public_key"], "module_id": "i-x"},
        "evidence_sha256": hashlib.sha256(request.body).hexdigest(),
    } | changes


def affirm(request: Request) -> bytes:
    return http(200, result(request), Attestation_Verdict="affirmed")


REASON = {"code": "measurement.pcr-mismatch", "detail": "PCR0", "hint": "rebuild"}


def reject(request: Request) -> bytes:
    body = result(request, verdict="rejected", reasons=[REASON])
    return http(422, body, Attestation_Verdict="rejected")


def always(answer: bytes | None) -> Handler:
    return lambda _: answer


def hang_up(_: Request) -> None:
    """Close without a word."""


@contextmanager
def verifier(address: Address, *handlers: Handler) -> Iterator[FakeVerifier]:
    """Run a fake verifier until the block ends."""
    listener = listen(address)
    fake = FakeVerifier(address=bound_address(listener), handlers=list(handlers))
    thread = threading.Thread(target=_serve, args=(listener, fake))
    thread.start()
    try:
        yield fake
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def _serve(listener: socket.socket, fake: FakeVerifier) -> None:
    listener.settimeout(None)
    with ThreadPoolExecutor() as threads:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            handler = fake.handlers.pop(0) if len(fake.handlers) > 1 else fake.handlers[0]
            threads.submit(_answer, sock, fake, handler)


def _answer(sock: socket.socket, fake: FakeVerifier, handler: Handler) -> None:
    with sock:
        request = _read(sock)
        fake.requests.append(request)
        answer = handler(request)
        if answer is not None:
            with suppress(OSError):  # it has gone, as it should where it is sent too much
                sock.sendall(answer)


def _read(sock: socket.socket) -> Request:
    with sock.makefile("rb") as stream:
        line = stream.readline().decode().rstrip()
        headers = {}
        while text := stream.readline().decode().rstrip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        return Request(line=line, headers=headers, body=stream.read(int(headers["content-length"])))
