"""An enclave that runs: QEMU, the vsock's other end, the console, and a way to ask the agent inside.

Whatever waits here has an end: QEMU exits with 0 also when its guest panics, and hangs when its guest does.
"""

import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from issuer.vsock import Deadline, receive_message, send_message
from tests.e2e_enclave.guest import wire
from tests.e2e_enclave.guest.agent import MAX_MESSAGE_BYTES, PORT, READY

CID = 16
# What the guest may send at once. The backend loses large packets: of 30,000 bytes none was lost, of 60,000 every one.
BACKEND_BUFFER = 16 * 1024
BOOT_S, ANSWER_S, STOP_S, POLL_S = 180.0, 150.0, 10.0, 0.05
BROKEN = "Expected response buffer after request buffer"
"""What QEMU says when it looks for a request's response buffer before the driver has added it. Its NSM answers nothing
any more; seen once in some dozens of boots, when the kernel fetches its first random bytes."""
BOOTS = 3
_SHOWN_LINES = 60


class EnclaveError(Exception):
    """The enclave did not start, or does not answer; the message ends with its console."""


class RaisedInEnclaveError(Exception):
    """What the agent was asked for raised an exception in the enclave.

    Attributes:
        kind: the exception's type.
        errno: for errors of the NSM's, what the driver said.
        reply: for errors of the NSM's, the raw answer.
    """

    def __init__(self, raised: dict[str, object]) -> None:
        super().__init__(f"{raised['type']}: {raised['text']}\n\nin the enclave:\n{raised['trace']}")
        self.kind = raised["type"]
        self.errno = raised["errno"]
        self.reply = raised["reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What QEMU is told of the parent instance."""

    module_id: str
    parent_role: str | None = None
    parent_id: str | None = None

    @property
    def options(self) -> str:
        """The options of the machine."""
        given = {"id": self.module_id, "parent-role": self.parent_role, "parent-id": self.parent_id}
        return "".join(f",{name}={value}" for name, value in given.items() if value is not None)


class Enclave:
    """One enclave, from its image to its end."""

    def __init__(self, tools: Path, image: Path, identity: Identity) -> None:
        """Say what to start; nothing runs before it is entered."""
        self._tools, self._image, self._identity = tools, image, identity
        self._stack = ExitStack()
        self._qemu: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it; `wait_until_ready` waits until it has booted."""
        with ExitStack() as stack:  # paths of sockets are short, and so not pytest's
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="e2e-")))
            self._log = stack.enter_context((self.folder / "console").open("wb"))
            self._start_vsock(stack)
            self._qemu = self._start_qemu(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait_until_ready(self) -> Self:
        """Wait until the agent listens; boot again where the emulated NSM broke meanwhile."""
        for _ in range(BOOTS):
            self._wait_for_the_agent()
            if BROKEN not in self.console:
                return self
            self._stack.close()
            self.__enter__()
        raise self._failure(f"the emulated NSM broke in each of {BOOTS} boots")

    def _wait_for_the_agent(self) -> None:
        end = time.monotonic() + BOOT_S
        while READY not in self.console:
            if self._qemu is None or self._qemu.poll() is not None:
                raise self._failure("QEMU has ended")
            if time.monotonic() > end:
                raise self._failure(f"not ready after {BOOT_S:.0f} s")
            time.sleep(POLL_S)

    @property
    def console(self) -> str:
        """What the enclave has printed."""
        return (self.folder / "console").read_text(errors="backslashreplace")

    def host_socket(self, port: int) -> Path:
        """Where to listen for what the enclave connects to at port ``port`` of the host's CID."""
        return self.folder / f"vsock_{port}"

    def connect(self, port: int) -> socket.socket:
        """Connect to a port of the enclave, by the vsock backend's handshake."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(STOP_S)
            sock.connect(str(self.folder / "vsock"))
            _shake_hands(sock, port)
        except BaseException:
            sock.close()
            raise
        return sock

    def exchange(self, port: int, message: bytes) -> bytes:
        """Send a message to a port of the enclave and return the answer."""
        deadline = Deadline(ANSWER_S)
        with closing(self.connect(port)) as sock:
            send_message(sock, message, deadline=deadline, limit=MAX_MESSAGE_BYTES)
            return receive_message(sock, deadline=deadline, limit=MAX_MESSAGE_BYTES)

    def ask(self, party: str, method: str, /, **arguments: object) -> object:
        """Have the agent do something.

        Raises:
            RaisedInEnclaveError: that raised an exception.
            EnclaveError: there was no answer.
        """
        request = wire.encode({"party": party, "method": method, "arguments": arguments})
        try:
            answer = wire.decode(self.exchange(PORT, request))
        except Exception as error:
            raise self._failure(f"{party}.{method}: {error!r}") from error
        match answer:
            case {"result": result}:
                return result
            case {"raised": dict() as raised}:
                raise RaisedInEnclaveError(raised)
            case _:
                raise self._failure(f"{party}.{method}: the answer is {answer!r}")

    def nsm(self, method: str, /, *, client: str = "sync", **arguments: object) -> object:
        """Call a method of `Nsm` in the enclave."""
        return self.ask("nsm", "call", method=method, arguments=arguments, client=client)

    def _start_vsock(self, stack: ExitStack) -> None:
        paths = (
            f"guest-cid={CID},socket={self.folder}/vhost,uds-path={self.folder}/vsock,tx-buffer-size={BACKEND_BUFFER}"
        )
        self._start(stack, [str(self._tools / "vhost-device-vsock"), "--vm", paths])
        end = time.monotonic() + STOP_S
        while not (self.folder / "vhost").exists():
            if time.monotonic() > end:
                raise self._failure("the vsock backend did not start")
            time.sleep(POLL_S)

    def _start_qemu(self, stack: ExitStack) -> subprocess.Popen[bytes]:
        command = [
            str(self._tools / "qemu-system-x86_64"),
            "-M",
            f"nitro-enclave,acpi=on,vsock=c{self._identity.options}",
        ]
        command += ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "768M"]
        command += ["-L", str(self._tools / "firmware"), "-kernel", str(self._image), "-nodefaults", "-nographic"]
        command += ["-serial", "stdio", "-no-reboot", "-chardev", f"socket,id=c,path={self.folder}/vhost"]
        return self._start(stack, command)

    def _start(self, stack: ExitStack, command: list[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)
        stack.callback(_end, process)
        return process

    def _failure(self, what: str) -> EnclaveError:
        shown = "\n".join(self.console.splitlines()[-_SHOWN_LINES:])
        return EnclaveError(f"{what}\n\nthe enclave's console ends:\n{shown}")


def _shake_hands(sock: socket.socket, port: int) -> None:
    """Name the port, and read the answer's line and not one byte more."""
    sock.sendall(f"CONNECT {port}\n".encode())
    while (byte := sock.recv(1)) != b"\n":
        if not byte:
            raise ConnectionRefusedError(f"nobody listens on port {port} of the enclave")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
