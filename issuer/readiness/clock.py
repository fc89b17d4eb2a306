"""The clock: what drives it, and how far it is from the hypervisor's, which the NSM signs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from issuer.nsm import Nsm, NsmProtocolError
from issuer.nsm.cbor import decode
from issuer.nsm.document import EPOCH
from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Judgement, State
from issuer.readiness.machine import Machine

_FOLDER: Final = "sys/devices/system/clocksource/clocksource0"
USUAL_SOURCE: Final = MappingProxyType({"x86_64": "kvm-clock", "aarch64": "arch_sys_counter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The NSM's time, and the clock before and after it was asked."""

    before: datetime
    signed: datetime
    after: datetime

    @property
    def bounds(self) -> tuple[timedelta, timedelta]:
        """How far the clock can have been ahead of the NSM when it signed, at least and at most."""
        first, last = sorted((self.before, self.after))
        return first - self.signed, last - self.signed


def judge_source(machine: Machine, expected: Expectations) -> Judgement:
    """Hold the clock source to the architecture's.

    A kernel on x86_64 prefers a stable tsc to kvm-clock by itself: that keeps time but does not follow the hypervisor.
    """
    want = expected.clock_source or USUAL_SOURCE.get(machine.architecture)
    current = machine.read(f"{_FOLDER}/current_clocksource").strip()
    found = f"current_clocksource is {current[:80]!a}"
    if want is None:
        return State.UNKNOWN, f"{found}; which one {machine.architecture} should have is not known, say it"
    if current == want:
        return State.OK, found
    if expected.clock_source is None and (want, current) == ("kvm-clock", "tsc"):
        available = machine.read(f"{_FOLDER}/available_clocksource").split()
        if want in available:
            return State.WARNING, f"{found}, though kvm-clock is available"
    return State.FAILED, f"{found}, not {want!a}"


def read_clock(nsm: Nsm, machine: Machine) -> ClockReading:
    """Have the NSM sign a document between two looks at the clock.

    Raises:
        NsmError: it did not, or the document has no time in it.
    """
    before = machine.clock()
    document = nsm.attestation()
    return ClockReading(before=before, signed=decode_time(document), after=machine.clock())


def judge_time(reading: ClockReading, expected: Expectations) -> Judgement:
    """Hold the clock to the NSM's, giving it the benefit of the round trip only where that changes nothing."""
    low, high = reading.bounds
    least = max(low, -high, timedelta(0))
    most = max(-low, high)
    found = f"{low.total_seconds():+.3f} to {high.total_seconds():+.3f} s from the NSM's"
    if least > expected.clock_offset:
        return State.FAILED, found
    if most > expected.clock_offset:
        return State.UNKNOWN, f"{found}: the NSM took too long to tell"
    return (State.WARNING if least > expected.clock_drift else State.OK), found


def decode_time(document: bytes) -> datetime:
    """Read the timestamp, and nothing else, out of an untagged COSE_Sign1.

    Nothing is authenticated: in the enclave, it is the NSM because it answered through the driver.

    Raises:
        NsmProtocolError: there is none; `reply` keeps the document.
    """
    try:
        return _time(decode(_payload(decode(document))))
    except (ValueError, OverflowError) as error:
        raise NsmProtocolError(f"the document cannot be read: {error}", reply=document) from error


def _payload(envelope: object) -> bytes:
    match envelope:
        case [_, _, bytes() as payload, _]:
            return payload
        case _:
            raise ValueError("it is no COSE_Sign1")


def _time(payload: object) -> datetime:
    match payload:
        case {"timestamp": int() as milliseconds} if type(milliseconds) is int and milliseconds > 0:
            return EPOCH + timedelta(milliseconds=milliseconds)
        case _:
            raise ValueError("it has no timestamp")
