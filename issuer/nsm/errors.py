"""What an NSM answers when it refuses, one type per error code.

The codes are the `ErrorCode` names of aws-nitro-enclaves-nsm-api (src/api/mod.rs), which travel as
`{"Error": "<code>"}`. Only the codes that something here raises have a type so far.
"""

from typing import ClassVar


class NsmError(Exception):
    """A request the NSM refused; `code` is the wire's name for the refusal."""

    code: ClassVar[str]


class InvalidIndexError(NsmError):
    """There is no such PCR, or the range ends past the last one."""

    code = "InvalidIndex"


class ReadOnlyIndexError(NsmError):
    """The PCR is locked: it can be neither extended nor locked again until the enclave ends."""

    code = "ReadOnlyIndex"


class InputTooLargeError(NsmError):
    """A field or the whole request exceeds what the NSM takes."""

    code = "InputTooLarge"
