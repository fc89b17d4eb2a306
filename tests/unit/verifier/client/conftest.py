"""Both faces of a client as one, so that a test holds for each."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from verifier.client import AsyncVerifierClient, Limits, VerifierClient

QUICK = Limits(total_s=10, connect_s=2, exchange_s=5, tries=3, pause_s=0.001, longest_pause_s=0.001)
Ask = Callable[..., Any]


def _blocking(url: str, call: Callable[[Any], Any], **options: Any) -> Any:  # noqa: ANN401 - whatever the call gives
    with VerifierClient(url, **({"limits": QUICK} | options)) as client:
        return call(client)


def _asynchronous(url: str, call: Callable[[Any], Any], **options: Any) -> Any:  # noqa: ANN401 - as above
    async def main() -> Any:  # noqa: ANN401 - as above
        async with AsyncVerifierClient(url, **({"limits": QUICK} | options)) as client:
            return await call(client)

    return asyncio.run(main())


@pytest.fixture(params=[_blocking, _asynchronous], ids=["blocking", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Make a client for a URL, and call something of it."""
    face: Ask = request.param
    return face


@pytest.fixture
def socket_path() -> Iterator[str]:
    """Where a Unix socket may be; the path is short, wherever pytest keeps its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "socket")
