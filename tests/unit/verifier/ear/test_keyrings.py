"""The keys that a Relying Party believes: read from a JWKS that may hold others, and never private ones."""

import json
from typing import Any

import pytest

from tests.support.tokens import CURVES, jwks, key
from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.keyrings import MAX_JWKS_BYTES, MAX_JWKS_KEYS, read_jwks

ENTRIES: list[dict[str, Any]] = json.loads(jwks())["keys"]
RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa"}


def document(*entries: object, **more: object) -> str:
    return json.dumps({"keys": entries, **more})


def test_every_published_key_is_found_by_its_kid() -> None:
    """Tokens of a key that is about to be current would be refused."""
    read = read_jwks(jwks().encode())

    for curve in CURVES:
        assert read.find(key(curve).kid).algorithm.curve == curve
    with pytest.raises(EarError) as caught:
        read.find("another")
    assert caught.value.code is EarErrorCode.KEY_UNKNOWN


def test_keys_of_other_kinds_and_uses_are_passed_over() -> None:
    """An issuer that has other keys too could not be read (RFC 7517 section 5)."""
    read = read_jwks(document(RSA, {"kty": "new"}, {}, ENTRIES[0] | {"use": "enc"}, ENTRIES[1], extra=1))

    assert [each.kid for each in read.keys] == [ENTRIES[1]["kid"]]


PRIVATE = {"EC": {"d": "AAAA"}, "RSA": {"p": "AAAA"}, "secret": {"kty": "oct", "k": "AAAA"}}
BAD: dict[str, str | bytes] = {
    "nothing": "",
    "no JSON": "keys",
    "no object": "[]",
    "no keys": "{}",
    "keys of no list": '{"keys": {}}',
    "keys of no objects": '{"keys": [1]}',
    "an empty list": '{"keys": []}',
    "none that signs": document(RSA),
    "a name twice": '{"keys": [], "keys": []}',
    "one key twice": document(ENTRIES[0], ENTRIES[0]),
    "no kid": document({name: value for name, value in ENTRIES[0].items() if name != "kid"}),
    "the kid of another": document(ENTRIES[0] | {"kid": ENTRIES[1]["kid"]}),
    "not UTF-8": b'{"keys": ["\xff"]}',
    "half a character": '{"keys": ["\ud800"]}',
    "too many": document(*[{}] * (MAX_JWKS_KEYS + 1), ENTRIES[0]),
    "too long": document(ENTRIES[0]) + " " * MAX_JWKS_BYTES,
    "bottomless": "[" * 50_000,
    **{f"a private {name}": document(ENTRIES[0], ENTRIES[1] | more) for name, more in PRIVATE.items()},
}


@pytest.mark.parametrize("jwks", BAD.values(), ids=BAD)
def test_a_jwks_that_cannot_be_relied_on_is_refused(jwks: str | bytes) -> None:
    """A Relying Party would believe a key that somebody else could have, or none without noticing."""
    with pytest.raises(EarError) as caught:
        read_jwks(jwks)

    assert caught.value.code is EarErrorCode.KEYS_INVALID
