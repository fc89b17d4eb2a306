import asyncio
import base64
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.challenges import (
    MAX_ANSWER_BYTES,
    MAX_NONCE_BYTES,
    MAX_USER_DATA_BYTES,
    Challenge,
    ChallengeError,
    ChallengeResponder,
    ErrorCode,
    decode_answer,
    decode_challenge,
    encode_challenge,
)
from issuer.nsm import AsyncNsm, Nsm, NsmTimeoutError, RecordedBackend, SoftwareBackend, SoftwareNsm, ThrowawayPki

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PKI = ThrowawayPki(seed=b"challenges")


class Stuck:
    """A backend whose driver waits for nothing."""

    def process(self, _request: bytes) -> bytes:
        """Wait, and give up."""
        raise NsmTimeoutError("120 seconds for module i-secret")

    def close(self) -> None:
        """Hold nothing."""


def software() -> Nsm:
    return Nsm(SoftwareBackend(SoftwareNsm(clock=lambda: AT, pki=PKI)))


def respond(message: bytes, nsm: Nsm | None = None, **options: Any) -> bytes:  # noqa: ANN401 - the responder's own
    async def call() -> bytes:
        async with AsyncNsm(nsm or software()) as asked:
            return await ChallengeResponder(asked, **options)(message)

    return asyncio.run(call())


def fields(answer: bytes) -> dict[str, Any]:
    document = decode_answer(answer)
    assert isinstance(document, bytes), document
    payload: dict[str, Any] = cbor2.loads(cbor2.loads(document)[2])
    return payload


@given(
    nonce=st.binary(min_size=1, max_size=MAX_NONCE_BYTES),
    user_data=st.none() | st.binary(max_size=MAX_USER_DATA_BYTES),
)
def test_a_challenge_is_read_as_it_was_written(nonce: bytes, user_data: bytes | None) -> None:
    """Another nonce than the verifier's would be signed; absent and empty user data would be the same."""
    challenge = Challenge(nonce=nonce, user_data=user_data)
    message = encode_challenge(challenge)
    assert decode_challenge(message) == challenge
    assert len(message) <= MAX_ANSWER_BYTES


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: json.dumps({"nonce": text}).encode()))
def test_any_bytes_are_a_challenge_or_refused(message: bytes) -> None:
    """One message would end the server."""
    try:
        challenge = decode_challenge(message)
    except ChallengeError:
        return
    assert decode_challenge(encode_challenge(challenge)) == challenge


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        b'{"nonce": null}',
        b'{"nonce": ""}',
        b'{"nonce": "AA=="}',
        b'{"nonce": "AB"}',
        b'{"nonce": "A"}',
        b'{"nonce": "++++"}',
        b'{"nonce": "A A"}',
        b'{"nonce": "\xc3\xa9A"}',
        b'{"nonce": "AA", "user_data": 1}',
        b'{"nonce": "AA", "user_data": "%%"}',
        b'{"nonce": "AA", "public_key": "AA"}',
        b'{"nonce": "AA"} {}',
        b'{"nonce": "' + b"A" * 1368 + b'"}',
        b'{"nonce": "AA", "user_data": "' + b"A" * 1368 + b'"}',
        b"[" * 5000,
    ],
)
def test_what_is_no_challenge_is_refused_with_one_word(message: bytes) -> None:
    """A key of somebody else's would be signed, or the parent would learn how we read."""
    assert json.loads(respond(message, takes_user_data=True)) == {"error": "malformed"}


def test_a_document_holds_the_nonce_and_the_enclaves_own_key() -> None:
    """The Relying Party would encrypt to somebody else."""
    said = fields(respond(encode_challenge(Challenge(nonce=b"fresh")), public_key=b"own"))
    assert (said["nonce"], said["public_key"], said["user_data"]) == (b"fresh", b"own", None)


def test_user_data_of_others_is_signed_only_where_that_was_said() -> None:
    """Documents would carry the parent's words as if they were the enclave's."""
    message = encode_challenge(Challenge(nonce=b"n", user_data=b""))
    assert decode_answer(respond(message)) is ErrorCode.USER_DATA_REFUSED
    assert fields(respond(message, takes_user_data=True))["user_data"] == b""


@pytest.mark.parametrize("backend", [Stuck(), RecordedBackend((), matching="lenient")])
def test_a_failing_nsm_is_one_word_to_the_peer_and_told_in_the_log(
    backend: Stuck | RecordedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The parent would learn about the inside, or the operator nothing."""
    with caplog.at_level(logging.INFO):
        answer = respond(encode_challenge(Challenge(nonce=b"n")), Nsm(backend))
    assert json.loads(answer) == {"error": "no-document"}
    assert "no document: " in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"error": "other"}',
        b'{"document": ""}',
        b'{"document": "AA=="}',
        b'{"document": "AA", "error": "malformed"}',
        b'{"document": "AA", "more": 1}',
        b'{"document": "' + b"A" * 22_000 + b'"}',
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    """Whatever listens there would be taken for an enclave."""
    with pytest.raises(ChallengeError):
        decode_answer(answer)


def test_the_page_states_the_messages_as_they_are(checkout: Path) -> None:
    """Somebody writes a client in another language by it."""
    page = (checkout / "docs" / "vsock.md").read_text()
    assert all(f"`{code.value}`" in page for code in ErrorCode)
    nonce = base64.urlsafe_b64encode(bytes(range(16))).rstrip(b"=").decode()
    assert f'{{"nonce": "{nonce}"}}' in page
