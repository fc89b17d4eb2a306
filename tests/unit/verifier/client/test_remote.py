"""The client against a verifier that answers anything: what is asked, what comes of it, and what is asked again."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.verifier.client.conftest import Ask
from tests.unit.verifier.client.fakes import (
    DOCUMENT,
    NONCE,
    affirm,
    always,
    give_nonce,
    http,
    nonce_body,
    problem,
    reject,
    result_body,
    verifier,
)
from verifier.client import (
    AsyncVerifierClient,
    Limits,
    NotAffirmedError,
    Problem,
    RejectedResult,
    VerifierProtocolError,
    VerifierRefusedError,
    VerifierTimeoutError,
    VerifierUnavailableError,
)
from verifier.client.transport import MAX_ANSWER_BYTES
from verifier.ear.strict_json import encode_bytes
from verifier.service.problems import ProblemType

Call = Callable[[Any], Any]


def get_nonce(client: Any) -> Any:  # noqa: ANN401 - either face of it
    return client.nonce(policy="payments")


def get_verdict(client: Any) -> Any:  # noqa: ANN401 - either face of it
    return client.verify(DOCUMENT, policy="payments", nonce=NONCE)


CALLS = pytest.mark.parametrize("call", [get_nonce, get_verdict])


def test_a_nonce_is_asked_for_and_read(ask: Ask) -> None:
    """Nothing would begin."""
    with verifier(give_nonce) as fake:
        nonce = ask(fake.url, lambda client: client.nonce(policy="payments", ttl=60))
    assert (nonce.value, nonce.policy) == (NONCE, "payments")
    assert nonce.issued_at == datetime(2026, 3, 1, 12, tzinfo=UTC) < nonce.expires_at
    (asked,) = fake.requests
    assert (asked.line, asked.body) == ("POST /v1/nonces HTTP/1.1", b'{"policy":"payments","ttl":60}')


def test_what_is_left_out_is_left_to_the_verifier(ask: Ask) -> None:
    """The service refuses null where a name is expected."""
    with verifier(give_nonce, affirm) as fake:
        assert ask(fake.url, lambda client: client.nonce()).policy is None
        ask(fake.url, lambda client: client.verify(DOCUMENT, policy=None, nonce=None)).require_affirmed()
    assert fake.requests[0].body == b"{}"
    assert fake.requests[1].target == "/v1/verify"


def test_a_document_is_presented_with_policy_and_nonce(ask: Ask) -> None:
    """The verifier would compare with nothing."""
    with verifier(affirm) as fake:
        result = ask(f"{fake.url}/below", get_verdict, headers={"Authorization": "Bearer t"})
    assert result.require_affirmed().build == "v1"
    (asked,) = fake.requests
    assert asked.target.startswith("/below/v1/verify?")
    assert asked.query == {"policy": ["payments"], "nonce": [encode_bytes(NONCE)]}
    assert asked.body == DOCUMENT
    assert asked.headers["content-type"] == "application/cose"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["authorization"] == "Bearer t"


def test_a_name_is_one_parameter_whatever_is_in_it(ask: Ask) -> None:
    """A policy's name from outside could add a parameter, such as the status of rejections."""
    name = "a&reject_status=200#x y+%2e/ü"
    with verifier(reject) as fake, pytest.raises(VerifierProtocolError, match="another policy"):
        ask(fake.url, lambda client: client.verify(DOCUMENT, policy=name, nonce=None))
    assert fake.requests[0].query == {"policy": [name]}


def test_a_rejection_is_a_result(ask: Ask) -> None:
    """The caller could not tell a rejection from an outage."""
    with verifier(reject) as fake:
        result = ask(fake.url, get_verdict)
    assert isinstance(result, RejectedResult)
    with pytest.raises(NotAffirmedError):
        result.require_affirmed()


def test_a_unix_socket_carries_the_same(ask: Ask, socket_path: str) -> None:
    """A verifier beside the Relying Party would need a port."""
    with verifier(affirm, path=socket_path) as fake:
        assert ask(fake.url, get_verdict).require_affirmed().build == "v1"


def test_every_problem_of_the_service_has_its_name_here() -> None:
    """A caller would compare with text."""
    named = {one.name: one.value for one in Problem}
    assert {one.name: one.uri for one in ProblemType}.items() <= named.items()


@CALLS
def test_a_refusal_is_said_by_its_problem_and_not_asked_again(ask: Ask, call: Call) -> None:
    """A typing error would look like an outage."""
    refusal, words = (
        problem(404, "unknown-policy", "see /v1/policies"),
        r"unknown-policy \(status 404\): see /v1/policies",
    )
    with verifier(always(refusal)) as fake, pytest.raises(VerifierRefusedError, match=words) as caught:
        ask(fake.url, call)
    assert (caught.value.problem, caught.value.status) == (Problem.UNKNOWN_POLICY, 404)
    assert isinstance(caught.value.problem, Problem)
    assert len(fake.requests) == 1


def test_a_problem_of_a_newer_verifier_keeps_its_type_and_loses_what_is_not_text(ask: Ask) -> None:
    """Nobody could act upon it; or a line end in the detail would begin a line of the caller's log."""
    refusal = problem(400, "of-tomorrow", "one\ntwo")
    with verifier(always(refusal)) as fake, pytest.raises(VerifierRefusedError) as caught:
        ask(fake.url, get_nonce)
    assert caught.value.problem == "urn:nitro-verifier:problem:of-tomorrow"
    assert caught.value.detail == ""


BUSY = {
    "overloaded": problem(503, "overloaded", Retry_After="0"),
    "body late": problem(408, "request-timeout"),
    "limited": http(429, b"", "text/plain", Retry_After="0"),
}
LOST = {
    "gateway": http(502, b"<html>", "text/html"),
    "gateway's timeout": http(504, b"<html>", "text/html"),
    "gateway's 503": http(503, b"<html>", "text/html"),
    "a bug": problem(500, "internal-error"),
    "guard": problem(503, "guard-unavailable"),
    "no answer": None,
    "half an answer": http(200, b"{}")[:-1],
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
}


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize(("call", "then"), [(get_nonce, give_nonce), (get_verdict, affirm)])
def test_what_was_certainly_not_judged_is_asked_again(ask: Ask, busy: str, call: Call, then: Any) -> None:  # noqa: ANN401 - a handler
    """A verifier that is busy for a moment would be an outage."""
    with verifier(always(BUSY[busy]), always(BUSY[busy]), then) as fake:
        ask(fake.url, call)
    assert len(fake.requests) == 3


@pytest.mark.parametrize("lost", LOST)
def test_a_nonce_is_asked_for_again_after_anything_that_passes(ask: Ask, lost: str) -> None:
    """Nothing is stored for a nonce, so asking twice does no harm."""
    with verifier(always(LOST[lost]), give_nonce) as fake:
        assert ask(fake.url, get_nonce).value == NONCE
    assert len(fake.requests) == 2


@pytest.mark.parametrize("lost", LOST)
def test_a_document_is_never_sent_twice_when_it_may_have_been_judged(ask: Ask, lost: str) -> None:
    """The second answer would call a good enclave a replay."""
    with verifier(always(LOST[lost]), affirm) as fake, pytest.raises(VerifierUnavailableError) as caught:
        ask(fake.url, get_verdict)
    assert not caught.value.unheard
    assert len(fake.requests) == 1


@CALLS
def test_tries_end(ask: Ask, call: Call) -> None:
    """A caller would wait for ever, and the verifier would have no rest."""
    with verifier(always(BUSY["overloaded"])) as fake, pytest.raises(VerifierUnavailableError) as caught:
        ask(fake.url, call)
    assert (caught.value.problem, caught.value.status, caught.value.retry_after) == (Problem.OVERLOADED, 503, 0)
    assert caught.value.unheard
    assert len(fake.requests) == 3


@CALLS
def test_a_pause_longer_than_there_is_time_fails_at_once(ask: Ask, call: Call) -> None:
    """The caller would learn after its deadline what was known before."""
    with verifier(always(problem(503, "overloaded", Retry_After="60"))) as fake:
        began = time.monotonic()
        with pytest.raises(VerifierUnavailableError) as caught:
            ask(fake.url, call)
    assert time.monotonic() - began < 5
    assert caught.value.retry_after == 60
    assert len(fake.requests) == 1


@CALLS
def test_where_nobody_listens_it_is_unavailable(ask: Ask, call: Call, socket_path: str) -> None:
    """It would look like a defect of the caller's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for url in (nowhere, f"unix:{socket_path}"):
        with pytest.raises(VerifierUnavailableError) as caught:
            ask(url, call)
        assert caught.value.unheard


@CALLS
def test_an_answer_that_does_not_come_is_a_timeout(ask: Ask, call: Call) -> None:
    """A caller would wait as long as somebody else likes."""
    limits = Limits(total_s=0.3, exchange_s=0.3, tries=1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(VerifierTimeoutError) as caught:
        ask(f"http://127.0.0.1:{silent.getsockname()[1]}", call, limits=limits)
    assert isinstance(caught.value, TimeoutError)
    assert not caught.value.unheard


@CALLS
def test_an_answer_that_comes_byte_by_byte_is_a_timeout_too(ask: Ask, call: Call) -> None:
    """A deadline for each byte would be none for the whole."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(VerifierTimeoutError):
            ask(url, lambda client: _while_trickling(listener, client, call), limits=Limits(exchange_s=0.5, tries=1))


def test_a_connection_that_is_not_taken_is_a_timeout_that_nobody_heard(ask: Ask) -> None:
    """The document could have been sent again."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # the backlog has this one place
            limits = Limits(connect_s=0.2, exchange_s=5, tries=2, pause_s=0)
            with pytest.raises(VerifierTimeoutError) as caught:
                ask(f"http://127.0.0.1:{full.getsockname()[1]}", get_verdict, limits=limits)
    assert caught.value.unheard


WRONG = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTML with status 200": http(200, b"<html>ok</html>", "text/html"),
    "a result of no type": http(200, result_body(), "text/plain", Attestation_Verdict="affirmed"),
    "a result with status 201": http(201, result_body(), Attestation_Verdict="affirmed"),
    "nothing at all": http(204),
    "a result compressed": http(200, result_body(), Attestation_Verdict="affirmed", Content_Encoding="gzip"),
    "redirect": http(307, b"", "text/plain", Location="/elsewhere"),
    "page not found": http(404, b"<html>", "text/html"),
    "problem that is none": http(404, b"[]", "application/problem+json"),
    "problem with status 200": problem(200, "overloaded"),
    "too much": http(200, b" " * (MAX_ANSWER_BYTES + 1)),
    "header too long": http(200, b"", X="y" * 10_000),
}


@CALLS
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_answer_of_the_api_is_said_to_be_none(ask: Ask, call: Call, wrong: str) -> None:
    """A captive portal's 200 would be a verdict, or another machine would be asked."""
    with verifier(always(WRONG[wrong])) as fake, pytest.raises(VerifierProtocolError):
        ask(fake.url, call)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        nonce_body(nonce=""),
        nonce_body(nonce=encode_bytes(bytes(7))),
        nonce_body(nonce=encode_bytes(bytes(65))),
        nonce_body(nonce="AR"),
        nonce_body(nonce="not base64!"),
        nonce_body(nonce=None),
        nonce_body(expires_at="tomorrow"),
        [],
        b"\xff",
    ],
)
def test_what_is_no_nonce_goes_to_no_enclave(ask: Ask, body: object) -> None:
    """An empty nonce proves no freshness, and one too long makes the NSM refuse."""
    with verifier(always(http(201, body))) as fake, pytest.raises(VerifierProtocolError, match="nonce"):
        ask(fake.url, get_nonce)


def test_a_nonce_comes_with_the_status_that_says_it_was_made(ask: Ask) -> None:
    """An old one out of somebody's cache would be a challenge that was answered before."""
    with verifier(always(http(200, nonce_body()))) as fake, pytest.raises(VerifierProtocolError, match="status 200"):
        ask(fake.url, get_nonce)


def test_an_endless_answer_is_left_when_it_is_too_long(ask: Ask) -> None:
    """Whoever answers could fill the caller's memory."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n"
    with verifier(always(head + b" " * 1_000_000)) as fake, pytest.raises(VerifierProtocolError, match="more than"):
        ask(fake.url, get_verdict)


def test_proxies_of_the_environment_are_not_used(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else would carry documents, and answer."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with verifier(affirm) as fake:
        ask(fake.url, get_verdict).require_affirmed()


def test_an_asynchronous_client_keeps_to_its_loop() -> None:
    """It would fail in ways that name something else."""
    with verifier(give_nonce) as fake:
        client = AsyncVerifierClient(fake.url)
        asyncio.run(_one_nonce(client))
        with pytest.raises(RuntimeError, match="event loop"):
            asyncio.run(_one_nonce(client))
        asyncio.run(client.close())


def test_a_closed_asynchronous_client_is_closed() -> None:
    """It would open connections that nobody closes."""

    async def main() -> None:
        async with AsyncVerifierClient("https://verifier.example") as unused:
            pass
        async with AsyncVerifierClient(fake.url) as client:
            await client.nonce()
        for closed in (client, unused):
            with pytest.raises(RuntimeError, match="closed"):
                await closed.nonce()

    with verifier(give_nonce) as fake:
        asyncio.run(main())


async def _one_nonce(client: AsyncVerifierClient) -> None:
    await client.nonce()


def _while_trickling(listener: socket.socket, client: Any, call: Call) -> Any:  # noqa: ANN401 - either face of it
    def trickle() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(65536)
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" * 10:
                    sock.sendall(bytes([byte]))
                    time.sleep(0.05)
            except OSError:
                return

    threading.Thread(target=trickle, daemon=True).start()
    return call(client)
