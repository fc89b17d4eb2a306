"""The host's side of the vsock: servers on the Unix sockets that the backend connects what the enclave asks for to."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from issuer.vsock import MessageServer, UnixAddress, listen

JOIN_S = 10.0


@contextmanager
def running(coroutine: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Run a coroutine in a thread of its own, and cancel it in the end."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(JOIN_S)
        assert not thread.is_alive()


@contextmanager
def answering(address: UnixAddress, answer: Callable[[bytes], bytes]) -> Iterator[list[str | None]]:
    """Answer messages; give how connections ended: None, or the error's type."""
    endings: list[str | None] = []

    async def handle(message: bytes) -> bytes:
        return answer(message)

    def report(_: str, error: BaseException | None) -> None:
        endings.append(None if error is None else type(error).__name__)

    with running(MessageServer(listen(address), handle, report=report).run(drain=1)):
        yield endings
