"""Our own writer of ramdisks: an archive in cpio's "new ASCII" form, as the kernel unpacks it at boot.

Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's tree. No file of the machine needs a device
node or an owner for that, and so nobody needs to be root.
"""

import stat
from pathlib import PurePosixPath

_TRAILER = "TRAILER!!!"


class Ramdisk:
    """An archive that grows; every folder above a file is there before it, once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names: set[str] = set()

    def add_file(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Add a file of root's, by its absolute path."""
        self._add(path, stat.S_IFREG | (0o755 if executable else 0o644), content)

    def add_folder(self, path: str) -> None:
        """Add a folder, unless it is there."""
        if path.strip("/") and path.lstrip("/") not in self._names:
            self._add(path, stat.S_IFDIR | 0o755, b"")

    def add_device(self, path: str, *, major: int, minor: int) -> None:
        """Add the node of a character device."""
        self._add(path, stat.S_IFCHR | 0o600, b"", device=(major, minor))

    def __contains__(self, path: str) -> bool:
        return path.lstrip("/") in self._names

    def encode(self) -> bytes:
        """Write the archive."""
        return b"".join((*self._parts, _entry(_TRAILER, 0, b"", (0, 0), number=0)))

    def _add(self, path: str, mode: int, content: bytes, *, device: tuple[int, int] = (0, 0)) -> None:
        self.add_folder(str(PurePosixPath(path).parent))
        name = path.lstrip("/")
        if name in self._names:
            raise ValueError(f"{path} is there already")
        self._names.add(name)
        self._parts.append(_entry(name, mode, content, device, number=len(self._names)))


def _entry(name: str, mode: int, content: bytes, device: tuple[int, int], *, number: int) -> bytes:
    """Write one entry: magic, 13 fields of eight hex digits, then name and content, each filled up to four bytes."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name.encode()) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _filled(head + name.encode() + b"\0") + _filled(content)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
