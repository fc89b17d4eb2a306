"""Where requests go: the seam between the NSM's clients and whatever answers as one."""

from typing import Protocol


class Backend(Protocol):
    """An NSM, or something that answers like one. May be called from any thread."""

    def process(self, request: bytes) -> bytes:
        """Answer one encoded request with one encoded reply.

        Raises:
            NsmError: no reply came; a refusal by the NSM itself is a reply.
        """

    def close(self) -> None:
        """Let go of what is held; a second time does nothing. Calls already under way end undisturbed."""
