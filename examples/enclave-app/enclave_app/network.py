"""The little network that an enclave has: its own loopback, and a name that leads there."""

import fcntl
import re
import socket
import struct
from pathlib import Path
from typing import Final

LOOPBACK: Final = b"lo"
_SIOCGIFFLAGS: Final = 0x8913  # linux/sockios.h
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_IFREQ: Final = struct.Struct("16sh14x")


def bring_loopback_up() -> bool:
    """Bring ``lo`` up, which nobody has done in an enclave; False if it was up already.

    Raises:
        OSError: this process may not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, _IFREQ.pack(LOOPBACK, 0))
        flags: int = _IFREQ.unpack(answer)[1]
        if flags & _IFF_UP:
            return False
        fcntl.ioctl(sock, _SIOCSIFFLAGS, _IFREQ.pack(LOOPBACK, flags | _IFF_UP))
    return True


def lead_to_loopback(host: str, hosts: Path) -> None:
    """Have a host name mean this enclave's loopback, so that TLS still asks for that name's certificate.

    Raises:
        OSError: the file cannot be written.
    """
    text = hosts.read_text() if hosts.exists() else ""
    if not re.search(rf"^127\.0\.0\.1\s.*(?<!\S){re.escape(host)}(?!\S)", text, re.MULTILINE):
        newline = "" if not text or text.endswith("\n") else "\n"
        hosts.write_text(f"{text}{newline}127.0.0.1 {host}\n")
