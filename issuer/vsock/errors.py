"""What can go wrong between two ends of a vsock, one type for each thing a caller may do about it."""

import errno
import os


class VsockError(Exception):
    """Anything this package raises on purpose."""


class AddressError(VsockError, ValueError):
    """It is no address: not ``vsock:CID:PORT``, ``unix:PATH`` or ``tcp:HOST:PORT``."""


class TransportUnavailableError(VsockError):
    """This machine has no sockets of that kind."""


class SocketFailedError(VsockError):
    """The operating system refused; ``errno`` says why, as far as it told."""

    def __init__(self, doing: str, error: OSError) -> None:
        self.errno = error.errno
        reason = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
        super().__init__(f"{doing}: {reason}")


class ConnectFailedError(SocketFailedError):
    """Nobody answered at that address in time, or it refused."""

    @property
    def timed_out(self) -> bool:
        """Whether it kept silent, rather than saying no."""
        return self.errno == errno.ETIMEDOUT


class ListenFailedError(SocketFailedError):
    """That address cannot be listened on: taken, not ours, or not permitted."""


class ConnectionLostError(SocketFailedError):
    """The connection broke while it was in use."""


class ConnectionEndedError(VsockError):
    """The peer closed the connection before a message began."""


class TruncatedMessageError(VsockError):
    """The peer closed the connection in the middle of a message."""

    def __init__(self, *, received: int, expected: int) -> None:
        self.received = received
        self.expected = expected
        super().__init__(f"the peer left after {received} of {expected} bytes")


class MessageTooLargeError(VsockError):
    """A message exceeds the limit; nothing of it was read or sent."""

    def __init__(self, *, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"a message of {size} bytes, {limit} at most")


class DeadlineExceededError(VsockError, TimeoutError):
    """It was not finished in time, however many bytes were moving."""


class TooManyConnectionsError(VsockError):
    """All places are taken, or all that one peer may have."""


class ResolutionError(VsockError):
    """A name leads to no address now."""


class NotAllowedError(VsockError):
    """The allow-list does not permit this destination."""


class AllowListError(VsockError):
    """There is no allow-list that can be read; so nothing is allowed."""
