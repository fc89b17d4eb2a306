"""What QEMU's emulated NSM answered through the real Linux driver, and the backend that plays it back."""

import errno
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from issuer.nsm import (
    Attestation,
    AttestationDocument,
    DescribePcr,
    Exchange,
    InputTooLargeError,
    InvalidOperationError,
    NotRecordedError,
    Nsm,
    NsmDescription,
    NsmProtocolError,
    NsmRefusedError,
    PcrDescription,
    PcrExtended,
    RecordedBackend,
    Refusal,
    SoftwareBackend,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    read_exchanges,
)
from issuer.nsm.errors import REFUSALS

DESCRIBE = bytes.fromhex("6b44657363726962654e534d")
LOCKED = Exchange(
    request=bytes.fromhex("a1674c6f636b504352a165696e64657810"),
    request_size=17,
    reply=bytes.fromhex("674c6f636b504352"),
    name="first",
)
READ_ONLY = Exchange(
    request=LOCKED.request,
    request_size=17,
    reply=bytes.fromhex("a1654572726f726d526561644f6e6c79496e646578"),
    name="again",
)


@pytest.fixture(scope="session")
def exchanges(require_shared: Callable[[str], Path]) -> tuple[Exchange, ...]:
    """All 64 of them, in order."""
    return read_exchanges((require_shared("nsm") / "exchanges.json").read_bytes())


def test_every_reply_decodes_and_is_written_again_byte_for_byte(exchanges: tuple[Exchange, ...]) -> None:
    """Our reading of the wire would differ from a real driver's, or lose something."""
    outcomes: Counter[str] = Counter()
    for exchange in exchanges:
        if exchange.reply is None:
            outcomes["no reply, the driver refused"] += 1
        elif is_cut(exchange):
            with pytest.raises(NsmProtocolError) as caught:
                decode_reply(exchange.reply)
            assert caught.value.reply == exchange.reply
            outcomes["cut: the caller had no room"] += 1
        else:
            assert encode_reply(decode_reply(exchange.reply), "length-first") == exchange.reply, exchange.name
            outcomes["the same bytes"] += 1
    assert outcomes == {"the same bytes": 60, "cut: the caller had no room": 3, "no reply, the driver refused": 1}


def test_every_request_that_was_recorded_whole_is_read_as_it_was_answered(exchanges: tuple[Exchange, ...]) -> None:
    """We would send, or the software NSM would accept, what a driver and an NSM do not."""
    outcomes: Counter[str] = Counter()
    for exchange in exchanges:
        if exchange.is_cut:
            continue
        try:
            request = decode_request(exchange.request)
        except InvalidOperationError:
            assert exchange.reply is not None
            assert decode_reply(exchange.reply) == Refusal(code="InvalidOperation"), exchange.name
            outcomes["no request, and refused as none"] += 1
            continue
        encoded = encode_request(request)
        assert decode_request(encoded) == request
        outcomes["the same bytes" if encoded == exchange.request else "the same in another form"] += 1
    assert outcomes == {"the same bytes": 40, "the same in another form": 7, "no request, and refused as none": 10}


def test_requests_recorded_in_part_follow_from_the_documents_they_got(exchanges: tuple[Exchange, ...]) -> None:
    """The rest of a cut request is unknown, but the NSM signed it: our encoding of that has its size and its start."""
    rebuilt = 0
    for exchange in exchanges:
        if not exchange.is_cut or exchange.reply is None:
            continue
        response = decode_reply(exchange.reply)
        assert isinstance(response, AttestationDocument)
        signed = cbor2.loads(cbor2.loads(response.document)[2])
        request = Attestation(**{name: signed[name] for name in ("user_data", "nonce", "public_key")})
        if exchange.has(encode_request(request)):
            rebuilt += 1
        else:  # it was sent without the keys that are null here
            assert exchange.name == "request 4096"
            absent = {name for name in ("user_data", "nonce", "public_key") if signed[name] is None}
            assert absent == {"nonce", "public_key"}
    assert rebuilt == 5


def test_every_refusal_becomes_its_typed_error(exchanges: tuple[Exchange, ...]) -> None:
    """An application would have to compare strings, or take a refusal for success."""
    seen: Counter[str] = Counter()
    for exchange in exchanges:
        refused = None if exchange.reply is None or is_cut(exchange) else decode_reply(exchange.reply)
        if isinstance(refused, Refusal):
            same_reply = Exchange(request=DESCRIBE, request_size=len(DESCRIBE), reply=exchange.reply)
            with pytest.raises(NsmRefusedError) as caught:
                Nsm(RecordedBackend([same_reply])).describe()
            assert type(caught.value) is REFUSALS[refused.code]
            assert caught.value.reply == exchange.reply
            seen[refused.code] += 1
    assert seen == {"InvalidOperation": 11, "InvalidIndex": 5, "ReadOnlyIndex": 4}


def test_the_drivers_own_refusal_is_played_as_it_was(exchanges: tuple[Exchange, ...]) -> None:
    """EMSGSIZE is the one errno that QEMU's driver could be brought to give."""
    (failed,) = [exchange for exchange in exchanges if exchange.reply is None]
    with pytest.raises(InputTooLargeError) as caught:
        RecordedBackend([failed]).process(failed.request.ljust(failed.request_size))
    assert caught.value.errno == errno.EMSGSIZE


def test_the_software_nsm_answers_the_recorded_requests_alike(exchanges: tuple[Exchange, ...]) -> None:
    """Code that works with the software NSM would fail in an enclave."""
    software = SoftwareBackend(key_order="length-first")
    alike, different = 0, []
    for exchange in exchanges:
        if exchange.is_cut or exchange.reply is None or is_cut(exchange):
            continue
        expected, answer = decode_reply(exchange.reply), decode_reply(software.process(exchange.request))
        if essence(answer) == essence(expected):
            alike += 1
        else:
            different.append(exchange.name)
    assert alike == 53
    # QEMU wants indices in a single byte; cbor2 does not tell how a number was written, and we never write it so.
    assert different == ["DescribePCR index non-minimal u16 = 0"]


def is_cut(exchange: Exchange) -> bool:
    """Whether the reply fills all the room that there was for it."""
    return exchange.reply is not None and len(exchange.reply) == exchange.reply_room


def essence(response: object) -> object:
    """What two NSMs must agree in: all but what they measured, signed or drew, and their names."""
    match response:
        case NsmDescription():
            return response.locked_pcrs, response.max_pcrs, response.digest
        case PcrDescription():
            return response.lock
        case PcrExtended() | Refusal():
            return response
        case AttestationDocument():
            fields = cbor2.loads(cbor2.loads(response.document)[2])
            return list(fields["pcrs"]), fields["user_data"], fields["nonce"], fields["public_key"]
        case _:
            return type(response)


def test_a_strict_recording_is_played_in_order_and_once() -> None:
    """A test would pass although the code under it asks in another order."""
    backend = RecordedBackend([LOCKED, READ_ONLY])
    assert [backend.process(LOCKED.request), backend.process(LOCKED.request)] == [LOCKED.reply, READ_ONLY.reply]
    assert backend.left == ()
    backend.close()
    with pytest.raises(NotRecordedError, match="ends after 2"):
        backend.process(LOCKED.request)


def test_a_strict_recording_refuses_what_is_not_next() -> None:
    """The same."""
    backend = RecordedBackend([LOCKED])
    with pytest.raises(NotRecordedError, match="'first'"):
        backend.process(DESCRIBE)
    assert backend.left == (LOCKED,)


def test_a_lenient_recording_is_played_by_meaning_and_the_last_answer_repeats() -> None:
    """A whole recorded session could not serve an application that asks in its own order."""
    sparse = Exchange(request=bytes.fromhex("a16b4174746573746174696f6ea0"), request_size=14, reply=b"doc")
    strange = Exchange(request=b"garbage", request_size=7, reply=b"what?")
    backend = RecordedBackend([LOCKED, strange, READ_ONLY, sparse], matching="lenient")
    assert backend.process(encode_request(Attestation())) == b"doc"
    assert [backend.process(LOCKED.request) for _ in range(3)] == [LOCKED.reply, READ_ONLY.reply, READ_ONLY.reply]
    assert backend.process(b"garbage") == b"what?"
    assert backend.left == ()
    for absent in (encode_request(DescribePcr(index=3)), b"rubbish"):
        with pytest.raises(NotRecordedError, match="no exchange"):
            backend.process(absent)


def test_a_cut_request_matches_by_its_start_and_its_size_alone() -> None:
    """That is all the recording knows; by meaning it can not be found."""
    cut = Exchange(request=encode_request(Attestation(nonce=b"n" * 100))[:50], request_size=144, reply=b"doc")
    whole = encode_request(Attestation(nonce=b"n" * 100))
    assert cut.is_cut
    assert len(whole) == 145
    assert not cut.means(whole)
    assert Exchange(request=cut.request, request_size=145, reply=b"").means(whole[:50] + bytes(95))


def test_a_reply_that_was_cut_is_not_played_to_those_who_have_room() -> None:
    """The third DescribeNSM of a session would fail for no reason of its own."""
    short = Exchange(request=LOCKED.request, request_size=17, reply=b"\x67", reply_room=1)
    assert RecordedBackend([short, LOCKED], matching="lenient").process(LOCKED.request) == LOCKED.reply
    assert RecordedBackend([short, LOCKED]).process(LOCKED.request) == b"\x67"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"exchanges": [{}]}',
        '{"exchanges": [3]}',
        "not JSON",
        b"\xff",
        json.dumps(
            {"exchanges": [{"name": "n", "req": "00", "req_len": 1, "cap": 1, "ok": False, "errno": "EWHATEVER"}]}
        ),
    ],
)
def test_what_is_no_recording_is_refused(text: str | bytes) -> None:
    """A typing error in a fixture would surface far from it."""
    with pytest.raises(ValueError, match=r"recording|Expecting|codec"):
        read_exchanges(text)
