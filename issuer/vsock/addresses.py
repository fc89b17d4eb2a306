"""Where to connect or to listen, in one line of text: ``vsock:CID:PORT``, ``unix:PATH`` or ``tcp:HOST:PORT``.

An address is right by construction and says nothing about this machine: one with a vsock can be read, compared and
written where vsocks do not exist. The numbers are those of vsock(7); CPython names neither the loopback nor
Nitro's parent.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from issuer.vsock.errors import AddressError

LOCAL_CID: Final = 1  # VMADDR_CID_LOCAL, the loopback; enclave kernels have it, many others do not
HOST_CID: Final = 2  # VMADDR_CID_HOST; where QEMU puts the parent
NITRO_PARENT_CID: Final = 3  # where Nitro puts the parent instance
ANY: Final = 0xFFFF_FFFF  # VMADDR_CID_ANY and VMADDR_PORT_ANY: for listening only
MAX_TCP_PORT: Final = 0xFFFF
MAX_HOST_NAME: Final = 253  # RFC 1035, section 2.3.4, as text
MAX_UNIX_PATH_BYTES: Final = 103  # sun_path with its NUL: 104 bytes on the BSDs and macOS, 108 on Linux

FORMS: Final = "vsock:CID:PORT, unix:PATH or tcp:HOST:PORT"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
# The last label begins with a letter, so that 2130706433, 127.1 and 0x7f.1, which some resolvers take for addresses,
# are names of nothing.
_HOST_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)*[a-z](?:[a-z0-9_-]{0,62})")


@dataclass(frozen=True, slots=True, kw_only=True)
class VsockAddress:
    """A context (a virtual machine, an enclave, their parent) and a port in it, 32 bits each."""

    cid: int
    port: int

    def __post_init__(self) -> None:
        """Refuse numbers of more than 32 bits: the kernel would cut them and connect elsewhere."""
        for name, number in (("CID", self.cid), ("port", self.port)):
            if not 0 <= number <= ANY:
                raise AddressError(f"a vsock {name} is between 0 and {ANY}")

    def __str__(self) -> str:
        return f"vsock:{_numbered(self.cid)}:{_numbered(self.port)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixAddress:
    """A path in the file system: the stand-in where two processes have no vsock between them."""

    path: str

    def __post_init__(self) -> None:
        """Refuse what the kernel would cut, or take for a socket without a file."""
        if not self.path or "\0" in self.path:
            raise AddressError("the path of a Unix socket is not empty and holds no NUL")
        if len(os.fsencode(self.path)) > MAX_UNIX_PATH_BYTES:
            raise AddressError(f"the path of a Unix socket has {MAX_UNIX_PATH_BYTES} bytes at most")

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpAddress:
    """A host, by name or by number, and a port. The host is in its normal form, so that equal ones compare equal."""

    host: str
    port: int

    def __post_init__(self) -> None:
        """Bring the host into its normal form."""
        if not 0 <= self.port <= MAX_TCP_PORT:
            raise AddressError(f"a TCP port is between 0 and {MAX_TCP_PORT}")
        object.__setattr__(self, "host", normal_host(self.host))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}"


Address: TypeAlias = VsockAddress | UnixAddress | TcpAddress


def parse_address(text: str, *, parent_cid: int = NITRO_PARENT_CID) -> Address:
    """Read an address.

    ``any`` stands for every CID or a free port when listening, ``parent`` for the CID of the parent instance, which is
    3 under Nitro and 2 under QEMU: ``vsock:parent:8000``.

    Raises:
        AddressError: it is none of the three forms.
    """
    scheme, _, rest = text.partition(":")
    match scheme:
        case "vsock":
            return _parse_vsock(rest, {"any": ANY, "parent": parent_cid})
        case "unix":
            return UnixAddress(path=rest)
        case "tcp":
            return _parse_tcp(rest)
        case _:
            raise AddressError(f"an address is {FORMS}")


def normal_host(host: str) -> str:
    """Bring a host into its normal form: numbers as `ipaddress` writes them, names in lower case without the last dot.

    Raises:
        AddressError: it is neither a number nor a name in ASCII; internationalised names are given as ``xn--``.
    """
    try:
        return str(ipaddress.ip_address(_without_zone(host)))
    except ValueError:
        name = host.lower().removesuffix(".")
    if len(name) > MAX_HOST_NAME or not _HOST_NAME.fullmatch(name):
        raise AddressError("a host is an IP address or a name in ASCII whose last part begins with a letter")
    return name


def _without_zone(host: str) -> str:
    if "%" in host:
        raise AddressError("an IP address has no zone here: it would mean another host on another machine")
    return host


def _numbered(number: int) -> str:
    return "any" if number == ANY else str(number)


def _parse_vsock(rest: str, names: dict[str, int]) -> VsockAddress:
    cid, colon, port = rest.partition(":")
    if not colon:
        raise AddressError("a vsock address is vsock:CID:PORT")
    ports = {"any": ANY}
    return VsockAddress(cid=_number(cid, names), port=_number(port, ports))


def _parse_tcp(rest: str) -> TcpAddress:
    host, colon, port = rest.rpartition(":")
    if not colon:
        raise AddressError("a TCP address is tcp:HOST:PORT")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    elif ":" in host:
        raise AddressError("an IPv6 address stands in brackets: tcp:[::1]:443")
    return TcpAddress(host=host, port=_number(port, {}))


def _number(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not _NUMBER.fullmatch(text):
        known = "".join(f" or {name!r}" for name in names)
        raise AddressError(f"not a number{known} in an address that is {FORMS}")
    return int(text)
