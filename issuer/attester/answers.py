"""One HTTP question and its answer: `http.client` over a connection of `issuer.vsock`, within a time and a size.

Every question has a connection of its own, so an idle one that the verifier has just closed is never mistaken for a
lost answer. Nothing is asked twice here, redirects are not followed, and no proxy of the environment is used. The sizes
hold for all that is read, head and chunks included: what answers is on the parent's side of the door.
"""

import http.client
import io
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from issuer.attester.errors import VerifierProtocolError, VerifierUnavailableError
from issuer.vsock.addresses import Address, TcpAddress
from issuer.vsock.errors import ConnectFailedError, ResolutionError
from issuer.vsock.outgoing import connect
from issuer.vsock.polling import Deadline
from issuer.vsock.transport import prepare

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BODY_BYTES: Final = 64 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
MAX_RETRY_AFTER_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, as it came; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The body's media type alone."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> float | None:
        """The seconds to wait before asking again; a date is passed over, since an enclave's clock may be anything."""
        text = self.headers.get("retry-after", "")
        whole = text.isascii() and text.isdecimal() and len(text) <= MAX_RETRY_AFTER_DIGITS
        return float(text) if whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to POST, and where."""

    address: Address
    target: str
    body: bytes
    content_type: str


def ask(question: Question, *, connect_s: float, exchange_s: float) -> Answer:
    """POST once.

    Raises:
        VerifierUnavailableError: nobody was there, or no whole answer came in time; whether the question was acted upon
            is not known.
        VerifierProtocolError: the answer is not HTTP, or too large.
        TransportUnavailableError: this machine has no such sockets.
    """
    deadline = Deadline(exchange_s)
    try:
        sock = connect(question.address, timeout=min(connect_s, exchange_s))
    except (ConnectFailedError, ResolutionError) as error:
        raise VerifierUnavailableError(f"{question.address}: {error}") from error
    line = _Line(sock, deadline)
    with closing(sock), _as_ours(question.address, line):
        prepare(sock)  # head and body leave at once
        return _exchange(line, question)


def _exchange(line: "_Line", question: Question) -> Answer:
    connection = http.client.HTTPConnection(_host(question.address))
    connection.sock = line
    headers = {"Content-Type": question.content_type, "Accept": "application/json", "Connection": "close"}
    connection.request("POST", question.target, question.body, headers)
    with connection.getresponse() as response:
        if line.ended:  # within the head, which http.client takes for its last line
            raise http.client.IncompleteRead(b"")
        body = _body(response)
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=body,
        )


def _body(response: http.client.HTTPResponse) -> bytes:
    """Read the body, asking for one byte more than is allowed and never for as many as the answer announces."""
    if (response.length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    body = response.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    if response.length:  # http.client says nothing when a body is shorter than announced
        raise http.client.IncompleteRead(body, response.length)
    return body


@contextmanager
def _as_ours(address: Address, line: "_Line") -> Iterator[None]:
    """Tell an answer that was lost from one that is wrong; over a vsock a broken connection may look like its end."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if line.ended or isinstance(error, OSError):
            raise VerifierUnavailableError(f"{address}: the answer was lost ({type(error).__name__})") from error
        raise VerifierProtocolError(f"{address}: the answer is not HTTP ({type(error).__name__})") from error


def _host(address: Address) -> str:
    """Name the verifier as HTTP wants it; behind a vsock or a Unix socket there is no name, so any will do."""
    return str(address).removeprefix("tcp:") if isinstance(address, TcpAddress) else "localhost"


def _too_large() -> VerifierProtocolError:
    return VerifierProtocolError(f"the answer has more than {MAX_BODY_BYTES} bytes")


class _Line:
    """What `http.client` needs of a socket, with one deadline for all: a timeout would begin anew at each byte."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self.ended = False

    def sendall(self, data: bytes) -> None:
        """Send everything; for this alone the socket's own timeout covers the whole."""
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Make what the answer is read from."""
        return io.BufferedReader(_Incoming(self))

    def receive_into(self, buffer: "WriteableBuffer") -> int:
        """Receive some, and remember an end."""
        self._sock.settimeout(self._deadline.left())
        received = self._sock.recv_into(buffer)
        self.ended = not received
        return received

    def close(self) -> None:
        """Leave it to whoever connected: `http.client` closes before the answer is read."""


class _Incoming(io.RawIOBase):
    """The bytes of one answer, no more than it may have."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line
        self._left = MAX_HEAD_BYTES + MAX_BODY_BYTES

    def readable(self) -> bool:
        """Say that it can be read, or `io.BufferedReader` would not."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Receive some."""
        received = self._line.receive_into(buffer)
        self._left -= received
        if self._left < 0:
            raise _too_large()
        return received
