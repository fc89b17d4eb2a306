"""One HTTP question and its answer, over aiohttp, within a time and a size.

Nothing is asked twice here. Redirects are not followed, cookies are not kept, compressed answers are refused, and no
proxy, netrc or other setting of the environment is used. TLS is what `ssl.create_default_context` makes of it, which is
aiohttp's default, or the caller's context.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

import aiohttp

from verifier.client.addresses import Address, parse_address
from verifier.client.errors import VerifierProtocolError, VerifierTimeoutError, VerifierUnavailableError
from verifier.client.limits import Limits

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from multidict import CIMultiDictProxy

MAX_ANSWER_BYTES: Final = 64 * 1024
IDLE_S: Final = 15.0
"""How long a connection is kept for the next question: well below what services and balancers keep theirs for."""
MAX_CONNECTIONS: Final = 100
_SECONDS: Final = re.compile(r"[0-9]{1,6}")
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "nitro-verifier-client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask, below the base URL."""

    method: str
    target: str
    accept: str
    body: bytes = b""
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, as it came."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def header(self, name: str) -> str | None:
        """Give a header that is there exactly once; two of a kind are none."""
        values = self.headers.getall(name, ())
        return values[0] if len(values) == 1 else None

    @property
    def media_type(self) -> str:
        """The body's media type alone."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> float | None:
        """The seconds to wait before asking again; a date is passed over."""
        text = self.header("Retry-After") or ""
        return float(text) if _SECONDS.fullmatch(text) else None


class Connection(TypedDict, total=False):
    """How to reach a verifier; everything may be left out.

    Attributes:
        limits: how long a call may take, and how often a question is asked.
        tls: for a private CA or a client certificate; the system's roots otherwise.
        headers: sent along with everything, such as ``Authorization`` for a gateway.
        allow_plaintext: plain HTTP to another machine, where something else protects the way.
    """

    limits: Limits | None
    tls: ssl.SSLContext | None
    headers: Mapping[str, str] | None
    allow_plaintext: bool


class Transport:
    """Connections to one verifier; they belong to the event loop of the first question."""

    def __init__(
        self,
        base_url: str,
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        allow_plaintext: bool = False,
    ) -> None:
        """Know where to connect; the arguments are those of `Connection`.

        Raises:
            ValueError: the URL is none, or plain HTTP to another machine.
        """
        self.limits: Final = limits or Limits()
        self._address: Final[Address] = parse_address(base_url, allow_plaintext=allow_plaintext)
        self._tls: Final = tls
        self._headers: Final = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def ask(self, question: Question, *, within: float) -> Answer:
        """Ask once.

        Raises:
            VerifierUnavailableError: nobody was there, or no whole answer came.
            VerifierTimeoutError: not in time.
            VerifierProtocolError: the answer is not HTTP, too large or compressed, or it comes from somebody else.
        """
        total = min(self.limits.exchange_s, within)
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=self.limits.connect_s)
        headers = {"Accept": question.accept} | (
            {"Content-Type": question.content_type} if question.content_type else {}
        )
        with _as_ours():
            async with self._opened().request(
                question.method,
                self._address.url + question.target,
                data=question.body or None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await _read(response)
                return Answer(status=response.status, headers=response.headers, body=body)

    async def close(self) -> None:
        """Close every connection, and open none any more."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._session is None:
            self._session, self._loop = self._open(), loop
        if loop is not self._loop:
            raise RuntimeError("an asynchronous client belongs to the event loop that it was first used in")
        return self._session

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector(),
            headers=_HEADERS | self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    def _connector(self) -> aiohttp.BaseConnector:
        if self._address.socket is not None:
            return aiohttp.UnixConnector(self._address.socket, keepalive_timeout=IDLE_S, limit=MAX_CONNECTIONS)
        return aiohttp.TCPConnector(ssl=self._tls or True, keepalive_timeout=IDLE_S, limit=MAX_CONNECTIONS)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, and no more of it than is allowed."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise VerifierProtocolError("the answer is compressed", status=response.status)
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise VerifierProtocolError(f"the answer has more than {MAX_ANSWER_BYTES} bytes", status=response.status)
    return bytes(body)


@contextmanager
def _as_ours() -> Iterator[None]:
    """Turn what aiohttp raises into what a caller can act upon; the order is from the particular to the general."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise VerifierTimeoutError("no connection in time", unheard=True) from error
    except TimeoutError as error:
        raise VerifierTimeoutError("no answer in time") from error
    except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as error:
        raise VerifierProtocolError(f"TLS failed ({type(error).__name__}): {error}") from error
    except aiohttp.ClientConnectorError as error:
        raise VerifierUnavailableError(f"no connection: {error}", unheard=True) from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise VerifierUnavailableError(f"the answer was lost ({type(error).__name__})") from error
    except aiohttp.ClientError as error:
        raise VerifierProtocolError(f"the answer is not HTTP ({type(error).__name__})") from error
