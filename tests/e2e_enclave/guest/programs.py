"""Programs of this enclave, such as ``nitro-issuer``, run as the host wishes."""

import asyncio
import signal
from asyncio.subprocess import PIPE, Process
from pathlib import Path


class Programs:
    """Those that run until they are stopped have numbers."""

    def __init__(self) -> None:
        self._started: dict[int, Process] = {}

    async def run(self, command: list[str], stdin: bytes) -> dict[str, object]:
        """Run a program to its end."""
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate(stdin)
        return {"code": process.returncode, "stdout": out, "stderr": err.decode()}

    async def start(self, command: list[str], until: str = "") -> dict[str, object]:
        """Start a program and wait for the first line with ``until`` in it, or the end; give what it printed so far."""
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        self._started[process.pid] = process
        assert process.stdout is not None
        printed = ""
        while line := (await process.stdout.readline()).decode():
            printed += line
            if until in line:
                break
        return {"number": process.pid, "printed": printed}

    async def stop(self, number: int) -> dict[str, object]:
        """Have a started program end as an orchestrator would."""
        process = self._started.pop(number)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        return {"code": process.returncode, "stdout": out, "stderr": err.decode()}

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        await asyncio.to_thread(Path(path).write_bytes, content)

    async def read(self, path: str) -> bytes:
        """Read a file."""
        return await asyncio.to_thread(Path(path).read_bytes)
