"""Problems: everything wrong with a request has a type of its own, and none of it is a verdict."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.service.harness import COSE, Reply, Running, base64url, enclave, make_settings, read_raw, running
from verifier.service.intake import Intake
from verifier.service.problems import TYPE_PREFIX, ProblemError, ProblemType

JSON = {"Content_Type": "application/json"}


class BrokenVerifier:
    """A verifier with a bug, whose message holds what no client and no log may see."""

    def appraise_up_to_use(self, *_: object, **__: object) -> None:
        """Fail."""
        raise LookupError("the secret text of an exception")


@pytest.fixture(scope="module")
def service(module_folder: Path) -> Iterator[Running]:
    """A service whose limits are met soon."""
    settings = make_settings(
        module_folder,
        single_use="embedded",
        state=module_folder / "used.sqlite3",
        body_timeout="300ms",
        max_in_flight=1,
    )
    with running(settings) as started:
        yield started


def post(target: str, body: bytes | str = b"x", **headers: str) -> Callable[[Running], Reply]:
    """A request to be sent."""
    return lambda service: service.call("POST", target, body, **headers)


def raw(*parts: str) -> Callable[[Running], Reply]:
    """Bytes to be sent as they are, part by part."""

    def send(service: Running) -> Reply:
        with service.connect() as stream:
            for part in parts:
                stream.sendall(part.replace("\n", "\r\n").encode("latin-1"))
                time.sleep(0.05)
            return read_raw(stream)

    return send


def with_broken_guard(service: Running) -> Reply:
    """Verify while the guard's file is somebody else's."""
    guard = service.service.guard
    assert guard is not None
    document = enclave().attestation(nonce=service.nonce())
    path = Path(guard._files[0])
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        return service.verify(document)
    finally:
        away.rename(path)


def with_bug(service: Running) -> Reply:
    """Verify with a verifier that raises."""
    right = service.service.verifier
    service.service.verifier = BrokenVerifier()  # type: ignore[assignment]  # that is the point
    try:
        return service.verify(b"x")
    finally:
        service.service.verifier = right


def when_busy(service: Running) -> Reply:
    """Begin two requests whose bodies do not come, where one is allowed, and see what becomes of the first."""
    head = f"POST {VERIFY} HTTP/1.1\r\nHost: x\r\nContent-Type: {COSE}\r\nContent-Length: 9\r\n\r\n".encode()
    with service.connect() as first, service.connect() as second:
        first.sendall(head)
        time.sleep(0.1)
        second.sendall(head)
        return read_raw(first)


VERIFY = "/v1/verify?policy=payments"
CASES: dict[str, tuple[ProblemType, Callable[[Running], Reply]]] = {
    "not HTTP": (ProblemType.MALFORMED_HTTP, raw("HELLO\n\n")),
    "a header too long": (ProblemType.MALFORMED_HTTP, raw(f"GET / HTTP/1.1\nHost: x\nX: {'x' * 9000}\n\n")),
    "a head too long": (
        ProblemType.MALFORMED_HTTP,
        raw("GET / HTTP/1.1\nHost: x\n" + "".join(f"X{index}: {'x' * 8000}\n" for index in range(60))),
    ),
    "two lengths": (
        ProblemType.MALFORMED_HTTP,
        raw("POST / HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 2\n\n"),
    ),
    "length and chunks": (
        ProblemType.MALFORMED_HTTP,
        raw("POST / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n"),
    ),
    "broken chunks": (
        ProblemType.MALFORMED_HTTP,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nTransfer-Encoding: chunked\n\nzz\n\n"),
    ),
    # The parser stops there and tells nobody, so the body never ends.
    "chunks that break later": (
        ProblemType.REQUEST_TIMEOUT,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nTransfer-Encoding: chunked\n\n3\nabc\n", "zz\n\n"),
    ),
    "not JSON": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", "{", **JSON)),
    "JSON that is no object": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", "[]", **JSON)),
    "JSON too deep": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", "[" * 20000, **JSON)),
    "JSON that is not UTF-8": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", b'{"document":"\xff"}', **JSON)),
    "an unknown field": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", '{"document":"AA","nonse":"AA"}', **JSON)),
    "no document": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", '{"policy":"payments"}', **JSON)),
    "a null nonce": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", '{"document":"AA","nonce":null}', **JSON)),
    "a field twice": (
        ProblemType.MALFORMED_REQUEST,
        post("/v1/verify", '{"document":"AA","policy":"payments","policy":"open"}', **JSON),
    ),
    "a field twice, spelt in two ways": (
        ProblemType.MALFORMED_REQUEST,
        post("/v1/verify", '{"document":"AA","policy":"payments","p\\u006flicy":"open"}', **JSON),
    ),
    "lax base64": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", '{"document":"A A","policy":"open"}', **JSON)),
    "base64 of one character": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", '{"document":"A"}', **JSON)),
    "base64 with stray bits": (ProblemType.MALFORMED_REQUEST, post("/v1/verify", '{"document":"AB"}', **JSON)),
    "a status nobody offers": (
        ProblemType.MALFORMED_REQUEST,
        post("/v1/verify", '{"document":"AA","reject_status":201}', **JSON),
    ),
    "a query beside JSON": (ProblemType.MALFORMED_REQUEST, post(VERIFY, '{"document":"AA"}', **JSON)),
    "an unknown parameter": (ProblemType.MALFORMED_REQUEST, post(f"{VERIFY}&nonse=00", Content_Type=COSE)),
    "a parameter twice": (ProblemType.MALFORMED_REQUEST, post(f"{VERIFY}&policy=open", Content_Type=COSE)),
    "a broken escape": (ProblemType.MALFORMED_REQUEST, post("/v1/verify?policy=%ff", Content_Type=COSE)),
    "too many parameters": (ProblemType.MALFORMED_REQUEST, post("/v1/verify?" + "a=1&" * 9 + "b=1", Content_Type=COSE)),
    "a nonce that is none": (ProblemType.MALFORMED_REQUEST, post(f"{VERIFY}&nonce=a+b", Content_Type=COSE)),
    "a query status nobody offers": (
        ProblemType.MALFORMED_REQUEST,
        post(f"{VERIFY}&reject_status=500", Content_Type=COSE),
    ),
    "a life too long": (ProblemType.MALFORMED_REQUEST, post("/v1/nonces", '{"ttl":3601}', **JSON)),
    "a life of nothing": (ProblemType.MALFORMED_REQUEST, post("/v1/nonces", '{"ttl":0}', **JSON)),
    "a nonce field twice": (ProblemType.MALFORMED_REQUEST, post("/v1/nonces", '{"ttl":1,"ttl":2}', **JSON)),
    "a query for a nonce": (ProblemType.MALFORMED_REQUEST, post("/v1/nonces?policy=open", b"")),
    "no policy": (ProblemType.POLICY_MISSING, post("/v1/verify", Content_Type=COSE)),
    "no policy in JSON": (ProblemType.POLICY_MISSING, post("/v1/verify", '{"document":"AA"}', **JSON)),
    "another time": (
        ProblemType.HISTORICAL_NOT_ALLOWED,
        post("/v1/verify?policy=payments&at=document", Content_Type=COSE),
    ),
    "another policy": (ProblemType.UNKNOWN_POLICY, post("/v1/verify?policy=nope", Content_Type=COSE)),
    "an empty policy": (ProblemType.UNKNOWN_POLICY, post("/v1/verify?policy=", Content_Type=COSE)),
    "another policy in JSON": (
        ProblemType.UNKNOWN_POLICY,
        post("/v1/verify", '{"document":"AA","policy":"x"}', **JSON),
    ),
    "a policy with a quote in its name": (
        ProblemType.UNKNOWN_POLICY,
        post("/v1/verify", '{"document":"AA","policy":"\\"open"}', **JSON),
    ),
    "a nonce for another policy": (ProblemType.UNKNOWN_POLICY, post("/v1/nonces", '{"policy":"x"}', **JSON)),
    "another policy's page": (ProblemType.UNKNOWN_POLICY, lambda service: service.call("GET", "/v1/policies/x")),
    "another path": (ProblemType.NOT_FOUND, lambda service: service.call("GET", "/v2/verify")),
    "a path with an escape": (ProblemType.NOT_FOUND, lambda service: service.call("GET", "/v1%2Fverify")),
    "every path": (ProblemType.NOT_FOUND, raw("OPTIONS * HTTP/1.1\nHost: x\n\n")),
    "another method": (ProblemType.METHOD_NOT_ALLOWED, lambda service: service.call("GET", "/v1/verify")),
    "a method nobody knows": (ProblemType.MALFORMED_HTTP, lambda service: service.call("BREW", "/v1/policies")),
    "a fragment": (ProblemType.MALFORMED_REQUEST, raw(f"POST {VERIFY}#&nonce=00 HTTP/1.1\nHost: x\n\n")),
    "an empty fragment": (ProblemType.MALFORMED_REQUEST, raw("GET /livez# HTTP/1.1\nHost: x\n\n")),
    "too many words": (ProblemType.NOT_ACCEPTABLE, post("/v1/nonces", Accept="*/*" + "," * 1022)),
    "too many words for one policy": (
        ProblemType.NOT_ACCEPTABLE,
        raw("GET /v1/policies/open HTTP/1.1\nHost: x\n" + "Accept: */*;q=0.001,a/b,c/d\n" * 60 + "\n"),
    ),
    "a body in another coding": (
        ProblemType.MALFORMED_HTTP,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nTransfer-Encoding: gzip, chunked\n\n0\n\n"),
    ),
    "a body in the oldest coding": (
        ProblemType.MALFORMED_HTTP,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nTransfer-Encoding: identity, chunked\n\n0\n\n"),
    ),
    "signed results where nobody signs": (
        ProblemType.SIGNING_NOT_CONFIGURED,
        post(VERIFY, Content_Type=COSE, Accept="application/eat+jwt"),
    ),
    "a body that never ends": (
        ProblemType.REQUEST_TIMEOUT,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nContent-Length: 9\n\nabc"),
    ),
    "a large document": (ProblemType.BODY_TOO_LARGE, post(VERIFY, b"x" * 16385, Content_Type=COSE)),
    "large JSON": (ProblemType.BODY_TOO_LARGE, post("/v1/verify", b" " * 24577, **JSON)),
    "a large wish for a nonce": (ProblemType.BODY_TOO_LARGE, post("/v1/nonces", b" " * 1025, **JSON)),
    "a promise of much": (
        ProblemType.BODY_TOO_LARGE,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nContent-Length: 99999999999\n\n"),
    ),
    "a form": (ProblemType.UNSUPPORTED_MEDIA_TYPE, post(VERIFY, Content_Type="application/x-www-form-urlencoded")),
    "two types": (
        ProblemType.MALFORMED_HTTP,
        raw(f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\nContent-Type: text/plain\nContent-Length: 0\n\n"),
    ),
    "a form for a nonce": (ProblemType.UNSUPPORTED_MEDIA_TYPE, post("/v1/nonces", b"a=b", Content_Type="text/plain")),
    "a compressed body": (
        ProblemType.UNSUPPORTED_CONTENT_ENCODING,
        post(VERIFY, Content_Type=COSE, Content_Encoding="gzip"),
    ),
    "a body that is compressed further on": (
        ProblemType.UNSUPPORTED_CONTENT_ENCODING,
        raw(
            f"POST {VERIFY} HTTP/1.1\nHost: x\nContent-Type: {COSE}\n"
            "Content-Encoding: identity\nContent-Encoding: gzip\nContent-Length: 1\n\nx"
        ),
    ),
    "an odd expectation of everything": (
        ProblemType.EXPECTATION_FAILED,
        raw("OPTIONS * HTTP/1.1\nHost: x\nExpect: tea\n\n"),
    ),
    "a bug": (ProblemType.INTERNAL_ERROR, with_bug),
    "too many at once": (ProblemType.OVERLOADED, when_busy),
    "a guard that cannot tell": (ProblemType.GUARD_UNAVAILABLE, with_broken_guard),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_a_problem_of_its_own_type(service: Running, case: str) -> None:
    """A client could not tell its own mistakes from a verdict, or from our failures."""
    kind, send = CASES[case]

    reply = send(service)

    assert reply.problem == kind.slug
    assert reply.status == reply.json["status"] == kind.status.value
    assert reply.json["type"] == TYPE_PREFIX + kind.slug
    assert reply.json["title"] == kind.title
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Server" not in reply.headers
    assert "Attestation-Verdict" not in reply.headers


def test_every_type_of_problem_is_met_here() -> None:
    """A problem that nothing leads to is documentation of nothing."""
    assert {kind for kind, _ in CASES.values()} == set(ProblemType)


def test_a_method_that_is_not_allowed_is_told_which_are(service: Running) -> None:
    """RFC 9110 section 15.5.6 asks for the header."""
    assert service.call("DELETE", "/v1/verify").headers["Allow"] == "POST"
    assert service.call("POST", "/livez").headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("send", [when_busy, with_broken_guard])
def test_what_passes_soon_says_when_to_come_back(service: Running, send: Callable[[Running], Reply]) -> None:
    """Clients would come back at once, all of them."""
    assert send(service).headers["Retry-After"] == "1"


def test_a_bug_says_nothing_of_itself_and_is_no_verdict(service: Running) -> None:
    """Exceptions quote what clients sent, and a crash must never look like a judgement."""
    before = service.metric("bugs_total")

    reply = with_bug(service)

    assert (reply.status, reply.json["detail"]) == (500, "")
    assert service.metric("bugs_total") == before + 1
    [line] = service.lines("bug")[-1:]
    assert (line["error"], line["route"]) == ("LookupError", "/v1/verify")
    assert "secret text" not in service.log.getvalue().decode() + reply.body.decode()


def test_a_guard_that_cannot_tell_affirms_nothing_and_leaves_no_mark(service: Running) -> None:
    """A broken guard that waves documents through is none."""
    before = service.metric("appraisals_total", verdict="affirmed", policy="payments")

    assert with_broken_guard(service).status == 503

    assert service.metric("appraisals_total", verdict="affirmed", policy="payments") == before
    assert service.call("GET", "/readyz").status == 200


@pytest.mark.parametrize(
    "media_type", ["(" * 8000, "a/b;" + '"' * 8000, "a/b" + ";" * 8000, "a/b" + "; a=b" * 1500, "charset;\x80*"]
)
@pytest.mark.parametrize("target", ["/v1/verify?policy=payments", "/v1/nonces"])
def test_a_media_type_is_read_without_effort(service: Running, target: str, media_type: str) -> None:
    """One header would keep the event loop busy for seconds, or end as a bug of ours."""
    head = f"POST {target} HTTP/1.1\nHost: x\nContent-Type: {media_type}\nContent-Length: 1\n\nx"

    assert raw(head)(service).status == 415


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ä", "a\tb", "a;b"])
def test_a_request_id_that_is_none_is_replaced(service: Running, given: str) -> None:
    """Whatever is in that header would reach the log."""
    reply = service.call("GET", "/livez", X_Request_Id=given.encode())  # type: ignore[arg-type]  # bytes as they are

    assert len(reply.headers["X-Request-Id"]) == 32


def test_two_request_ids_are_none(service: Running) -> None:
    """Which one is meant, the proxy's or the client's?"""
    reply = raw("GET /livez HTTP/1.1\nHost: x\nX-Request-Id: one\nX-Request-Id: two\n\n")(service)

    assert reply.headers["X-Request-Id"] not in {"one", "two"}


@pytest.mark.parametrize("expected", ["100-continue", "100-Continue"])
def test_a_client_that_asks_first_is_told_to_continue(service: Running, expected: str) -> None:
    """Curl waits a second for it before each larger body."""
    with service.connect() as stream:
        head = f"POST {VERIFY} HTTP/1.1\r\nHost: x\r\nContent-Type: {COSE}\r\nContent-Length: 1\r\n"
        stream.sendall(f"{head}Expect: {expected}\r\n\r\n".encode())
        assert stream.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(b"x")
        assert read_raw(stream).status == 422


def test_an_expectation_that_is_not_understood_is_passed_over(service: Running) -> None:
    """RFC 9110 section 10.1.1 allows it, and a refusal would come from outside of our answers."""
    assert raw("GET /livez HTTP/1.1\nHost: x\nExpect: tea\n\n")(service).status == 200


def test_json_with_its_fields_spelt_oddly_but_once_is_taken(service: Running) -> None:
    """The check for repeated fields would refuse honest requests."""
    body: dict[str, Any] = {"document": base64url(enclave().attestation()), "reject_status": 422}
    text = json.dumps(body)[:-1] + ', "pol\\u0069cy" : "\\u006fpen"}'

    assert service.call("POST", "/v1/verify", text, **JSON).status == 200


def test_the_clock_is_read_after_the_body_arrived(service: Running) -> None:
    """A slow sender would get its document judged at the time it began to send."""
    document = enclave().attestation()
    service.clock.offset = timedelta(minutes=6)
    try:
        assert service.verify(document, "policy=open").reasons == ["freshness.too-old"]
    finally:
        service.clock.offset = timedelta(0)


def test_a_bug_of_the_edge_itself_is_a_problem_too(tmp_path: Path) -> None:
    """The framework's own page would name it, and quote the exception."""
    with running(make_settings(tmp_path)) as service:
        right = service.service.metrics.count_request

        def fail_once(*_: object) -> None:
            service.service.metrics.count_request = right  # type: ignore[method-assign]  # a fake for one call
            raise LookupError("the secret text of an exception")

        service.service.metrics.count_request = fail_once  # type: ignore[assignment]  # as above
        reply = service.call("GET", "/livez")

        assert (reply.status, reply.problem, reply.json["detail"]) == (500, "internal-error", "")
        assert service.metric("bugs_total") == 1
        assert "secret text" not in service.log.getvalue().decode()
        assert service.call("GET", "/livez").status == 200


class BrokenStream:
    """A body that turns out broken on the way."""

    async def readany(self) -> bytes:
        """Say so, as aiohttp's parsers do."""
        raise web.RequestPayloadError


def test_a_body_that_turns_out_broken_on_the_way_is_the_clients_mistake(service: Running) -> None:
    """It would be counted as a bug of ours."""
    intake = Intake(service.service.settings.limits, service.service.metrics)

    with pytest.raises(ProblemError) as caught:
        asyncio.run(intake._read_slowly(BrokenStream(), 10))  # type: ignore[arg-type]  # a fake

    assert caught.value.kind is ProblemType.MALFORMED_HTTP
