"""Whatever answers, and whatever it says: an answer or one of our errors."""

import socket
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from issuer.attester import AttesterError, VerifierUnavailableError
from issuer.attester.answers import MAX_BODY_BYTES, Question, _as_ours, _exchange, _Line
from issuer.attester.exchanges import _decode_nonce, _failure
from issuer.attester.keys import new_key, public_key_of
from issuer.attester.results import Evidence, decode_result
from issuer.vsock import Deadline, TcpAddress
from tests.unit.issuer.attester.fakes import NONCE, FakeNsm, Request, affirm, nonce, problem

KEY = new_key("ec-p384")
DOCUMENT = FakeNsm().attestation(user_data=None, nonce=NONCE, public_key=public_key_of(KEY))
EVIDENCE = Evidence(document=DOCUMENT, nonce=NONCE, key=KEY, policy=None)
REQUEST = Request(line="", headers={}, body=DOCUMENT)
QUESTION = Question(address=TcpAddress(host="127.0.0.1", port=1), target="/", body=b"", content_type="a/b")
GOOD = [affirm(REQUEST), nonce(REQUEST), problem(503, "overloaded", Retry_After="1")]
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{} \r\n" + LAST_CHUNK


def put_to(octets: bytes) -> None:
    """Have those bytes answer, and read them as everything that they could be."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(octets)
        theirs.shutdown(socket.SHUT_WR)
        line = _Line(ours, Deadline(10))
        with _as_ours(QUESTION.address, line):
            answer = _exchange(line, QUESTION)
    assert len(answer.body) <= MAX_BODY_BYTES
    assert isinstance(_failure(answer), AttesterError)
    with suppress(AttesterError):
        _decode_nonce(answer)
    decode_result(answer, EVIDENCE)


@given(st.binary() | st.binary().map(lambda rest: b"HTTP/1.1 " + rest))
def test_bytes_at_random_are_an_error_of_ours(octets: bytes) -> None:
    """The application would see an exception of a library that it has never heard of."""
    try:
        put_to(octets)
    except AttesterError:
        return
    raise AssertionError("bytes at random were a verdict")


@given(st.data())
def test_a_good_answer_with_a_piece_exchanged_is_an_answer_or_an_error_of_ours(data: st.DataObject) -> None:
    """The same, closer to what a bug or an attacker would send."""
    good = data.draw(st.sampled_from([*GOOD, CHUNKED]))
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, min(len(good), begin + 8)))
    with suppress(AttesterError):
        put_to(good[:begin] + data.draw(st.binary(max_size=8)) + good[end:])


def test_an_answer_cut_anywhere_was_lost() -> None:
    """A verdict that was lost on the way would end the call instead of beginning it again."""
    whole_without_its_end = len(CHUNKED) - len(LAST_CHUNK)
    for good, ends in [*((good, len(good)) for good in GOOD), (CHUNKED, whole_without_its_end + 1)]:
        for end in range(ends):
            try:
                put_to(good[:end])
            except VerifierUnavailableError:
                continue
            raise AssertionError(f"{good[:end]!r} was taken for an answer")
