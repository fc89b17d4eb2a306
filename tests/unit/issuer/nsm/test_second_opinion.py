"""aws-nsm-interface, written by others for the real device, against our software NSM and our codec."""

import types
from collections.abc import Iterator
from typing import Any

import aws_nsm_interface  # type: ignore[import-untyped]  # it ships no types
import cbor2
import pytest

from issuer.nsm import (
    Attestation,
    DescribeNsm,
    DescribePcr,
    ExtendPcr,
    GetRandom,
    LockPcr,
    LockPcrs,
    Request,
    SoftwareBackend,
    encode_request,
    extended,
)
from tests.unit.issuer.nsm.driver import FakeDriver

ZERO = bytes(48)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDriver]:
    """A driver that serves that library, which takes its ioctl from nowhere but its own import."""
    fake = FakeDriver(SoftwareBackend())
    monkeypatch.setattr(aws_nsm_interface, "fcntl", types.SimpleNamespace(ioctl=fake))
    yield fake
    assert fake.requests, "the library did not come by here"


@pytest.mark.parametrize(
    ("ask", "request_"),
    [
        (lambda: aws_nsm_interface.describe_nsm(0), DescribeNsm()),
        (lambda: aws_nsm_interface.describe_pcr(0, 31), DescribePcr(index=31)),
        (lambda: aws_nsm_interface.extend_pcr(0, 16, b"data"), ExtendPcr(index=16, data=b"data")),
        (lambda: aws_nsm_interface.lock_pcr(0, 17), LockPcr(index=17)),
        (lambda: aws_nsm_interface.lock_pcrs(0, 32), LockPcrs(end=32)),
        (lambda: aws_nsm_interface.get_attestation_doc(0), Attestation()),
        (
            lambda: aws_nsm_interface.get_attestation_doc(0, user_data=b"", nonce=b"n" * 512, public_key=b"k" * 1024),
            Attestation(user_data=b"", nonce=b"n" * 512, public_key=b"k" * 1024),
        ),
        (lambda: aws_nsm_interface.get_random(0), GetRandom()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_both_write_the_same_bytes(driver: FakeDriver, ask: Any, request_: Request) -> None:  # noqa: ANN401 - untyped
    """One of the two would not be understood by the device, and theirs is."""
    ask()
    assert driver.requests == [encode_request(request_)]


def test_their_library_reads_what_our_nsm_answers(driver: FakeDriver) -> None:
    """Applications written with that library could not be tried on the software NSM."""
    nsm = aws_nsm_interface
    described = nsm.describe_nsm(0)
    assert (described["max_pcrs"], described["digest"], described["locked_pcrs"]) == (32, "SHA384", list(range(16)))
    assert nsm.extend_pcr(0, 16, b"data") == {"data": extended(ZERO, b"data")}
    assert nsm.lock_pcr(0, 16) is True
    assert nsm.describe_pcr(0, 16) == {"lock": True, "data": extended(ZERO, b"data")}
    assert nsm.lock_pcrs(0, 20) is True
    document = nsm.get_attestation_doc(0, nonce=b"nonce")["document"]
    fields = cbor2.loads(cbor2.loads(document)[2])
    assert (fields["nonce"], fields["user_data"], list(fields["pcrs"])) == (b"nonce", None, list(range(20)))
    assert len(nsm.get_random(0, 256)) == 256


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: aws_nsm_interface.describe_pcr(0, 32), "InvalidIndex"),
        (lambda: aws_nsm_interface.extend_pcr(0, 0, b"x"), "ReadOnlyIndex"),
        (lambda: aws_nsm_interface.lock_pcr(0, 0), "ReadOnlyIndex"),
        (lambda: aws_nsm_interface.lock_pcrs(0, 33), "InvalidIndex"),
        (lambda: aws_nsm_interface.get_attestation_doc(0, nonce=bytes(1025)), "InputTooLarge"),
    ],
)
def test_their_library_reads_what_our_nsm_refuses(driver: FakeDriver, ask: Any, code: str) -> None:  # noqa: ANN401 - untyped
    """The same, for errors."""
    with pytest.raises(aws_nsm_interface.IoctlError, match=code):
        ask()
