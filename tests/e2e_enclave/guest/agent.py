"""Runs in the enclave as its application: does what the host asks over the vsock, and tells what came of it.

Nothing is judged here; that is for the tests, on the host. The agent is itself an application of `issuer.vsock`.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from issuer.nsm import NsmError
from issuer.vsock import MessageLimits, MessageServer, open_vsock_listener
from tests.e2e_enclave.guest import wire
from tests.e2e_enclave.guest.door import Door
from tests.e2e_enclave.guest.programs import Programs
from tests.e2e_enclave.guest.security_module import SecurityModule

PORT = 5000
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # a message of the usual size in JSON, and more
READY = "e2e: the agent listens"


class Agent:
    """Finds the method that a message names."""

    def __init__(self, door: Door) -> None:
        self._parties = {"nsm": SecurityModule(), "door": door, "programs": Programs()}

    async def answer(self, message: bytes) -> bytes:
        """Do one thing; what it raises is an answer too."""
        match wire.decode(message):
            case {"party": str() as party, "method": str() as method, "arguments": dict() as arguments}:
                found: Callable[..., Awaitable[Any]] = getattr(self._parties[party], method)
            case other:
                raise TypeError(f"no request: {other!r}")
        try:
            return wire.encode({"result": await found(**arguments)})
        except Exception as error:  # noqa: BLE001 - the host decides what was to be expected
            return wire.encode({"raised": _described(error)})


def _described(error: Exception) -> dict[str, object]:
    errno, reply = (error.errno, error.reply) if isinstance(error, NsmError) else (None, None)
    return {
        "type": type(error).__name__,
        "text": str(error),
        "errno": errno,
        "reply": reply,
        "trace": "".join(traceback.format_exception(error)),
    }


async def main() -> None:
    """Serve until the enclave ends."""
    door = Door()
    limits = MessageLimits(message_bytes=MAX_MESSAGE_BYTES, handle_s=120)
    server = MessageServer(open_vsock_listener(PORT), Agent(door).answer, limits=limits, report=door.report)
    print(READY)  # noqa: T201 - the console is how the host learns of it
    await server.run()


if __name__ == "__main__":
    asyncio.run(main())
