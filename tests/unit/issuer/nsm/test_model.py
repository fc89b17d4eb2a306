"""The software NSM, through the codec, the device backend and a fake driver, against a model of what an NSM is.

What it signs goes to the verifier, which shares no code with it.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from issuer.nsm import (
    DeviceBackend,
    InputTooLargeError,
    InvalidIndexError,
    MapStyle,
    Nsm,
    NsmRefusedError,
    ReadOnlyIndexError,
    SoftwareBackend,
    SoftwareNsm,
    ThrowawayPki,
    build_pcrs,
    instance_pcr,
    role_pcr,
)
from tests.unit.issuer.nsm.driver import FakeDriver
from verifier import Affirmed, AttestationResult, Policy, Reason, Rejected, Verifier, load_anchor
from verifier.policy.model import Build, NonceMode

BUILD = build_pcrs("model")
ROLE = "arn:aws:iam::123456789012:role/model"
PKI = ThrowawayPki(seed=b"model")
VERIFIER = Verifier(anchors=(load_anchor(PKI.root_der, name="throwaway", sha256=PKI.root_sha256.hex()),))
BOOT = datetime(2026, 1, 1, tzinfo=UTC)

INDICES = st.integers(0, 33)
DATA = st.binary(max_size=80) | st.sampled_from([bytes(4068), bytes(4069), bytes(4070)])
FIELDS = st.none() | st.binary(max_size=40) | st.sampled_from([bytes(1024), bytes(1025)])
NONCES = st.binary(min_size=1, max_size=64) | st.just(bytes(1024))


def appraise(document: bytes, nonce: bytes, at: datetime, also: Mapping[int, bytes] | None = None) -> AttestationResult:
    """Accept this build alone, and only with these PCRs as well."""
    policy = Policy(name="model", builds=(Build(name="model", pcrs={**BUILD, **(also or {})}),), nonce=NonceMode.CALLER)
    return VERIFIER.appraise(document, policy=policy, nonce=nonce, at=at)


class NsmMachine(RuleBasedStateMachine):
    """Any requests in any order; the model is a list of values and a set of locks."""

    @initialize(map_style=st.sampled_from(["definite", "indefinite"]))
    def boot(self, map_style: MapStyle) -> None:
        """Start an enclave."""
        self.at = BOOT
        self.values = [bytes(48)] * 32
        for index, value in {**BUILD, 3: role_pcr(ROLE), 4: instance_pcr(PKI.instance_id)}.items():
            self.values[index] = value
        self.locked = set(range(16))
        software = SoftwareNsm(clock=lambda: self.at, pki=PKI, build="model", role_arn=ROLE, map_style=map_style)
        with tempfile.NamedTemporaryFile() as node:
            self.nsm = Nsm(DeviceBackend(node.name, ioctl=FakeDriver(SoftwareBackend(software))))

    def teardown(self) -> None:
        """End it."""
        self.nsm.close()

    @rule(index=INDICES, data=DATA, lock=st.booleans())
    def extend(self, index: int, data: bytes, *, lock: bool) -> None:
        """Extend any PCR, and lock it if that is wanted."""
        error = self.why_not(index, request_size=(27 if index < 24 else 28) + len(data))
        if error is None:
            self.values[index] = hashlib.sha384(self.values[index] + data).digest()
            self.locked |= {index} if lock else set()
            assert self.nsm.extend_pcr(index, data, lock=lock) == self.values[index]
        else:
            with pytest.raises(error):
                self.nsm.extend_pcr(index, data, lock=lock)

    @rule(index=INDICES)
    def lock(self, index: int) -> None:
        """Lock one."""
        error = self.why_not(index)
        if error is None:
            self.nsm.lock_pcr(index)
            self.locked.add(index)
        else:
            with pytest.raises(error):
                self.nsm.lock_pcr(index)

    @rule(end=st.integers(0, 20) | st.sampled_from([32, 33, 255]))
    def lock_range(self, end: int) -> None:
        """Lock many; those locked already do not matter."""
        if end > 32:
            with pytest.raises(InvalidIndexError):
                self.nsm.lock_pcrs(end)
        else:
            self.nsm.lock_pcrs(end)
            self.locked |= set(range(end))

    @rule(index=INDICES)
    def describe_one(self, index: int) -> None:
        """See what one holds."""
        if index > 31:
            with pytest.raises(InvalidIndexError):
                self.nsm.describe_pcr(index)
        else:
            described = self.nsm.describe_pcr(index)
            assert (described.lock, described.data) == (index in self.locked, self.values[index])

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        """Let time pass, beyond the life of a leaf certificate too."""
        self.at += timedelta(minutes=minutes)

    @rule(nonce=NONCES, user_data=FIELDS, public_key=FIELDS)
    def attest(self, nonce: bytes, user_data: bytes | None, public_key: bytes | None) -> None:
        """Have it signed: exactly the locked PCRs, and affirmed."""
        if len(user_data or b"") > 1024 or len(public_key or b"") > 1024:
            with pytest.raises(InputTooLargeError):
                self.nsm.attestation(nonce=nonce, user_data=user_data, public_key=public_key)
            return
        document = self.nsm.attestation(nonce=nonce, user_data=user_data, public_key=public_key)
        result = appraise(document, nonce, self.at)
        assert isinstance(result, Affirmed), result
        claims = result.claims
        assert claims.pcrs == {index: self.values[index] for index in sorted(self.locked)}
        assert (claims.nonce, claims.user_data, claims.public_key) == (nonce, user_data, public_key)
        assert claims.timestamp == self.at

    @rule(index=st.integers(16, 31))
    def demand(self, index: int) -> None:
        """A policy may ask for a PCR of the application's once it is locked, and not before."""
        result = appraise(self.nsm.attestation(nonce=b"n"), b"n", self.at, also={index: self.values[index]})
        if index in self.locked:
            assert isinstance(result, Affirmed)
        else:
            assert isinstance(result, Rejected)

    @invariant()
    def the_nsm_agrees_on_what_is_locked(self) -> None:
        """Locks never come undone."""
        assert self.nsm.describe().locked_pcrs == tuple(sorted(self.locked))

    def why_not(self, index: int, *, request_size: int = 0) -> type[NsmRefusedError] | None:
        """Why the NSM refuses to change that PCR, if it does."""
        if request_size > 4096:
            return InputTooLargeError
        if index > 31:
            return InvalidIndexError
        return ReadOnlyIndexError if index in self.locked else None


TestNsm = NsmMachine.TestCase


def test_debug_mode_is_seen_and_rejected() -> None:
    """A debug enclave's memory can be read by its parent."""
    software = SoftwareNsm(clock=lambda: BOOT, pki=PKI, build="model", debug=True)
    document = Nsm(SoftwareBackend(software)).attestation(nonce=b"n")
    result = appraise(document, b"n", BOOT)
    assert isinstance(result, Rejected)
    assert Reason.MEASUREMENT_DEBUG_MODE in result.reasons
