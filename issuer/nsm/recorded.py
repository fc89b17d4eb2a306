"""Recorded exchanges, played back: what a real driver and NSM answered, without either.

A recording may hold only the first bytes of a long request beside its whole length. Two requests that agree in both
are one to this backend, so a cut request proves nothing about what follows the cut.
"""

import errno
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from issuer.nsm.codec import decode_request
from issuer.nsm.device import MAX_REPLY_BYTES
from issuer.nsm.errors import InvalidOperationError, driver_failure
from issuer.nsm.requests import Request

Matching: TypeAlias = Literal["strict", "lenient"]


class NotRecordedError(LookupError):
    """The recording has no such exchange, or not at this place. Not an NsmError: it says nothing about an NSM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        request: its first bytes, or all of them.
        request_size: how many it had.
        reply: what came back; None when the driver failed.
        errno: the driver's failure; None when a reply came.
        name: for people.
        reply_room: what the caller offered for the reply; the driver cuts what does not fit.
    """

    request: bytes
    request_size: int
    reply: bytes | None
    errno: int | None = None
    name: str = ""
    reply_room: int = MAX_REPLY_BYTES

    @property
    def is_cut(self) -> bool:
        """Whether the recording lacks the request's end."""
        return len(self.request) < self.request_size

    def has(self, request: bytes) -> bool:
        """Whether this is that request, as far as was recorded."""
        return len(request) == self.request_size and request.startswith(self.request)

    def means(self, request: bytes) -> bool:
        """Whether this asks the same as that request, in whatever form."""
        if self.has(request):
            return True
        asked = _meaning(request)
        return asked is not None and not self.is_cut and _meaning(self.request) == asked


class RecordedBackend:
    """Answers as the recording does.

    Args:
        exchanges: the recording.
        matching: "strict" takes the same bytes in the same order and nothing else. "lenient" takes requests that ask
            the same in any order: each finds the first exchange not yet played, or the last one played again.
            Replies that were cut because the caller had no room are played in strict order only.
    """

    __slots__ = ("_exchanges", "_matching", "_mutex", "_played")

    def __init__(self, exchanges: Iterable[Exchange], *, matching: Matching = "strict") -> None:
        self._exchanges = tuple(exchanges)
        self._matching: Matching = matching
        self._played: set[int] = set()
        self._mutex = threading.Lock()

    @property
    def left(self) -> tuple[Exchange, ...]:
        """The exchanges that nobody asked for yet."""
        return tuple(exchange for place, exchange in enumerate(self._exchanges) if place not in self._played)

    def process(self, request: bytes) -> bytes:
        """Give the recorded reply, or fail as the driver did.

        Raises:
            NsmError: the driver failed when this was recorded.
            NotRecordedError: there is no such exchange.
        """
        with self._mutex:
            place = self._next(request) if self._matching == "strict" else self._find(request)
            self._played.add(place)
        exchange = self._exchanges[place]
        if exchange.reply is None:
            raise driver_failure(exchange.errno or 0, doing=f"recorded as {exchange.name!r}")
        return exchange.reply

    def close(self) -> None:
        """Do nothing: a recording holds nothing open."""

    def _next(self, request: bytes) -> int:
        place = len(self._played)
        if place == len(self._exchanges):
            raise NotRecordedError(f"the recording ends after {place} exchanges")
        if not self._exchanges[place].has(request):
            expected = self._exchanges[place]
            raise NotRecordedError(f"exchange {place} is {expected.name!r}, {expected.request.hex()}")
        return place

    def _find(self, request: bytes) -> int:
        places = [
            place
            for place, exchange in enumerate(self._exchanges)
            if exchange.means(request) and exchange.reply_room >= MAX_REPLY_BYTES
        ]
        if not places:
            raise NotRecordedError(f"no exchange asks {request.hex()}")
        return next((place for place in places if place not in self._played), places[-1])


def read_exchanges(text: str | bytes) -> tuple[Exchange, ...]:
    """Read a recording in JSON: ``{"exchanges": [{"name", "req", "req_len", "resp" or "errno", "cap"}]}``.

    Raises:
        ValueError: it is not such a recording.
    """
    try:
        return tuple(_exchange(entry) for entry in json.loads(text)["exchanges"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a recording of NSM exchanges: {error!r}") from error


def _exchange(entry: dict[str, Any]) -> Exchange:
    failed = "errno" in entry
    return Exchange(
        request=bytes.fromhex(entry["req"]),
        request_size=entry["req_len"],
        reply=None if failed else bytes.fromhex(entry["resp"]),
        errno=getattr(errno, entry["errno"]) if failed else None,
        name=entry["name"],
        reply_room=entry["cap"],
    )


def _meaning(request: bytes) -> Request | None:
    try:
        return decode_request(request)
    except InvalidOperationError:
        return None
