"""The example Relying Party: whoever is not certainly affirmed never reaches the application."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from relying_party.__main__ import hello, main
from relying_party.admission import ATTESTATION
from relying_party.aiohttp_middleware import attested_only
from relying_party.asgi import AttestedOnly, Message, Receive, Send
from tests.support.core import AT
from tests.unit.verifier.client.attacks.forge import (
    EXPECTED,
    JWKS,
    POLICY,
    Genuine,
    affirmed,
    claims,
    jwt,
    rejected_for_its_build,
)
from tests.unit.verifier.client.fakes import Handler, always, http, problem, verifier
from verifier.client import AsyncTokenVerifier

GIVE_KEYS = always(http(200, JWKS))
TOKEN = Genuine(nonce=None).jwt(affirmed())
BEARER = f"Bearer {TOKEN}"

# name: the headers Authorization, the status, and the code; the last line is the only one that is admitted
CASES: dict[str, tuple[list[str], int, str]] = {
    "no header": ([], 401, "token.missing"),
    "two headers": ([BEARER, BEARER], 401, "token.missing"),
    "another scheme": ([f"Basic {TOKEN}"], 401, "token.missing"),
    "no scheme": ([TOKEN], 401, "token.missing"),
    "two tokens in one": ([f"{BEARER},x"], 401, "token.missing"),
    "nothing after the scheme": (["Bearer "], 401, "token.missing"),
    "noise": (["Bearer x"], 401, "token.malformed"),
    "another audience": ([f"Bearer {jwt(claims(aud='other'))}"], 401, "token.audience-mismatch"),
    "expired": ([f"Bearer {jwt(claims(iat=0, exp=1))}"], 401, "token.expired"),
    "rejected": ([f"Bearer {Genuine().jwt(rejected_for_its_build())}"], 403, "token.not-affirmed"),
    "affirmed": ([f"bearer  {TOKEN}"], 200, "v1"),
}


async def application(scope: Message, _: Receive, send: Send) -> None:
    """Say which build was admitted; everything else says "open"."""
    await send({"type": "said", "build": scope[ATTESTATION].build if ATTESTATION in scope else "open"})


async def drive(url: str, scope: Message) -> list[Message]:
    """Call the middleware as a server does, and give what it sends."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    async with AsyncTokenVerifier(url, EXPECTED, now=lambda: AT) as tokens:
        await AttestedOnly(application, tokens)(scope, receive, send)
    return sent


def asgi(scope_type: str, authorization: list[str], give_keys: Handler = GIVE_KEYS) -> list[Message]:
    headers = [(b"Authorization", value.encode()) for value in authorization]
    with verifier(give_keys) as fake:
        return asyncio.run(drive(fake.url, {"type": scope_type, "headers": [(b"host", b"x"), *headers]}))


@pytest.mark.parametrize("case", CASES)
def test_an_asgi_application_gets_requests_of_affirmed_enclaves_alone(case: str) -> None:
    """Anybody could call it."""
    authorization, status, word = CASES[case]
    sent = asgi("http", authorization)
    if status == 200:
        assert sent == [{"type": "said", "build": word}]
        return
    start, body = sent
    headers = dict(start["headers"])
    assert (start["status"], json.loads(body["body"])) == (status, {"error": word})
    assert headers[b"www-authenticate"].startswith(b"Bearer")
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize("case", CASES)
def test_an_asgi_application_gets_websockets_of_affirmed_enclaves_alone(case: str) -> None:
    """The other way in would be open."""
    authorization, status, word = CASES[case]
    expected = {"type": "said", "build": word} if status == 200 else {"type": "websocket.close", "code": 1008}
    assert asgi("websocket", authorization) == [expected]


def test_an_asgi_server_can_start_the_application_and_nothing_unknown_passes() -> None:
    """It would not start; or a kind of request of tomorrow would pass unseen."""
    assert asgi("lifespan", []) == [{"type": "said", "build": "open"}]
    with pytest.raises(ValueError, match="of-tomorrow"):
        asgi("of-tomorrow", [BEARER])


def test_without_keys_nobody_is_admitted_and_everybody_is_asked_to_come_back() -> None:
    """An outage would admit everybody, or tell an honest enclave that its token is bad."""
    start, body = asgi("http", [BEARER], always(problem(404, "not-found")))
    assert (start["status"], json.loads(body["body"])) == (503, {"error": "keys.unavailable"})
    assert dict(start["headers"])[b"retry-after"] == b"10"


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/hello"))
    finally:
        await server.close()


async def ask_aiohttp(keys_url: str, authorization: list[str]) -> tuple[int, dict[str, str], Any]:
    async with AsyncTokenVerifier(keys_url, EXPECTED, now=lambda: AT) as tokens, ClientSession() as session:
        app = web.Application(middlewares=[attested_only(tokens)])
        app.router.add_get("/hello", hello)
        async with (
            serving(app) as url,
            session.get(url, headers=[("Authorization", v) for v in authorization]) as answer,
        ):
            return answer.status, dict(answer.headers), await answer.json()


@pytest.mark.parametrize("case", CASES)
def test_an_aiohttp_application_gets_requests_of_affirmed_enclaves_alone(case: str) -> None:
    """Anybody could call it."""
    authorization, status, word = CASES[case]
    with verifier(GIVE_KEYS) as fake:
        answered, headers, body = asyncio.run(ask_aiohttp(fake.url, authorization))
    assert answered == status
    assert body == ({"hello": word, "policy": POLICY} if status == 200 else {"error": word})
    assert status == 200 or headers["WWW-Authenticate"].startswith("Bearer")


def test_a_verifier_that_cannot_be_asked_safely_is_a_mistake_in_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader who tries it with `http://` and another machine would get a traceback."""
    options = ["--verifier", "http://verifier.example", "--issuer", "https://verifier.example", "--policy", "payments"]
    monkeypatch.setattr("sys.argv", ["relying_party", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "plain HTTP to another machine" in capsys.readouterr().err
