import asyncio
import socket
from collections.abc import Sequence
from typing import Self

import pytest

from issuer.vsock import (
    ConnectFailedError,
    FixedDestination,
    NotAllowedError,
    PinnedDestination,
    ResolutionError,
    TcpAddress,
    UnixAddress,
    VsockAddress,
    bound_address,
    listen,
    pin_destination,
)
from issuer.vsock.allowlist import AllowList
from issuer.vsock.destinations import permitted
from issuer.vsock.transport import Endpoint

LOOPBACK = TcpAddress(host="127.0.0.1", port=0)


def endpoint(number: str, port: int) -> Endpoint:
    family = socket.AF_INET6 if ":" in number else socket.AF_INET
    return Endpoint(family=family, address=(number, port))


class Names:
    """A name service whose answers can be changed, made slow or taken away; counts what it was asked."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): numbers for name, numbers in answers.items()}
        self.asked: list[str] = []
        self.delay = 0.0

    async def __call__(self, address: TcpAddress) -> Sequence[Endpoint]:
        """Look a name up; a number is its own answer."""
        self.asked.append(address.host)
        await asyncio.sleep(self.delay)
        numbers = self.answers.get(address.host, [address.host] if address.host[0].isdigit() else [])
        if not numbers:
            raise ResolutionError(f"{address.host} leads to no address")
        return [endpoint(number, address.port) for number in numbers]


def allow(*hosts: str, port: int = 443) -> AllowList:
    return AllowList(entries=tuple(TcpAddress(host=host, port=port) for host in hosts))


NAMES = {
    "kms_example": ["198.51.100.1", "2001:db8::1"],
    "alias_example": ["198.51.100.1", "198.51.100.9"],
    "other_example": ["203.0.113.5"],
    "local_example": ["127.0.0.1"],
    "metadata_example": ["169.254.169.254", "fd00:ec2::254"],
    "mapped_example": ["::ffff:127.0.0.1", "::ffff:169.254.169.254"],
    "mixed_example": ["127.0.0.1", "198.51.100.1", "::", "224.0.0.1", "::1"],
    "private_example": ["10.0.0.7"],
}


@pytest.mark.parametrize(
    ("target", "allowed", "pinned"),
    [
        ("kms.example", ["kms.example"], ["198.51.100.1", "2001:db8::1"]),
        ("KMS.example.", ["kms.EXAMPLE"], ["198.51.100.1", "2001:db8::1"]),
        ("198.51.100.1", ["198.51.100.1"], ["198.51.100.1"]),
        ("198.51.100.1", ["kms.example"], ["198.51.100.1"]),
        ("kms.example", ["198.51.100.1"], ["198.51.100.1"]),
        ("alias.example", ["kms.example"], ["198.51.100.1"]),
        ("kms.example", ["nowhere.example", "alias.example"], ["198.51.100.1"]),
        ("private.example", ["private.example"], ["10.0.0.7"]),
        ("mixed.example", ["mixed.example"], ["198.51.100.1"]),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.1"]),
        ("local.example", ["127.0.0.1"], ["127.0.0.1"]),
    ],
)
def test_what_the_list_permits_is_pinned_and_only_that(target: str, allowed: list[str], pinned: list[str]) -> None:
    """An enclave could not reach KMS, or could reach what is not listed."""
    names = Names(**NAMES)

    async def run() -> list[str]:
        address = TcpAddress(host=target, port=443)
        found = await names(address)
        return [str(one.address[0]) for one in await permitted(address, found, allow(*allowed), resolve=names)]

    assert asyncio.run(run()) == pinned


@pytest.mark.parametrize(
    ("target", "allow_list"),
    [
        ("kms.example", allow()),
        ("kms.example", allow("kms.example", port=444)),
        ("kms.example", allow("other.example")),
        ("kms.example", allow("198.51.100.1", port=80)),
        ("kms.example", allow("nowhere.example")),
        ("local.example", allow("local.example")),
        ("127.0.0.1", allow("local.example")),
        ("metadata.example", allow("metadata.example")),
        ("mapped.example", allow("mapped.example")),
        ("169.254.169.254", allow("metadata.example")),
    ],
)
def test_everything_else_is_refused(target: str, allow_list: AllowList) -> None:
    """A name that its owner points at the parent's metadata service would hand out the parent's credentials."""
    with pytest.raises(NotAllowedError):
        asyncio.run(pin_destination(TcpAddress(host=target, port=443), allow_list, resolve=Names(**NAMES)))


def test_without_a_list_no_host_is_allowed() -> None:
    """Absence is refusal."""
    with pytest.raises(NotAllowedError, match="without an allow-list"):
        asyncio.run(pin_destination(TcpAddress(host="kms.example", port=443)))


def test_a_name_that_leads_nowhere_is_refused_at_the_start() -> None:
    """A mistyped name would show at the first connection only."""
    with pytest.raises(ResolutionError):
        asyncio.run(pin_destination(TcpAddress(host="nowhere.example", port=443), allow("a"), resolve=Names()))


def test_vsock_and_unix_addresses_need_no_list() -> None:
    """The list's form has no word for them."""
    for address in (VsockAddress(cid=16, port=5000), UnixAddress(path="/run/x")):
        destination = asyncio.run(pin_destination(address))
        assert isinstance(destination, FixedDestination)
        assert str(destination) == str(address)
        asyncio.run(destination.close())


class Scene:
    """A listening port, a name that leads to it, and the destination of that name."""

    def __init__(self, *, pin: float | None) -> None:
        self.listener = listen(LOOPBACK)
        where = bound_address(self.listener)
        assert isinstance(where, TcpAddress)
        self.names = Names(host_example=["127.0.0.1"])
        self.destination = PinnedDestination(
            TcpAddress(host="host.example", port=where.port),
            allow("127.0.0.1", "host.example", port=where.port),
            resolve=self.names,
            pin=pin,
        )

    async def connects(self) -> bool:
        """Whether a connection gets to the port."""
        with await self.destination.open(timeout=2):
            accepted, _ = await asyncio.get_running_loop().sock_accept(self.listener)
            accepted.close()
        return True

    async def __aenter__(self) -> Self:
        await self.destination.check()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.destination.close()
        self.listener.close()


def test_connections_go_where_the_check_was_without_another_look_up() -> None:
    """The second answer could be another one."""

    async def run() -> None:
        async with Scene(pin=None) as scene:
            scene.names.answers["host.example"] = ["203.0.113.5"]
            assert await scene.connects()
            assert await scene.connects()
            assert scene.names.asked == ["host.example"]
            assert str(scene.destination).startswith("tcp:host.example:")
            assert str(scene.destination).endswith("(127.0.0.1)")

    asyncio.run(run())


def test_an_old_answer_is_looked_up_and_checked_again() -> None:
    """KMS moves, and a forwarder runs for months."""

    async def run() -> None:
        async with Scene(pin=0.0) as scene:
            assert await asyncio.gather(*(scene.connects() for _ in range(5))) == [True] * 5
            assert scene.names.asked == ["host.example"] * 2  # all five waited for one look-up
            assert await scene.connects()
            assert len(scene.names.asked) == 3

    asyncio.run(run())


def test_an_answer_that_is_not_permitted_ends_the_old_one() -> None:
    """A name that was taken over would stay in use."""

    async def run() -> None:
        async with Scene(pin=0.0) as scene:
            scene.names.answers["host.example"] = ["169.254.169.254"]
            with pytest.raises(NotAllowedError):
                await scene.connects()
            scene.names.answers["host.example"] = ["127.0.0.1"]
            assert await scene.connects()

    asyncio.run(run())


def test_an_outage_of_the_name_service_is_none_of_ours() -> None:
    """Every enclave would lose KMS with it."""

    async def run() -> None:
        async with Scene(pin=0.0) as scene:
            scene.names.answers["host.example"] = []
            assert await scene.connects()

    asyncio.run(run())


def test_a_slow_name_service_delays_a_connection_a_little_and_is_not_waited_for_at_the_end() -> None:
    """Connections would wait as long as the resolver does, and so would a restart."""

    async def run() -> float:
        async with Scene(pin=0.0) as scene:
            scene.names.delay = 60
            began = asyncio.get_running_loop().time()
            with await scene.destination.open(timeout=0.2):
                pass
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(run()) < 5


def test_a_dead_destination_is_a_typed_error() -> None:
    """The forwarder tells its operator from it what to do."""

    async def run() -> None:
        async with Scene(pin=None) as scene:
            scene.listener.close()
            with pytest.raises(ConnectFailedError) as caught:
                await scene.connects()
            assert not caught.value.timed_out

    asyncio.run(run())
