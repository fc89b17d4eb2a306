"""`issuer.nsm` on the kernel's own driver: seven requests, two clients, and every way of being refused."""

import hashlib
from typing import Any, cast

import cbor2
import pytest

from tests.e2e_enclave.conftest import MODULE_ID
from tests.e2e_enclave.machine import Enclave, RaisedInEnclaveError

ZERO = bytes(48)
# Locks last until the enclave ends: nobody else extends or locks these.
OWN_PCR = {"sync": 16, "async": 17}
UNLOCKED_PCR, CANCELLED_PCR, LARGE_PCR = 18, 19, 20
CLIENTS = pytest.mark.parametrize("client", ["sync", "async"])


def extended(value: bytes, data: bytes) -> bytes:
    """Extend as the specification has it, written out."""
    return hashlib.sha384(value + data).digest()


def payload_of(document: object) -> dict[str, Any]:
    """Open a document as nobody should who wants to believe it."""
    _, _, payload, _ = cbor2.loads(cast("bytes", document))
    return cast("dict[str, Any]", cbor2.loads(payload))


@CLIENTS
def test_the_nsm_describes_itself(enclave: Enclave, client: str) -> None:
    """The first thing that an application asks would be misread."""
    described = cast("dict[str, Any]", enclave.nsm("describe", client=client))
    assert described["module_id"] == MODULE_ID
    assert (described["max_pcrs"], described["digest"]) == (32, "SHA384")
    assert set(range(16)) <= set(described["locked_pcrs"])


@CLIENTS
def test_a_pcr_is_described_extended_and_locked_and_then_a_document_carries_it(enclave: Enclave, client: str) -> None:
    """The application's own measurements would be lost, or would be another's."""
    index = OWN_PCR[client]
    assert enclave.nsm("describe_pcr", index=index, client=client) == {"lock": False, "data": ZERO}
    once = enclave.nsm("extend_pcr", index=index, data=b"first", lock=False, client=client)
    assert once == extended(ZERO, b"first")
    assert index not in payload_of(enclave.nsm("attestation", client=client))["pcrs"]
    twice = enclave.nsm("extend_pcr", index=index, data=b"second", lock=False, client=client)
    assert twice == extended(extended(ZERO, b"first"), b"second")
    assert enclave.nsm("lock_pcr", index=index, client=client) is None
    assert enclave.nsm("describe_pcr", index=index, client=client) == {"lock": True, "data": twice}
    assert payload_of(enclave.nsm("attestation", client=client))["pcrs"][index] == twice


@CLIENTS
def test_a_document_keeps_zero_bytes_and_nothing_apart(enclave: Enclave, client: str) -> None:
    """A verifier that asks for a nonce would be given none, or the other way round."""
    document = enclave.nsm("attestation", nonce=b"", user_data=bytes(1024), client=client)
    payload = payload_of(document)
    assert (payload["nonce"], payload["user_data"], payload["public_key"]) == (b"", bytes(1024), None)


@CLIENTS
def test_random_bytes_are_as_many_as_asked_for_and_never_the_same(enclave: Enclave, client: str) -> None:
    """Keys would be made from what is repeated or missing; the NSM gives 256 bytes at a time."""
    assert len(cast("bytes", enclave.nsm("random", client=client))) == 256
    many = [cast("bytes", enclave.nsm("random_bytes", size=1000, client=client)) for _ in range(2)]
    assert [len(one) for one in many] == [1000, 1000]
    pieces = {one[at : at + 100] for one in many for at in range(0, 1000, 100)}
    assert len(pieces) == 20


@CLIENTS
def test_locking_a_range_of_nothing_is_done(enclave: Enclave, client: str) -> None:
    """The seventh request would not have been made; what it locks is shown where that harms nobody."""
    assert enclave.nsm("lock_pcrs", end=16, client=client) is None


def test_locking_every_pcr_puts_every_pcr_into_documents_for_good(plain_enclave: Enclave) -> None:
    """PCRs that an application trusts to be fixed could still change."""
    last = plain_enclave.nsm("extend_pcr", index=31, data=b"last", lock=False)
    assert sorted(payload_of(plain_enclave.nsm("attestation"))["pcrs"]) == list(range(16))
    plain_enclave.nsm("lock_pcrs", end=32)
    pcrs = payload_of(plain_enclave.nsm("attestation"))["pcrs"]
    assert sorted(pcrs) == list(range(32))
    assert pcrs[31] == last
    described = cast("dict[str, Any]", plain_enclave.nsm("describe"))
    assert described["locked_pcrs"] == list(range(32))
    with pytest.raises(RaisedInEnclaveError) as refused:
        plain_enclave.nsm("extend_pcr", index=31, data=b"more", lock=False)
    assert refused.value.kind == "ReadOnlyIndexError"


BY_THE_NSM: dict[str, tuple[str, dict[str, object], str]] = {
    "extending a locked PCR": ("extend_pcr", {"index": 0, "data": b"x", "lock": False}, "ReadOnlyIndex"),
    "locking a locked PCR": ("lock_pcr", {"index": 0}, "ReadOnlyIndex"),
    "describing a PCR past the last": ("describe_pcr", {"index": 32}, "InvalidIndex"),
    "extending a PCR past the last": ("extend_pcr", {"index": 32, "data": b"x", "lock": False}, "InvalidIndex"),
    "locking a PCR past the last": ("lock_pcr", {"index": 32}, "InvalidIndex"),
    "locking past the last": ("lock_pcrs", {"end": 33}, "InvalidIndex"),
    # QEMU reads indices of one byte only.
    "describing a PCR of two bytes": ("describe_pcr", {"index": 256}, "InvalidOperation"),
    "locking up to two bytes": ("lock_pcrs", {"end": 256}, "InvalidOperation"),
}


@CLIENTS
@pytest.mark.parametrize("case", BY_THE_NSM)
def test_what_the_nsm_refuses_is_an_error_of_its_own_type(enclave: Enclave, case: str, client: str) -> None:
    """The application could not tell a lock from a mistake."""
    method, arguments, code = BY_THE_NSM[case]
    with pytest.raises(RaisedInEnclaveError) as refused:
        enclave.nsm(method, client=client, **arguments)
    assert refused.value.kind == f"{code}Error"
    assert cbor2.loads(cast("bytes", refused.value.reply)) == {"Error": code}
    assert refused.value.errno is None


BEFORE_THE_NSM: dict[str, tuple[str, dict[str, object], str, str]] = {
    "an index of more than 16 bits": ("describe_pcr", {"index": 65536}, "sync", "InvalidIndexError"),
    "a nonce that is too large": ("attestation", {"nonce": bytes(1025)}, "sync", "InputTooLargeError"),
    "a nonce that is too large by the strict reading": (
        "attestation",
        {"nonce": bytes(513)},
        "strict",
        "InputTooLargeError",
    ),
    "a nonce that is text": ("attestation", {"nonce": "text"}, "async", "TypeError"),
    "a request that is too large": (
        "extend_pcr",
        {"index": LARGE_PCR, "data": bytes(4070), "lock": False},
        "sync",
        "InputTooLargeError",
    ),
}


@pytest.mark.parametrize("case", BEFORE_THE_NSM)
def test_what_is_refused_before_the_nsm_sees_it_has_no_reply(enclave: Enclave, case: str) -> None:
    """The error would not say who refused."""
    method, arguments, client, kind = BEFORE_THE_NSM[case]
    with pytest.raises(RaisedInEnclaveError) as refused:
        enclave.nsm(method, client=client, **arguments)
    assert (refused.value.kind, refused.value.errno, refused.value.reply) == (kind, None, None)


def test_the_largest_request_passes_and_the_driver_itself_refuses_a_larger_one(enclave: Enclave) -> None:
    """The limit that is checked beforehand would not be the driver's."""
    data = bytes(4069)
    assert enclave.nsm("extend_pcr", index=LARGE_PCR, data=data, lock=False) == extended(ZERO, data)
    with pytest.raises(RaisedInEnclaveError, match="EMSGSIZE") as refused:
        enclave.ask("nsm", "unchecked", size=4097)
    assert (refused.value.kind, refused.value.errno) == ("InputTooLargeError", 90)


def test_an_empty_request_is_refused_here_because_the_device_breaks_on_it(enclave: Enclave) -> None:
    """Every later call, of any process, would wait for 120 seconds in vain."""
    with pytest.raises(RaisedInEnclaveError, match="an empty request is none"):
        enclave.ask("nsm", "raw", request=b"")
    assert enclave.nsm("describe")


@pytest.mark.parametrize("request_", [b"\xff", b"\xa0", b"\x66Nonsen"], ids=["no CBOR", "an empty map", "a name"])
def test_what_is_no_request_is_answered_with_a_refusal(enclave: Enclave, request_: bytes) -> None:
    """A reply that is an error on the wire would be taken for something else."""
    assert cbor2.loads(cast("bytes", enclave.ask("nsm", "raw", request=request_))) == {"Error": "InvalidOperation"}


def test_an_unlocked_pcr_is_in_no_document_and_the_warning_comes_before_anything_is_done(enclave: Enclave) -> None:
    """The agent takes warnings for errors, so the PCR must be what it was."""
    with pytest.raises(RaisedInEnclaveError) as warned:
        enclave.nsm("extend_pcr", index=UNLOCKED_PCR, data=b"x")
    assert warned.value.kind == "UnlockedPcrWarning"
    assert enclave.nsm("describe_pcr", index=UNLOCKED_PCR) == {"lock": False, "data": ZERO}


def test_tasks_and_threads_share_the_device_and_each_gets_its_own_document(enclave: Enclave) -> None:
    """Under load one caller would present another's nonce."""
    documents = cast("list[bytes]", enclave.ask("nsm", "together", count=8))
    nonces = [payload_of(document)["nonce"] for document in documents]
    assert nonces == [bytes([number]) * 32 for number in range(8)] * 2


def test_a_cancelled_call_is_carried_out_all_the_same(enclave: Enclave) -> None:
    """Its buffers would be freed under the driver, or nobody would know what the PCR holds."""
    found = enclave.ask("nsm", "cancelled", index=CANCELLED_PCR, data=b"x")
    assert found == {"cancelled": True, "data": extended(ZERO, b"x")}


def test_the_device_cannot_be_opened_as_python_opens_files(enclave: Enclave) -> None:
    """If it could, there would be no reason to open it in another way."""
    assert enclave.ask("nsm", "buffered") == "UnsupportedOperation: File or stream is not seekable."
