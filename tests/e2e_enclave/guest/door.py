"""This enclave's vsock, used as the host wishes: asking, answering, and being attested."""

import asyncio
import fcntl
import struct
from pathlib import Path

from issuer import Attester
from issuer.attester import Limits
from issuer.nsm import Nsm
from issuer.vsock import (
    HOST_CID,
    MessageServer,
    bound_address,
    connect_async,
    exchange,
    exchange_async,
    listen,
    parse_address,
)

ANSWER_S = 20.0
_LOCAL_CID = 0x7B9  # IOCTL_VM_SOCKETS_GET_LOCAL_CID, linux/vm_sockets.h


class Door:
    """Servers that stay until the enclave ends, and how their connections ended."""

    def __init__(self) -> None:
        self._serving: set[asyncio.Task[None]] = set()
        self._endings: list[tuple[str, str | None]] = []

    async def cid(self) -> int:
        """Tell this enclave's own CID."""
        return await asyncio.to_thread(_local_cid)

    async def ask(self, address: str, message: bytes, client: str, timeout: float) -> bytes:  # noqa: ASYNC109 - the word of `exchange`
        """Exchange one message."""
        to = parse_address(address, parent_cid=HOST_CID)
        if client == "async":
            return await exchange_async(to, message, timeout=timeout)
        return await asyncio.to_thread(exchange, to, message, timeout=timeout)

    async def answer(self, address: str) -> str:
        """Answer messages on an address with the same bytes backwards, from now on."""
        listener = listen(parse_address(address, parent_cid=HOST_CID))
        bound = str(bound_address(listener))
        server = MessageServer(listener, _backwards, report=self.report)
        self._serving.add(asyncio.create_task(server.run()))
        return bound

    async def answer_streams(self, address: str) -> str:
        """Answer all that comes until the peer's end, by asyncio's own server, with the same bytes backwards."""
        listener = listen(parse_address(address, parent_cid=HOST_CID))
        bound = str(bound_address(listener))
        server = await asyncio.start_server(_all_backwards, sock=listener)
        self._serving.add(asyncio.create_task(server.serve_forever()))
        return bound

    async def stream(self, address: str, content: bytes) -> bytes:
        """Send, end that direction alone, and give what comes back until the other end."""
        sock = await connect_async(parse_address(address, parent_cid=HOST_CID), timeout=ANSWER_S)
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(content)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def attest(self, address: str, policy: str, user_data: bytes) -> dict[str, object]:
        """Be appraised by the verifier on an address."""
        with Nsm.open() as nsm:
            to = parse_address(address, parent_cid=HOST_CID)
            attester = Attester(nsm, to, policy=policy, limits=Limits(tries=1))
            result = await attester.attest_async(user_data=user_data)
        codes = [reason.code for reason in result.reasons]
        return {"verdict": result.verdict, "codes": codes, "document": result.document}

    async def prove(self, address: str, client: str) -> None:
        """Ask for a nonce, have the NSM sign a document over it, and present that."""
        nonce = await self.ask(address, b"a nonce, please", client, ANSWER_S)
        with Nsm.open() as nsm:
            document = await asyncio.to_thread(nsm.attestation, nonce=nonce)
        await self.ask(address, document, client, ANSWER_S)

    async def endings(self) -> list[tuple[str, str | None]]:
        """Give, once, how connections ended: each peer, and the error's type if there was one."""
        ended, self._endings = self._endings, []
        return ended

    def report(self, peer: str, error: BaseException | None) -> None:
        """Remember how one did."""
        self._endings.append((peer, None if error is None else type(error).__name__))


def _local_cid() -> int:
    with Path("/dev/vsock").open("rb", buffering=0) as device:
        answer = fcntl.ioctl(device, _LOCAL_CID, bytes(4))
    return int(struct.unpack("=I", answer)[0])


async def _all_backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    content = await reader.read()
    writer.write(content[::-1])
    await writer.drain()
    writer.close()


async def _backwards(message: bytes) -> bytes:
    return message[::-1]
