"""Where a fake verifier listens: over TCP, and over a Unix socket as the stand-in of a vsock."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.vsock import Address, TcpAddress, UnixAddress

LOOPBACK = TcpAddress(host="127.0.0.1", port=0)


@pytest.fixture
def tcp() -> TcpAddress:
    """Any free port."""
    return LOOPBACK


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest) -> Iterator[Address]:
    """Somewhere to listen, over each transport in turn; the path is short, wherever pytest keeps its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield UnixAddress(path=str(Path(folder) / "socket")) if request.param == "unix" else LOOPBACK
