"""The device backend against a fake driver that reads and writes its memory, and against a real character device."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from issuer.nsm import (
    NSM_DEVICE,
    NSM_IOCTL,
    DeviceBackend,
    InputTooLargeError,
    Nsm,
    NsmError,
    NsmProtocolError,
    NsmTimeoutError,
    NsmUnavailableError,
    SoftwareBackend,
)
from tests.unit.issuer.nsm.driver import NSM_RAW, FakeDriver, Scripted, failure

DESCRIBE = bytes.fromhex("6b44657363726962654e534d")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Something to open; the fake driver does the rest."""
    path = tmp_path / "nsm"
    path.touch()
    return path


@pytest.fixture
def character_device() -> Iterator[str]:
    """A device that can not seek, as the NSM's can not: a misc device like it if one may be opened, or else a tty's."""
    for path in ("/dev/vsock", "/dev/fuse", "/dev/net/tun", "/dev/ptmx"):
        try:
            os.close(os.open(path, os.O_RDWR))
        except OSError:
            continue
        yield path
        return
    pytest.fail("no character device to open, not even /dev/ptmx")


def test_the_number_of_the_ioctl_follows_from_the_kernels_header() -> None:
    """Any other number is EINVAL on every machine but the one it was typed on."""
    read_and_write, size, magic, number = 3, NSM_RAW.size, 0x0A, 0
    assert read_and_write << 30 | size << 16 | magic << 8 | number == NSM_IOCTL == 3223325184


def test_requests_and_replies_go_through_memory_as_the_driver_reads_and_writes_it(node: Path) -> None:
    """The kernel would answer EFAULT, or write into memory that is not ours."""
    driver = FakeDriver(SoftwareBackend())
    backend = DeviceBackend(node, ioctl=driver)
    with Nsm(backend) as nsm:
        document = nsm.attestation(nonce=bytes(1024), user_data=bytes(1024), public_key=bytes(1024))
        assert nsm.describe().max_pcrs == 32
    assert len(document) > 4096
    assert [len(request) for request in driver.requests] == [3122, 12]


def test_a_reply_is_as_long_as_the_driver_says(node: Path) -> None:
    """The rest of the buffer would follow the reply as bytes that mean nothing."""
    for reply in (b"", b"\x67LockPCR", bytes(range(256)) * 48):
        backend = DeviceBackend(node, ioctl=FakeDriver(Scripted(reply)))
        assert backend.process(DESCRIBE) == reply
        backend.close()


def test_a_driver_that_claims_more_than_there_is_room_for_is_not_believed(node: Path) -> None:
    """Memory after the buffer would be taken for a reply."""

    def lie(_fd: int, _operation: int, message: bytearray, _mutate: bool) -> int:  # noqa: FBT001 - fcntl's signature
        message[:] = NSM_RAW.pack(*NSM_RAW.unpack(message)[:3], 0x3001)
        return 0

    backend = DeviceBackend(node, ioctl=lie)
    with pytest.raises(NsmProtocolError, match="12289 bytes") as caught:
        backend.process(DESCRIBE)
    assert caught.value.reply == bytes(0x3000)
    backend.close()


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ETIMEDOUT, NsmTimeoutError),
        (errno.ENXIO, NsmUnavailableError),
        (errno.EMSGSIZE, InputTooLargeError),
        (errno.EIO, NsmProtocolError),
        (errno.EINTR, NsmProtocolError),
    ],
)
def test_what_the_driver_fails_with_is_typed_and_never_tried_again(
    node: Path, number: int, error: type[NsmError]
) -> None:
    """A PCR would be extended twice."""
    backend = Scripted(failure(number))
    device = DeviceBackend(node, ioctl=FakeDriver(backend))
    with pytest.raises(error) as caught:
        device.process(DESCRIBE)
    assert caught.value.errno == number
    assert len(backend.requests) == 1
    device.close()


def test_a_request_too_large_for_the_driver_does_not_reach_it(node: Path) -> None:
    """EMSGSIZE would come from a driver that others wait for."""
    driver = FakeDriver(Scripted(b"\x67LockPCR"))
    backend = DeviceBackend(node, ioctl=driver)
    with pytest.raises(InputTooLargeError):
        backend.process(bytes(4097))
    assert backend.process(bytes(4096)) == b"\x67LockPCR"
    assert [len(request) for request in driver.requests] == [4096]
    backend.close()


def test_an_empty_request_does_not_reach_the_driver(node: Path) -> None:
    """In QEMU the device breaks on it, and every later call of the enclave waits for 120 seconds in vain."""
    driver = FakeDriver(SoftwareBackend())
    backend = DeviceBackend(node, ioctl=driver)
    with pytest.raises(ValueError, match="an empty request is none"):
        backend.process(b"")
    backend.close()
    assert not driver.requests


def test_without_a_device_there_is_no_nsm_and_nothing_else_is_tried(tmp_path: Path) -> None:
    """A service would run on a make-believe NSM because the real one was missing."""
    with pytest.raises(NsmUnavailableError, match="ENOENT") as caught:
        DeviceBackend(tmp_path / "nsm")
    assert caught.value.errno == errno.ENOENT
    if not Path(NSM_DEVICE).exists():
        with pytest.raises(NsmUnavailableError, match="/dev/nsm"):
            Nsm.open()


def test_a_file_that_is_no_nsm_is_not_one(node: Path) -> None:
    """The system's own ioctl, on something that does not know this one."""
    backend = DeviceBackend(node)
    with pytest.raises(NsmUnavailableError) as caught:
        backend.process(DESCRIBE)
    assert caught.value.errno == errno.ENOTTY
    backend.close()


def test_a_character_device_that_can_not_seek_opens_for_us_and_not_buffered(character_device: str) -> None:
    """The library on PyPI opens /dev/nsm in the way that fails here."""
    with pytest.raises(OSError, match="not seekable"):
        open(character_device, "r+")  # noqa: PTH123, SIM115 - the call of aws-nsm-interface, which must fail
    backend = DeviceBackend(character_device)
    (fd,) = [fd for fd, path in open_files().items() if path == character_device]
    assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    with pytest.raises(NsmUnavailableError):
        backend.process(DESCRIBE)
    backend.close()
    assert fd not in open_files()


def test_closing_twice_is_closing_once_and_afterwards_nothing_is_asked(node: Path) -> None:
    """The second close would hit whatever file has the number by then."""
    backend = DeviceBackend(node, ioctl=FakeDriver(Scripted()))
    backend.close()
    other = os.open(node, os.O_RDONLY)
    backend.close()
    os.fstat(other)
    os.close(other)
    with pytest.raises(ValueError, match="closed"):
        backend.process(DESCRIBE)


def test_closing_under_a_call_waits_for_nobody_and_takes_nothing_away(node: Path) -> None:
    """The ioctl would go to another file that was given the same number."""
    entered, go_on = threading.Event(), threading.Event()
    seen: list[os.stat_result] = []

    class Slow(FakeDriver):
        def __call__(self, fd: Any, operation: int, message: Any, mutate: bool = True) -> int:  # noqa: ANN401, FBT001, FBT002 - fcntl's signature
            entered.set()
            assert go_on.wait(60)
            seen.append(os.fstat(fd))
            return super().__call__(fd, operation, message, mutate)

    backend = DeviceBackend(node, ioctl=Slow(Scripted(b"\x67LockPCR")))
    before = open_files()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(backend.process, DESCRIBE)
        assert entered.wait(60)
        backend.close()
        with pytest.raises(ValueError, match="closed"):
            backend.process(DESCRIBE)
        go_on.set()
        assert call.result() == b"\x67LockPCR"
    assert seen[0].st_ino == node.stat().st_ino
    assert before.keys() - open_files().keys() == {fd for fd, path in before.items() if path == str(node)}


def test_one_backend_serves_many_threads(node: Path) -> None:
    """Two requests would share a buffer."""
    with Nsm(DeviceBackend(node, ioctl=FakeDriver(SoftwareBackend()))) as nsm, ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda number: nsm.extend_pcr(16, b"%d" % number, lock=False), range(200)))
        descriptions = set(pool.map(lambda index: nsm.describe_pcr(index % 32).lock, range(64)))
    assert len(values) == 200
    assert descriptions == {True, False}


def test_forgetting_to_close_is_said_and_mended(node: Path) -> None:
    """Descriptors would run out without a word."""
    backend = DeviceBackend(node, ioctl=FakeDriver(Scripted()))
    assert str(node) in open_files().values()
    with pytest.warns(ResourceWarning, match="never closed"):
        del backend
    assert str(node) not in open_files().values()


@pytest.mark.parametrize("missing", ["fcntl"])
def test_the_package_imports_where_there_is_no_ioctl_and_then_there_is_no_nsm(missing: str) -> None:
    """Nobody could develop an enclave application on Windows."""
    program = f"""
import sys
sys.modules[{missing!r}] = None  # what an import finds on Windows
from issuer.nsm import Nsm, NsmUnavailableError
try:
    Nsm.open()
except NsmUnavailableError as error:
    print(error)
assert Nsm.open("software").describe().max_pcrs == 32
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "this system has no ioctl, and so no NSM\n"


def open_files() -> dict[int, str]:
    """The descriptors of this process and what they are open on."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            found[int(entry.name)] = str(entry.readlink())
    return found
