"""The software NSM: the device's semantics and documents of its shape, signed under a throwaway root.

It proves nothing about any machine. Nothing constructs one unless asked for by name, and its documents verify
under no root but its own.
"""

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from issuer.nsm.cbor import CborValue, encode
from issuer.nsm.certificates import IssuedChain
from issuer.nsm.document import AttestationFields, MapStyle, encode_payload, sign1, unix_milliseconds
from issuer.nsm.errors import InputTooLargeError
from issuer.nsm.pcrs import ZERO, PcrBank, PcrDescription, build_pcrs, instance_pcr, role_pcr
from issuer.nsm.pki import ENCLAVE_ID_BYTES, ThrowawayPki
from issuer.nsm.requests import MAX_REQUEST_BYTES
from issuer.nsm.responses import NsmDescription

# attestation_process.md's CDDL and nsm-check say 1024 for each of the three; other text says 512 for two.
MAX_FIELD_BYTES: Final = 1024
RANDOM_BYTES: Final = 256
LEAF_REISSUE: Final = timedelta(hours=1)  # the oldest leaf seen in a genuine document was 61 minutes old
UNMEASURED_IN_DEBUG: Final = (0, 1, 2, 8)
DEFAULT_ROLE_ARN: Final = "arn:aws:iam::123456789012:role/throwaway-test"


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A chain in use, and since when."""

    issued_at: datetime
    chain: IssuedChain

    def serves(self, at: datetime) -> bool:
        """Whether the NSM would still sign with it; a clock set back gets a new one too."""
        return self.issued_at <= at < self.issued_at + LEAF_REISSUE


@dataclass(slots=True, kw_only=True, eq=False)
class SoftwareNsm:
    """One enclave's NSM, booted when constructed; safe to share between threads.

    Attributes:
        clock: the hypervisor's clock; must give aware datetimes.
        pki: who signs; a PKI with a seed makes documents reproducible.
        build: names a make-believe build, from which PCR0, 1 and 2 follow; None makes one up from the seed.
        pcrs: values at boot that replace the computed ones, by index.
        role_arn: determines PCR3; None leaves it zero.
        debug: zeroes PCR0, 1, 2 and 8, whatever they were; PCR3 and 4 stay, as in genuine debug documents.
        enclave_id: 8 bytes; none given makes one from the time of boot, as the hypervisor does.
        map_style: of the payload's root map; AWS moved from definite to indefinite in 2025.

    Raises:
        ValueError: a PCR or the enclave id has the wrong size.
    """

    clock: Callable[[], datetime]
    pki: ThrowawayPki = field(default_factory=ThrowawayPki)
    build: str | bytes | None = None
    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    role_arn: str | None = DEFAULT_ROLE_ARN
    debug: bool = False
    enclave_id: bytes = b""
    map_style: MapStyle = "indefinite"
    _bank: PcrBank = field(init=False, repr=False)
    _leaf: _Leaf = field(init=False, repr=False)
    _mutex: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Boot: name the enclave, measure it, lock PCR0 to 15 and get the first leaf."""
        at = self.clock()
        self.enclave_id = self.enclave_id or _enclave_id(self.pki, at)
        self._bank = PcrBank(self._boot_pcrs())
        self._leaf = self._issue(at)

    @property
    def module_id(self) -> str:
        """The enclave's name, as documents carry it."""
        return self.pki.module_id(self.enclave_id)

    def attestation(
        self, user_data: bytes | None = None, nonce: bytes | None = None, public_key: bytes | None = None
    ) -> bytes:
        """Sign a document over the PCRs locked by now and return the untagged COSE_Sign1.

        Zero bytes and None are different things, and the document keeps them apart.

        Raises:
            InputTooLargeError: a field exceeds 1024 bytes; nothing was signed.
        """
        user_data = _checked("user_data", user_data)
        nonce = _checked("nonce", nonce)
        public_key = _checked("public_key", public_key)
        with self._mutex:
            at = self.clock()
            chain = self._current_chain(at)
            fields = AttestationFields(
                module_id=self.module_id,
                timestamp=unix_milliseconds(at),
                pcrs=self._bank.locked(),
                certificate=chain.certificate,
                cabundle=chain.cabundle,
                public_key=public_key,
                user_data=user_data,
                nonce=nonce,
            )
        return sign1(encode_payload(fields, self.map_style), chain.key)

    def describe(self) -> NsmDescription:
        """What the NSM says of itself."""
        with self._mutex:
            return NsmDescription(module_id=self.module_id, locked_pcrs=tuple(self._bank.locked()))

    def describe_pcr(self, index: int) -> PcrDescription:
        """The value of a PCR and whether it is locked.

        Raises:
            InvalidIndexError: there is no such PCR.
        """
        with self._mutex:
            return self._bank.describe(index)

    def extend_pcr(self, index: int, data: bytes) -> bytes:
        """Extend a PCR and return its new value, which no document carries until the PCR is locked.

        Raises:
            InvalidIndexError: there is no such PCR.
            ReadOnlyIndexError: it is locked.
            InputTooLargeError: the request would exceed 4096 bytes.
        """
        data = bytes(memoryview(data))
        _require_request_size({"ExtendPCR": {"index": index, "data": data}})
        with self._mutex:
            return self._bank.extend(index, data)

    def lock_pcr(self, index: int) -> None:
        """Lock a PCR for the rest of the enclave's life.

        Raises:
            InvalidIndexError: there is no such PCR.
            ReadOnlyIndexError: it is locked already.
        """
        with self._mutex:
            self._bank.lock(index)

    def lock_pcrs(self, end: int) -> None:
        """Lock every PCR below `end`, which the wire calls the range; those locked already do not matter.

        Raises:
            InvalidIndexError: the range ends past the last PCR.
        """
        with self._mutex:
            self._bank.lock_below(end)

    def random(self) -> bytes:
        """256 bytes from the operating system: random even where everything else follows from a seed."""
        return secrets.token_bytes(RANDOM_BYTES)

    def _boot_pcrs(self) -> dict[int, bytes]:
        build = self.pki.keys.octets("build", 32) if self.build is None else self.build
        values = build_pcrs(build) | {4: instance_pcr(self.pki.instance_id)}
        if self.role_arn is not None:
            values[3] = role_pcr(self.role_arn)
        unmeasured = dict.fromkeys(UNMEASURED_IN_DEBUG, ZERO) if self.debug else {}
        return {**values, **self.pcrs, **unmeasured}

    def _current_chain(self, at: datetime) -> IssuedChain:
        if not self._leaf.serves(at):
            self._leaf = self._issue(at)
        return self._leaf.chain

    def _issue(self, at: datetime) -> _Leaf:
        return _Leaf(issued_at=at, chain=self.pki.issue(enclave_id=self.enclave_id, at=at))


def _enclave_id(pki: ThrowawayPki, at: datetime) -> bytes:
    """48 bits of boot time in milliseconds, then 16 random ones."""
    milliseconds = unix_milliseconds(at)
    return milliseconds.to_bytes(6) + pki.keys.octets(f"enclave {milliseconds}", ENCLAVE_ID_BYTES - 6)


def _checked(name: str, value: bytes | None) -> bytes | None:
    """Copy a field, refusing what the NSM would; text is a TypeError, not a document that says text."""
    if value is None:
        return None
    copy = bytes(memoryview(value))
    if len(copy) > MAX_FIELD_BYTES:
        raise InputTooLargeError(f"{name} has {len(copy)} bytes, {MAX_FIELD_BYTES} at most")
    return copy


def _require_request_size(request: CborValue) -> None:
    size = len(encode(request))
    if size > MAX_REQUEST_BYTES:
        raise InputTooLargeError(f"the request takes {size} bytes, {MAX_REQUEST_BYTES} at most")
