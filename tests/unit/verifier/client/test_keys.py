"""The issuer's keys: kept as long as it allows, asked for anew when one is unknown, and never in a hurry."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable

import pytest

from tests.support.core import AT
from tests.unit.verifier.client.attacks.forge import (
    EXPECTED,
    JWKS,
    RESULT_NONCE,
    SIGNER,
    STRANGER,
    Genuine,
    affirmed,
    key_of,
)
from tests.unit.verifier.client.conftest import QUICK
from tests.unit.verifier.client.fakes import Handler, Request, always, http, problem, verifier
from verifier.client import AsyncTokenVerifier, EarError, EarErrorCode, KeysUnavailableError, VerifierRefusedError
from verifier.client.keys import JWKS_TYPES, PAUSE_S, KeyCache
from verifier.client.transport import Transport

NEW = key_of(STRANGER)
ROTATED = json.dumps({"keys": [NEW.public_jwk(), SIGNER.public_jwk()]}).encode()
MOVED_ON = json.dumps({"keys": [NEW.public_jwk()]}).encode()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def give(jwks: bytes, cache_control: str | None = "max-age=300", media_type: str = JWKS_TYPES[0]) -> Handler:
    headers = {} if cache_control is None else {"Cache_Control": cache_control}
    return always(http(200, jwks, media_type, **headers))


def with_cache(use: Callable[[KeyCache, Clock], Awaitable[None]], *handlers: Handler) -> int:
    """Use a cache over a fake verifier; how often that was asked."""

    async def main(url: str) -> None:
        transport, clock = Transport(url, limits=QUICK), Clock()
        try:
            await use(KeyCache(transport, clock=clock), clock)
        finally:
            await transport.close()

    with verifier(*handlers) as fake:
        asyncio.run(main(fake.url))
    return len(fake.requests)


def test_keys_are_asked_for_once_by_however_many() -> None:
    """A service that starts would ask once for each request that is waiting."""

    async def use(cache: KeyCache, _: Clock) -> None:
        found = await asyncio.gather(*(cache.get() for _ in range(20)))
        assert all(keys is found[0] for keys in found)

    assert with_cache(use, give(JWKS)) == 1


def test_whoever_gives_up_waiting_takes_the_keys_from_nobody_else() -> None:
    """A stranger who asks and hangs up, over and over, would have every token of the others refused."""
    asked, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> bytes | None:
        asked.set()
        assert go_on.wait(10)
        return give(JWKS)(request)

    async def use(cache: KeyCache, _: Clock) -> None:
        stranger = asyncio.create_task(cache.get())
        assert await asyncio.to_thread(asked.wait, 10)
        stranger.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stranger
        waiting = asyncio.create_task(cache.get())
        await asyncio.sleep(0)
        go_on.set()
        assert (await waiting).find(SIGNER.kid).kid == SIGNER.kid

    assert with_cache(use, slow) == 1


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=60", 60),
        ("public, max-age=60", 60),
        ("MAX-AGE=60, must-revalidate", 60),
        ("max-age=0", PAUSE_S),
        ("max-age=999999999", 3600),
        ("s-maxage=20", 300),
        ("no-store", 300),
        ("max-age=abc", 300),
        ("max-age=-1", 300),
        (None, 300),
    ],
)
def test_keys_are_kept_for_as_long_as_the_issuer_says_within_bounds(cache_control: str | None, seconds: float) -> None:
    """A withdrawn key would be believed for ever; or each token would be a question."""

    async def use(cache: KeyCache, clock: Clock) -> None:
        first = await cache.get()
        clock.now += seconds - 0.01
        assert await cache.get() is first
        clock.now += 0.02
        assert await cache.get() is not first

    assert with_cache(use, give(JWKS, cache_control)) == 2


def test_a_key_that_is_no_longer_published_is_believed_no_more() -> None:
    """Withdrawing a key would not help."""

    async def use(cache: KeyCache, clock: Clock) -> None:
        assert (await cache.get()).find(SIGNER.kid).kid == SIGNER.kid
        clock.now += 301
        with pytest.raises(EarError):
            (await cache.get()).find(SIGNER.kid)

    with_cache(use, give(JWKS), give(MOVED_ON))


def test_newer_keys_are_looked_for_at_a_rate() -> None:
    """A stranger's tokens with made-up kids would each be a question to the issuer."""

    async def use(cache: KeyCache, clock: Clock) -> None:
        known = await cache.get()
        assert await cache.newer_than(known) is known
        clock.now += PAUSE_S
        newer = await asyncio.gather(*(cache.newer_than(known) for _ in range(20)))
        assert all(keys is newer[0] for keys in newer)
        assert newer[0].find(NEW.kid).kid == NEW.kid
        assert await cache.get() is newer[0]
        assert await cache.newer_than(known) is newer[0]
        assert await cache.newer_than(newer[0]) is newer[0]

    assert with_cache(use, give(JWKS), give(ROTATED)) == 2


UNUSABLE = {
    "not there": always(problem(404, "not-found")),
    "a page": always(http(200, b"<html>", "text/html")),
    "no keys": give(b'{"keys": []}'),
    "not JSON": give(b"keys"),
    "of another type": give(JWKS, media_type="text/plain"),
    "elsewhere": always(http(302, b"", "text/plain", Location="/keys")),
    "too many": give(b'{"keys": [' + b",".join([b"{}"] * 40) + b"]}"),
    "too large": give(JWKS + b" " * 70_000),
    "a secret": give(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}'),
    "under another kid": give(json.dumps({"keys": [SIGNER.public_jwk() | {"kid": NEW.kid}]}).encode()),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_keys_that_cannot_be_had_are_not_asked_for_with_every_token(case: str) -> None:
    """An issuer that is down would be kept down; or nothing would be known, and something would pass."""

    async def use(cache: KeyCache, clock: Clock) -> None:
        with pytest.raises(KeysUnavailableError) as caught:
            await cache.get()
        assert caught.value.__cause__ is not None
        for _ in range(5):
            with pytest.raises(KeysUnavailableError, match="a moment ago"):
                await cache.get()
        clock.now += PAUSE_S
        assert (await cache.get()).find(SIGNER.kid).kid == SIGNER.kid

    assert with_cache(use, UNUSABLE[case], give(JWKS)) == 2


def test_an_outage_while_newer_keys_are_looked_for_leaves_the_known_ones() -> None:
    """One unknown kid at the wrong moment would shut everybody out."""

    async def use(cache: KeyCache, clock: Clock) -> None:
        known = await cache.get()
        clock.now += PAUSE_S
        with pytest.raises(KeysUnavailableError) as caught:
            await cache.newer_than(known)
        assert isinstance(caught.value.__cause__, VerifierRefusedError)
        assert await cache.get() is known
        assert await cache.newer_than(known) is known

    assert with_cache(use, give(JWKS), always(problem(404, "not-found"))) == 2


def test_keys_that_have_expired_are_not_used_when_no_others_can_be_had() -> None:
    """Whoever keeps the issuer from answering could keep a stolen key alive."""

    async def use(cache: KeyCache, clock: Clock) -> None:
        known = await cache.get()
        clock.now += 301
        with pytest.raises(KeysUnavailableError):
            await cache.get()
        assert await cache.newer_than(known) is known, "asked a moment ago"

    with_cache(use, give(JWKS), always(problem(404, "not-found")))


def test_a_token_by_a_key_that_was_published_since_is_accepted() -> None:
    """Every rotation would be an outage until the old keys expire."""

    async def main(url: str) -> None:
        async with AsyncTokenVerifier(url, EXPECTED, now=lambda: AT, limits=QUICK) as tokens:
            old, new = Genuine().jwt(affirmed()), Genuine(key=NEW).jwt(affirmed())
            assert (await tokens.require_affirmed(old, nonce=RESULT_NONCE)).key_id == SIGNER.kid
            with pytest.raises(EarError) as caught:  # within the pause
                await tokens.require_affirmed(new, nonce=RESULT_NONCE)
            assert caught.value.code is EarErrorCode.KEY_UNKNOWN
            tokens._keys._asked_at = None
            assert (await tokens.require_affirmed(new, nonce=RESULT_NONCE)).key_id == NEW.kid
            assert (await tokens.require_affirmed(old, nonce=RESULT_NONCE)).key_id == SIGNER.kid

    with verifier(give(JWKS), give(ROTATED)) as fake:
        asyncio.run(main(fake.url))
    assert len(fake.requests) == 2
