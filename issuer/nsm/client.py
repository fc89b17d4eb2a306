"""`Nsm`: the seven requests as typed calls.

    with Nsm.open() as nsm:
        document = nsm.attestation(nonce=nonce)

Nothing here falls back: `Nsm.open()` is the device or an error. The software NSM comes up only when asked for by
name, and what it signs verifies under no root that anybody trusts.
"""

import warnings
from typing import Literal, Self, TypeAlias, TypeVar

from issuer.nsm.backends import Backend
from issuer.nsm.codec import decode_reply, encode_request
from issuer.nsm.device import DeviceBackend
from issuer.nsm.errors import InputTooLargeError, NsmProtocolError, refusal
from issuer.nsm.pcrs import PcrDescription
from issuer.nsm.requests import (
    MAX_REQUEST_BYTES,
    STRICT_LIMITS,
    USUAL_LIMITS,
    Attestation,
    BytesLike,
    DescribeNsm,
    DescribePcr,
    ExtendPcr,
    GetRandom,
    LockPcr,
    LockPcrs,
    Request,
    copied,
    copied_if_any,
)
from issuer.nsm.responses import (
    AttestationDocument,
    NsmDescription,
    PcrExtended,
    PcrLocked,
    PcrsLocked,
    RandomBytes,
    Refusal,
    Response,
)
from issuer.nsm.software_backend import SoftwareBackend

BackendName: TypeAlias = Literal["device", "software"]

_R = TypeVar("_R", bound=Response)


class UnlockedPcrWarning(UserWarning):
    """A PCR is extended that no attestation document carries until somebody locks it."""


class Nsm:
    """An NSM to ask; safe to share between threads.

    Every method raises `NsmRefusedError`, in the refusal's own type, when the NSM says no, and `NsmError` in its
    other types when it could not be asked. Methods that take bytes take bytes-like values and refuse text with a
    TypeError.

    Args:
        backend: who answers; `Nsm.open` finds one by name.
        strict: hold user_data and nonce to 512 bytes, what every reading of the specification allows, rather than
            to 1024.
    """

    __slots__ = ("_limits", "backend")

    def __init__(self, backend: Backend, *, strict: bool = False) -> None:
        self.backend = backend
        self._limits = STRICT_LIMITS if strict else USUAL_LIMITS

    @classmethod
    def open(cls, backend: BackendName | Backend = "device", *, strict: bool = False) -> Self:
        """Open the device, or what is asked for by name or given.

        Raises:
            NsmUnavailableError: there is no device; nothing else is tried.
            ValueError: there is no backend of that name.
        """
        return cls(_backend(backend), strict=strict)

    def close(self) -> None:
        """Close the backend; calls under way in other threads end undisturbed."""
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe(self) -> NsmDescription:
        """Ask the NSM what it is and which PCRs are locked."""
        return self.exchange(DescribeNsm(), NsmDescription)

    def describe_pcr(self, index: int) -> PcrDescription:
        """Ask for the value of a PCR and whether it is locked."""
        return self.exchange(DescribePcr(index=index), PcrDescription)

    def extend_pcr(self, index: int, data: BytesLike, *, lock: bool | None = None) -> bytes:
        """Extend a PCR and return its new value. There is no way back.

        Args:
            index: a PCR that is not locked.
            data: what to extend it with; up to 4069 bytes for PCR16 to 23, one less above.
            lock: lock it afterwards, so that documents carry it; if that fails, it stays extended. False says that
                somebody else will, None leaves it open and warns.

        Warns:
            UnlockedPcrWarning: before anything is done, if `lock` is None.
        """
        request = ExtendPcr(index=index, data=copied("data", data))
        if lock is None:
            warn_of_unlocked(index, stacklevel=3)
        value = self.exchange(request, PcrExtended).data
        if lock:
            self.lock_pcr(index)
        return value

    def lock_pcr(self, index: int) -> None:
        """Lock a PCR, for every process of the enclave and until it ends."""
        self.exchange(LockPcr(index=index), PcrLocked)

    def lock_pcrs(self, end: int) -> None:
        """Lock every PCR below `end`, for every process of the enclave and until it ends."""
        self.exchange(LockPcrs(end=end), PcrsLocked)

    def attestation(
        self,
        *,
        user_data: BytesLike | None = None,
        nonce: BytesLike | None = None,
        public_key: BytesLike | None = None,
    ) -> bytes:
        """Ask for a signed document over the locked PCRs and these fields: an untagged COSE_Sign1.

        Zero bytes and None are different things, and the document keeps them apart.
        """
        request = Attestation(
            user_data=copied_if_any("user_data", user_data),
            nonce=copied_if_any("nonce", nonce),
            public_key=copied_if_any("public_key", public_key),
        )
        return self.exchange(request, AttestationDocument).document

    def random(self) -> bytes:
        """Ask for as many random bytes as the NSM gives at once: 256 today, never none."""
        octets = self.exchange(GetRandom(), RandomBytes).random
        if not octets:
            raise NsmProtocolError("the NSM gave no random bytes", reply=b"")
        return octets

    def random_bytes(self, size: int) -> bytes:
        """Ask for random bytes until there are as many as wanted."""
        if size < 0:
            raise ValueError(f"{size} bytes are not to be had")
        collected = bytearray()
        while len(collected) < size:
            collected += self.random()
        return bytes(collected[:size])

    def exchange(self, request: Request, expected: type[_R]) -> _R:
        """Ask anything and get the answer of that type; what all other methods do.

        Raises:
            InputTooLargeError: a field, or the whole request, is larger than allowed; the NSM did not see it.
            NsmProtocolError: the answer is another request's, or none; `reply` keeps it.
        """
        if isinstance(request, Attestation):
            self._limits.require(request)
        encoded = encode_request(request)
        if len(encoded) > MAX_REQUEST_BYTES:
            raise InputTooLargeError(f"the request takes {len(encoded)} bytes, {MAX_REQUEST_BYTES} at most")
        reply = self.backend.process(encoded)
        response = decode_reply(reply)
        if isinstance(response, Refusal):
            raise refusal(response.code, doing=type(request).__name__, reply=reply)
        if not isinstance(response, expected):
            raise NsmProtocolError(f"{type(request).__name__} was answered by {type(response).__name__}", reply=reply)
        return response


def warn_of_unlocked(index: int, *, stacklevel: int) -> None:
    """Warn that an extension will not be seen; before it is made, so that a warning made an error prevents it."""
    message = f"PCR{index} is extended but stays unlocked: no document carries it until it is locked (see lock=)"
    warnings.warn(message, UnlockedPcrWarning, stacklevel=stacklevel)


def _backend(backend: BackendName | Backend) -> Backend:
    match backend:
        case "device":
            return DeviceBackend()
        case "software":
            return SoftwareBackend()
        case str():
            raise ValueError(f"no backend is called {backend!r}; there are 'device' and 'software'")
        case _:
            return backend
