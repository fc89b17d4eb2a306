from typing import Any

import cbor2
import pytest

from issuer.nsm import (
    AttestationDocument,
    Backend,
    DescribeNsm,
    InputTooLargeError,
    InvalidIndexError,
    Nsm,
    NsmDescription,
    NsmProtocolError,
    NsmRefusedError,
    PcrLocked,
    PcrsLocked,
    RandomBytes,
    ReadOnlyIndexError,
    SoftwareBackend,
    UnlockedPcrWarning,
    encode_reply,
    extended,
)
from tests.unit.issuer.nsm.driver import Scripted

ZERO = bytes(48)


@pytest.fixture
def nsm() -> Nsm:
    """A make-believe NSM."""
    return Nsm.open("software")


def pcrs(document: bytes) -> dict[int, bytes]:
    fields: dict[str, dict[int, bytes]] = cbor2.loads(cbor2.loads(document)[2])
    return fields["pcrs"]


def test_all_seven_requests_are_typed_calls(nsm: Nsm) -> None:
    """What an enclave application imports."""
    assert nsm.describe().locked_pcrs == tuple(range(16))
    assert nsm.extend_pcr(16, b"hello", lock=False) == extended(ZERO, b"hello")
    assert (nsm.describe_pcr(16).lock, nsm.describe_pcr(16).data) == (False, extended(ZERO, b"hello"))
    nsm.lock_pcr(16)
    nsm.lock_pcrs(20)
    assert nsm.describe().locked_pcrs == tuple(range(20))
    assert list(pcrs(nsm.attestation(nonce=b"n"))) == list(range(20))
    assert len(nsm.random()) == 256


def test_bytes_of_any_kind_are_taken_and_text_of_none(nsm: Nsm) -> None:
    """A nonce given as text would be signed as its digits."""
    wanted: Any
    for wanted in (b"nonce", bytearray(b"nonce"), memoryview(b"nonce")):
        document = nsm.attestation(nonce=wanted)
        assert cbor2.loads(cbor2.loads(document)[2])["nonce"] == b"nonce"
    for wanted in ("nonce", 5, [1]):
        for name in ("nonce", "user_data", "public_key"):
            with pytest.raises(TypeError, match=f"{name} must be bytes"):
                nsm.attestation(**{name: wanted})
        with pytest.raises(TypeError, match="data must be bytes"):
            nsm.extend_pcr(16, wanted, lock=False)


def test_absent_and_empty_stay_apart(nsm: Nsm) -> None:
    """A verifier that asked for a nonce would be answered by a document without one."""
    fields = cbor2.loads(cbor2.loads(nsm.attestation(nonce=b"", user_data=None))[2])
    assert (fields["nonce"], fields["user_data"], fields["public_key"]) == (b"", None, None)


@pytest.mark.parametrize(
    ("strict", "name", "limit"),
    [
        (False, "user_data", 1024),
        (False, "nonce", 1024),
        (False, "public_key", 1024),
        (True, "user_data", 512),
        (True, "nonce", 512),
        (True, "public_key", 1024),
    ],
)
def test_a_field_takes_so_much_and_more_does_not_reach_the_nsm(*, strict: bool, name: str, limit: int) -> None:
    """Hardware does not enforce its limits, so a document that some verifiers refuse would be signed."""
    backend = Scripted(encode_reply(AttestationDocument(document=b"doc")))
    nsm = Nsm.open(backend, strict=strict)
    with pytest.raises(InputTooLargeError, match=f"{name} has {limit + 1} bytes, {limit} at most"):
        nsm.attestation(**{name: bytes(limit + 1)})
    assert backend.requests == []
    assert nsm.attestation(**{name: bytes(limit)}) == b"doc"


def test_a_whole_request_takes_4096_bytes_and_more_does_not_reach_the_nsm(nsm: Nsm) -> None:
    """The driver would answer with an errno."""
    assert nsm.extend_pcr(16, bytes(4069), lock=False) == extended(ZERO, bytes(4069))
    with pytest.raises(InputTooLargeError, match="4097 bytes, 4096 at most"):
        nsm.extend_pcr(16, bytes(4070), lock=False)
    assert nsm.describe_pcr(16).data == extended(ZERO, bytes(4069))


def test_extending_warns_that_no_document_will_show_it(nsm: Nsm) -> None:
    """Somebody would extend PCR16, attest, and wonder."""
    with pytest.warns(UnlockedPcrWarning, match="PCR16") as caught:
        nsm.extend_pcr(16, b"x")
    assert caught[0].filename == __file__
    assert 16 not in pcrs(nsm.attestation())


def test_the_warning_comes_before_anything_is_done(nsm: Nsm) -> None:
    """Warnings made errors would come after what can not be undone."""
    with pytest.raises(UnlockedPcrWarning):  # as pytest is told to here
        nsm.extend_pcr(16, b"x")
    assert nsm.describe_pcr(16).data == ZERO


def test_extending_can_lock_and_then_the_document_shows_it(nsm: Nsm) -> None:
    """The one way to extend that is complete by itself."""
    value = nsm.extend_pcr(16, b"x", lock=True)
    assert pcrs(nsm.attestation())[16] == value == extended(ZERO, b"x")
    with pytest.raises(ReadOnlyIndexError) as caught:
        nsm.extend_pcr(16, b"x", lock=False)
    assert caught.value.reply == bytes.fromhex("a1654572726f726d526561644f6e6c79496e646578")


def test_random_bytes_asks_until_there_are_enough(nsm: Nsm) -> None:
    """A key would be shorter than what was asked for."""
    backend = Scripted(*(encode_reply(RandomBytes(random=part)) for part in (b"abc", b"de", b"fgh")))
    assert Nsm(backend).random_bytes(7) == b"abcdefg"
    assert len(nsm.random_bytes(1000)) == 1000
    assert nsm.random_bytes(0) == b""
    with pytest.raises(ValueError, match="-1"):
        nsm.random_bytes(-1)


def test_an_empty_answer_is_no_randomness() -> None:
    """The loop would never end, or a key would be empty."""
    with pytest.raises(NsmProtocolError, match="no random bytes"):
        Nsm(Scripted(encode_reply(RandomBytes(random=b"")))).random_bytes(1)


def test_the_answer_to_another_question_is_a_protocol_error() -> None:
    """A value of one kind would be read as another."""
    reply = encode_reply(RandomBytes(random=b"r"))
    nsm = Nsm(Scripted(reply, reply))
    for call in (nsm.describe, nsm.attestation):
        with pytest.raises(NsmProtocolError, match="answered by RandomBytes") as caught:
            call()
        assert caught.value.reply == reply


def test_locked_is_what_the_nsm_says_is_locked() -> None:
    """`lock_pcr` of the library on PyPI takes anything that is no error for success."""
    nsm = Nsm(Scripted(encode_reply(PcrsLocked()), encode_reply(PcrLocked())))
    with pytest.raises(NsmProtocolError, match="LockPcr was answered by PcrsLocked"):
        nsm.lock_pcr(16)
    with pytest.raises(NsmProtocolError, match="LockPcrs was answered by PcrLocked"):
        nsm.lock_pcrs(16)


def test_an_index_that_no_nsm_has_is_refused_either_way(nsm: Nsm) -> None:
    """-1 would be encoded as a negative number, which no NSM reads."""
    for index in (-1, 32, 255, 0x10000):
        with pytest.raises(InvalidIndexError):
            nsm.describe_pcr(index)
    with pytest.raises(NsmRefusedError):
        nsm.describe_pcr(256)


def test_a_backend_is_asked_for_by_name_or_given_and_there_is_no_other() -> None:
    """A typing error would choose for the application."""
    assert isinstance(Nsm.open("software").backend, SoftwareBackend)
    given: Backend = Scripted()
    assert Nsm.open(given).backend is given
    for name in ("Software", "", "auto", "/dev/nsm"):
        with pytest.raises(ValueError, match="'device' and 'software'"):
            Nsm.open(name)  # type: ignore[arg-type] # what a configuration file may say


def test_leaving_the_block_closes_the_backend() -> None:
    """Descriptors would stay behind."""
    backend = Scripted(encode_reply(PcrLocked()))
    with Nsm(backend) as nsm:
        nsm.lock_pcr(16)
        assert backend.closed == 0
    assert backend.closed == 1


def test_a_question_can_be_asked_as_a_value(nsm: Nsm) -> None:
    """Those who forward requests would have to build calls of them."""
    assert nsm.exchange(DescribeNsm(), NsmDescription) == nsm.describe()
