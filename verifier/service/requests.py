"""Requests as handlers see them: aiohttp's, or those of the short way, which are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.http_parser import RawRequestMessage
    from multidict import CIMultiDictProxy
    from yarl import URL

    from verifier.service.connections import Connection


class Request(Protocol):
    """What the handlers of the short way use of a request, and nothing else."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields."""
        ...

    @property
    def method(self) -> str:
        """The method, in capitals."""
        ...

    @property
    def raw_path(self) -> str:
        """The request's target as it was sent."""
        ...

    @property
    def rel_url(self) -> URL:
        """The target as a URL without its origin."""
        ...

    @property
    def content_length(self) -> int | None:
        """What the header says."""
        ...

    @property
    def protocol(self) -> web.RequestHandler:
        """The connection that it came over."""
        ...

    def __getitem__(self, key: web.RequestKey[str], /) -> str:
        """Give what was noted of this request."""
        ...

    def __setitem__(self, key: web.RequestKey[str], value: str, /) -> None:
        """Note something of this request."""
        ...


class WholeRequest:
    """A request whose body is there."""

    __slots__ = ("_notes", "body", "content_length", "headers", "method", "protocol", "raw_path", "rel_url")

    def __init__(self, message: RawRequestMessage, body: bytes, connection: Connection) -> None:
        """Make a request of a head that aiohttp's parser has read, and of its body."""
        self.headers = message.headers
        self.method = message.method
        self.raw_path = message.path
        self.rel_url = message.url
        self.content_length = len(body)
        self.body = body
        self.protocol = connection
        self._notes: dict[web.RequestKey[str], str] = {}

    def __getitem__(self, key: web.RequestKey[str]) -> str:
        """Give what was noted of this request."""
        return self._notes[key]

    def __setitem__(self, key: web.RequestKey[str], value: str) -> None:
        """Note something of this request."""
        self._notes[key] = value
