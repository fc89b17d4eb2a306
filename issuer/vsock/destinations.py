"""Where a forwarder leads: to a vsock or Unix address as it stands, or to a TCP address that an allow-list permits.

A host is looked up, what was found is checked, and connections go to the addresses that passed the check: there is no
second look-up that could give another answer. The check is ``vsock-proxy``'s, and one thing more: a name that leads
back to this machine or its link (the instance metadata service lives there) is refused unless the list has it by
number.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from issuer.vsock.addresses import Address, TcpAddress, UnixAddress, VsockAddress
from issuer.vsock.errors import NotAllowedError, ResolutionError
from issuer.vsock.outgoing import connect_async, connect_endpoints
from issuer.vsock.transport import Endpoint, resolve_async

if TYPE_CHECKING:
    from issuer.vsock.allowlist import AllowList  # needs PyYAML, which vsock and Unix destinations do without

PIN_S: Final = 60.0
REFRESH_PATIENCE_S: Final = 1.0

Resolve: TypeAlias = Callable[[TcpAddress], Awaitable[Sequence[Endpoint]]]
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_EC2_LOCAL: Final = ipaddress.IPv6Network("fd00:ec2::/32")  # metadata, time and name service of the instance, over IPv6


class Destination(Protocol):
    """What a forwarder connects to."""

    async def open(self, *, timeout: float) -> socket.socket:  # noqa: ASYNC109 - a part of the contract
        """Connect and give a non-blocking socket, or raise a `VsockError`."""

    async def close(self) -> None:
        """End what goes on in the background."""


class FixedDestination:
    """A vsock or Unix address, which nothing has to look up and no allow-list can name."""

    def __init__(self, address: VsockAddress | UnixAddress) -> None:
        self._address = address

    def __str__(self) -> str:
        return str(self._address)

    async def open(self, *, timeout: float) -> socket.socket:  # noqa: ASYNC109 - a part of the contract
        """Connect; raises what `issuer.vsock.connect_async` does."""
        return await connect_async(self._address, timeout=timeout)

    async def close(self) -> None:
        """There is nothing in the background."""


class PinnedDestination:
    """A TCP address, looked up once, checked, and used for a while; then looked up and checked again.

    When a later look-up fails, what was checked before stays in use: an outage of the name service is none of ours.
    When it succeeds and the answer is not permitted, connections are refused until one is.
    """

    def __init__(
        self,
        target: TcpAddress,
        allow_list: "AllowList",
        *,
        resolve: Resolve = resolve_async,
        pin: float | None = PIN_S,
    ) -> None:
        """Know the destination; `check` looks it up.

        Args:
            target: where to lead.
            allow_list: what is permitted.
            resolve: looks a host up.
            pin: how many seconds one answer is used; None means for good.
        """
        self._target = target
        self._allow_list = allow_list
        self._resolve = resolve
        self._pin = pin
        self._endpoints: tuple[Endpoint, ...] = ()
        self._checked_at = 0.0
        self._refresh: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        found = ", ".join(str(endpoint.address[0]) for endpoint in self._endpoints)
        return f"{self._target} ({found})"

    async def check(self) -> None:
        """Look the target up, and pin what is permitted.

        Raises:
            NotAllowedError: nothing of it is; nothing stays pinned.
            ResolutionError: it leads nowhere now; what was pinned stays so.
        """
        self._checked_at = asyncio.get_running_loop().time()
        found = await self._resolve(self._target)
        try:
            self._endpoints = await permitted(self._target, found, self._allow_list, resolve=self._resolve)
        except NotAllowedError:
            self._endpoints = ()
            raise

    async def open(self, *, timeout: float) -> socket.socket:  # noqa: ASYNC109 - a part of the contract
        """Connect to an address that was checked.

        Raises:
            NotAllowedError: none was found that is permitted.
            ConnectFailedError: none of them answers.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        if self._is_old() and self._refresh is None:
            self._refresh = loop.create_task(self._check_again())
        if self._refresh is not None:
            # A name service that is slow today must not make every connection slow: the look-up goes on without us.
            await asyncio.wait({self._refresh}, timeout=min(timeout / 2, REFRESH_PATIENCE_S))
        if not self._endpoints:
            raise NotAllowedError(f"{self._target} leads to no address that is allowed")
        return await connect_endpoints(self._endpoints, timeout=end - loop.time())

    async def close(self) -> None:
        """End a look-up that is under way."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait({self._refresh})

    def _is_old(self) -> bool:
        return self._pin is not None and asyncio.get_running_loop().time() - self._checked_at >= self._pin

    async def _check_again(self) -> None:
        try:
            with suppress(ResolutionError, NotAllowedError):  # what is pinned by now tells which
                await self.check()
        finally:
            self._refresh = None


async def pin_destination(
    address: Address,
    allow_list: "AllowList | None" = None,
    *,
    resolve: Resolve = resolve_async,
    pin: float | None = PIN_S,
) -> Destination:
    """Make the destination for an address, looked up and checked.

    Raises:
        NotAllowedError: it is a TCP address, and there is no allow-list or it does not permit it.
        ResolutionError: the host name leads nowhere.
    """
    if not isinstance(address, TcpAddress):
        return FixedDestination(address)
    if allow_list is None:
        raise NotAllowedError(f"without an allow-list nothing is allowed, so {address} is not")
    destination = PinnedDestination(address, allow_list, resolve=resolve, pin=pin)
    await destination.check()
    return destination


async def permitted(
    target: TcpAddress, found: Sequence[Endpoint], allow_list: "AllowList", *, resolve: Resolve
) -> tuple[Endpoint, ...]:
    """Select what an allow-list permits of the addresses found for a target.

    Permitted is an address that is listed by number, and one that a listed name leads to: the target itself, or another
    name for the same address. Ports must be equal.

    Raises:
        NotAllowedError: none of them is.
    """
    entries = [entry for entry in allow_list.entries if entry.port == target.port]
    numbers = {number for entry in entries if (number := _number(entry.host)) is not None}
    if target in entries:
        named = {_address(endpoint) for endpoint in found}
    else:
        named = await _resolve_all((entry for entry in entries if _number(entry.host) is None), resolve)
    allowed = numbers | {address for address in named if not _is_local(address)}
    chosen = tuple(endpoint for endpoint in found if _address(endpoint) in allowed)
    if not chosen:
        hint = "; what is on this machine or link is listed by number" if any(map(_is_local, named)) else ""
        raise NotAllowedError(f"the allow-list does not permit {target}{hint}")
    return chosen


async def _resolve_all(entries: Iterable[TcpAddress], resolve: Resolve) -> set[IpAddress]:
    """What the listed names lead to; one that leads nowhere permits nothing."""
    answers = await asyncio.gather(*(_resolve_quietly(entry, resolve) for entry in entries))
    return {_address(endpoint) for endpoints in answers for endpoint in endpoints}


async def _resolve_quietly(entry: TcpAddress, resolve: Resolve) -> Sequence[Endpoint]:
    try:
        return await resolve(entry)
    except ResolutionError:
        return ()


def _address(endpoint: Endpoint) -> IpAddress:
    return ipaddress.ip_address(endpoint.address[0])


def _number(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_local(address: IpAddress) -> bool:
    """Whether an address is on this machine or its link, or of no single machine at all."""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    local = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return local or address in _EC2_LOCAL
