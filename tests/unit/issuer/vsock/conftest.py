"""Places to listen.

Without the loopback that enclave kernels have there is no vsock between two processes of one machine, so the same code
runs over Unix sockets and TCP here; docs/vsock.md says what that does not prove.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.vsock import Address, TcpAddress, UnixAddress

LOOPBACK = TcpAddress(host="127.0.0.1", port=0)


@pytest.fixture
def unix_address() -> Iterator[UnixAddress]:
    """A path that is short enough for a Unix socket, wherever pytest keeps its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield UnixAddress(path=str(Path(folder) / "socket"))


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, unix_address: UnixAddress) -> Address:
    """Somewhere to listen, over each transport in turn."""
    return unix_address if request.param == "unix" else LOOPBACK
