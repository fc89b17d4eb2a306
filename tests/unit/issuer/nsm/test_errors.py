import errno
import pickle

import pytest

from issuer.nsm import (
    BufferTooSmallError,
    InputTooLargeError,
    InternalError,
    InvalidArgumentError,
    InvalidIndexError,
    InvalidOperationError,
    InvalidResponseError,
    NsmError,
    NsmProtocolError,
    NsmRefusedError,
    NsmTimeoutError,
    NsmUnavailableError,
    ReadOnlyIndexError,
)
from issuer.nsm.errors import REFUSALS, driver_failure, refusal


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InvalidArgument", InvalidArgumentError),
        ("InvalidIndex", InvalidIndexError),
        ("InvalidResponse", InvalidResponseError),
        ("ReadOnlyIndex", ReadOnlyIndexError),
        ("InvalidOperation", InvalidOperationError),
        ("BufferTooSmall", BufferTooSmallError),
        ("InputTooLarge", InputTooLargeError),
        ("InternalError", InternalError),
    ],
)
def test_every_code_of_the_rust_api_has_its_type(code: str, error: type[NsmRefusedError]) -> None:
    """Applications would have to read messages to know why."""
    made = refusal(code, doing="LockPcr", reply=b"raw")
    assert type(made) is error
    assert error.code == code
    assert REFUSALS[code] is error
    assert made.reply == b"raw"
    assert code in str(made)


@pytest.mark.parametrize("code", ["Success", "NoSuchCode", ""])
def test_a_refusal_that_is_none_is_a_protocol_error(code: str) -> None:
    """An NSM newer than this would make the library crash, or an error called Success pass for one."""
    made = refusal(code, doing="LockPcr", reply=b"raw")
    assert type(made) is NsmProtocolError
    assert made.reply == b"raw"


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOENT, NsmUnavailableError),
        (errno.ENODEV, NsmUnavailableError),
        (errno.ENXIO, NsmUnavailableError),
        (errno.EACCES, NsmUnavailableError),
        (errno.EPERM, NsmUnavailableError),
        (errno.ENOTTY, NsmUnavailableError),
        (errno.ETIMEDOUT, NsmTimeoutError),
        (errno.EMSGSIZE, InputTooLargeError),
        (errno.EINVAL, NsmProtocolError),
        (errno.EFAULT, NsmProtocolError),
        (errno.ENOMEM, NsmProtocolError),
        (errno.EIO, NsmProtocolError),
        (errno.ENODATA, NsmProtocolError),
        (0, NsmProtocolError),
    ],
)
def test_every_errno_of_the_drivers_has_its_type_and_is_kept(number: int, error: type[NsmError]) -> None:
    """A timeout and a missing device ask for different things from an operator."""
    made = driver_failure(number, doing="asking")
    assert type(made) is error
    assert made.errno == number
    assert str(made).startswith("asking: ")


def test_errors_travel_between_processes() -> None:
    """A worker's refusal would arrive as a TypeError about arguments."""
    error = pickle.loads(pickle.dumps(ReadOnlyIndexError("PCR0 is locked", errno=1, reply=b"raw")))  # noqa: S301 - ours
    assert (type(error), str(error), error.errno, error.reply) == (ReadOnlyIndexError, "PCR0 is locked", 1, b"raw")
