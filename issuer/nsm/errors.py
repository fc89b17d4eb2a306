"""What goes wrong with an NSM: one type per refusal it can answer, and three for when it does not answer.

The codes are the `ErrorCode` names of aws-nitro-enclaves-nsm-api (src/api/mod.rs), which travel as
`{"Error": "<code>"}`. `Success` is among them there; an error that says so is a protocol error here.
"""

import errno as codes
import os
from types import MappingProxyType
from typing import ClassVar, Final


class NsmError(Exception):
    """Anything that kept an NSM from doing what it was asked.

    Attributes:
        errno: what the driver said, where the driver said it.
        reply: the NSM's answer as it came, where there was one.
    """

    def __init__(self, message: str, *, errno: int | None = None, reply: bytes | None = None) -> None:
        super().__init__(message)
        self.errno = errno
        self.reply = reply


class NsmUnavailableError(NsmError):
    """There is no NSM here: not an enclave, no driver, or no permission. Nothing was asked of one."""


class NsmTimeoutError(NsmError):
    """The driver waited 120 seconds for the NSM; whether the request was carried out is not known."""


class NsmProtocolError(NsmError):
    """The driver failed in another way, or what came back is no answer to what was asked."""


class NsmRefusedError(NsmError):
    """A request the NSM refused; `code` is the wire's name for the refusal."""

    code: ClassVar[str]


class InvalidArgumentError(NsmRefusedError):
    """An argument is not one the NSM takes."""

    code = "InvalidArgument"


class InvalidIndexError(NsmRefusedError):
    """There is no such PCR, or the range ends past the last one."""

    code = "InvalidIndex"


class InvalidResponseError(NsmRefusedError):
    """The NSM could not make a response of what it has."""

    code = "InvalidResponse"


class ReadOnlyIndexError(NsmRefusedError):
    """The PCR is locked: it can be neither extended nor locked again until the enclave ends."""

    code = "ReadOnlyIndex"


class InvalidOperationError(NsmRefusedError):
    """The NSM does not know the request or cannot read it."""

    code = "InvalidOperation"


class BufferTooSmallError(NsmRefusedError):
    """The response does not fit what was offered for it."""

    code = "BufferTooSmall"


class InputTooLargeError(NsmRefusedError):
    """A field or the whole request exceeds what the NSM takes."""

    code = "InputTooLarge"


class InternalError(NsmRefusedError):
    """The NSM failed and says no more."""

    code = "InternalError"


REFUSALS: Final = MappingProxyType(
    {
        refusal.code: refusal
        for refusal in (
            InvalidArgumentError,
            InvalidIndexError,
            InvalidResponseError,
            ReadOnlyIndexError,
            InvalidOperationError,
            BufferTooSmallError,
            InputTooLargeError,
            InternalError,
        )
    }
)
"""Every refusal by the wire's name for it."""

# ENOTTY: what was opened is no NSM. ENXIO: the out-of-tree driver lost its device.
_UNAVAILABLE = frozenset({codes.ENOENT, codes.ENODEV, codes.ENXIO, codes.EACCES, codes.EPERM, codes.ENOTTY})


def driver_failure(number: int, *, doing: str) -> NsmError:
    """Say what an errno of the driver means; it is kept in the error.

    Args:
        number: the errno.
        doing: what failed, for the message.
    """
    message = f"{doing}: {codes.errorcode.get(number, number)}, {os.strerror(number)}"
    if number in _UNAVAILABLE:
        return NsmUnavailableError(message, errno=number)
    if number == codes.ETIMEDOUT:
        return NsmTimeoutError(message, errno=number)
    if number == codes.EMSGSIZE:  # the driver measures requests itself, before the NSM sees them
        return InputTooLargeError(message, errno=number)
    return NsmProtocolError(message, errno=number)


def refusal(code: str, *, doing: str, reply: bytes) -> NsmError:
    """Make the typed error of a refusal; one by a name nobody knows is a protocol error."""
    known = REFUSALS.get(code)
    if known is None:
        return NsmProtocolError(f"{doing}: refused with the unknown code {code!r}", reply=reply)
    return known(f"{doing}: the NSM answered {code}", reply=reply)
