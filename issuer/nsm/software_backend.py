"""The software NSM behind the codec: it takes and gives the bytes that the device would."""

import errno
from datetime import UTC, datetime
from typing import assert_never

from issuer.nsm.codec import KeyOrder, decode_request, encode_reply
from issuer.nsm.errors import InputTooLargeError, NsmRefusedError
from issuer.nsm.requests import (
    MAX_REQUEST_BYTES,
    Attestation,
    DescribeNsm,
    DescribePcr,
    ExtendPcr,
    GetRandom,
    LockPcr,
    LockPcrs,
    Request,
)
from issuer.nsm.responses import AttestationDocument, PcrExtended, PcrLocked, PcrsLocked, RandomBytes, Refusal, Response
from issuer.nsm.software import SoftwareNsm


def wall_clock() -> datetime:
    """Read the clock of this machine, which plays the hypervisor's."""
    return datetime.now(UTC)  # noqa: TID251 - a make-believe hypervisor has a clock


class SoftwareBackend:
    """A make-believe NSM, booted when constructed. What it signs proves nothing about any machine.

    Args:
        nsm: the software NSM to ask; None boots one with a random throwaway root and this machine's clock.
        key_order: of the maps in its replies, as the Rust API declares them or as QEMU sorts them.
    """

    __slots__ = ("_key_order", "nsm")

    def __init__(self, nsm: SoftwareNsm | None = None, *, key_order: KeyOrder = "declared") -> None:
        self.nsm = SoftwareNsm(clock=wall_clock) if nsm is None else nsm
        self._key_order: KeyOrder = key_order

    def process(self, request: bytes) -> bytes:
        """Answer as the device would; what it refuses is answered with a refusal.

        Raises:
            InputTooLargeError: the request has more than 4096 bytes, which the driver never passes on.
        """
        if len(request) > MAX_REQUEST_BYTES:
            message = f"the request takes {len(request)} bytes, {MAX_REQUEST_BYTES} at most"
            raise InputTooLargeError(message, errno=errno.EMSGSIZE)
        try:
            response = self._answer(decode_request(request))
        except NsmRefusedError as error:
            response = Refusal(code=error.code)
        return encode_reply(response, self._key_order)

    def close(self) -> None:
        """Do nothing: the make-believe enclave lives as long as this object."""

    def _answer(self, request: Request) -> Response:  # noqa: PLR0911 - one for each request
        match request:
            case DescribeNsm():
                return self.nsm.describe()
            case DescribePcr():
                return self.nsm.describe_pcr(request.index)
            case ExtendPcr():
                return PcrExtended(data=self.nsm.extend_pcr(request.index, request.data))
            case LockPcr():
                self.nsm.lock_pcr(request.index)
                return PcrLocked()
            case LockPcrs():
                self.nsm.lock_pcrs(request.end)
                return PcrsLocked()
            case Attestation():
                document = self.nsm.attestation(request.user_data, request.nonce, request.public_key)
                return AttestationDocument(document=document)
            case GetRandom():
                return RandomBytes(random=self.nsm.random())
            case _:
                assert_never(request)
