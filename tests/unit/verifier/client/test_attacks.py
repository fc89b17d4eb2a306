"""Every attack on a token that the table has is refused for its reason, and no genuine token is."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.core import AT
from tests.unit.verifier.client.attacks import cbor_tokens, contents, envelopes
from tests.unit.verifier.client.attacks.forge import (
    AUDIENCE,
    EXPECTED,
    IAT,
    ISSUER,
    JWKS,
    KEYS,
    POLICY,
    RESULT_NONCE,
    Genuine,
    affirmed,
    b64,
    claims,
    cwt,
    jwt,
    keys,
    unb64,
)
from tests.unit.verifier.client.attacks.genuine import GENUINE, Case
from tests.unit.verifier.client.fakes import always, http, verifier
from verifier.client import AsyncTokenVerifier, EarError, EarErrorCode, EarResult, TokenVerifier
from verifier.ear.keyrings import read_jwks

ATTACKS = [*envelopes.ATTACKS, *contents.ATTACKS, *cbor_tokens.ATTACKS]
GOOD_JWT, GOOD_CWT = Genuine().jwt(affirmed()), Genuine().cwt(affirmed())


def require_affirmed(token: str | bytes) -> EarResult:
    return EXPECTED.require_affirmed(token, keys(), at=AT, nonce=RESULT_NONCE)


def refusal(token: str | bytes) -> EarErrorCode:
    with pytest.raises(EarError) as caught:
        require_affirmed(token)
    return caught.value.code


@pytest.mark.parametrize(("token", "code"), [attack[1:] for attack in ATTACKS], ids=[attack[0] for attack in ATTACKS])
def test_an_attack_is_refused_for_its_reason(token: str | bytes, code: EarErrorCode) -> None:
    """Somebody would be admitted; or an operator would look in the wrong place."""
    assert refusal(token) is code


def test_the_table_has_every_code_that_a_token_can_be_refused_with() -> None:
    """A check could be lost without anybody noticing."""
    assert len({name for name, _, _ in ATTACKS}) == len(ATTACKS) > 400
    assert {code for _, _, code in ATTACKS} == set(EarErrorCode) - {EarErrorCode.KEYS_INVALID, EarErrorCode.TOO_OLD}


@pytest.mark.parametrize("case", GENUINE, ids=[case[0] for case in GENUINE])
def test_a_genuine_token_is_accepted(case: Case) -> None:
    """Nobody would be admitted."""
    _, token, expected, nonce = case
    result = expected.require_affirmed(token, keys(), at=AT, nonce=nonce)
    assert (result.affirmed, result.issuer, result.build) == (True, ISSUER, "v1")


def test_a_token_older_than_the_relying_party_wants_is_refused() -> None:
    """An admission could not be shorter than the verifier thinks it may be."""
    young = replace(EXPECTED, max_age=timedelta(seconds=60))
    with pytest.raises(EarError) as caught:
        young.require_affirmed(jwt(claims(iat=IAT - 91)), keys(), at=AT, nonce=RESULT_NONCE)
    assert caught.value.code is EarErrorCode.TOO_OLD


def test_keys_that_cannot_be_used_are_refused() -> None:
    """A secret in a JWKS would be a key that everybody has."""
    with pytest.raises(EarError) as caught:
        read_jwks(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
    assert caught.value.code is EarErrorCode.KEYS_INVALID


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"audience": ""},
        {"policy": ""},
        {"leeway": timedelta(seconds=-1)},
        {"leeway": timedelta(minutes=11)},
        {"max_age": timedelta(0)},
    ],
)
def test_expectations_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    """A variable that is not set would be an empty name, found out with the first token or never."""
    with pytest.raises(ValueError, match=r"names|leeway|max_age"):
        replace(EXPECTED, **wrong)


def test_what_a_rejected_token_says_can_be_read_all_the_same() -> None:
    """An operator could not see why."""
    token = next(token for name, token, _ in contents.ATTACKS if name == "rejected: another build")
    result = EXPECTED.read(token, keys(), at=AT, nonce=RESULT_NONCE)
    assert (result.affirmed, result.reasons) == (False, ("measurement.pcr-mismatch",))


def test_the_attacks_fail_against_both_faces_with_the_keys_from_http() -> None:
    """What a Relying Party calls could be more lenient than what was tested."""
    with verifier(always(http(200, JWKS, "application/jwk-set+json", Cache_Control="public, max-age=60"))) as fake:
        with TokenVerifier(fake.url, EXPECTED, now=lambda: AT) as blocking:
            assert blocking.require_affirmed(GOOD_JWT, nonce=RESULT_NONCE).affirmed
            for name, token, code in ATTACKS[::7]:
                with pytest.raises(EarError) as caught:
                    blocking.require_affirmed(token, nonce=RESULT_NONCE)
                assert caught.value.code is code, name
        asyncio.run(_attack_async(fake.url))
    assert len(fake.requests) == 2, "an unknown kid within the pause asks nobody"


async def _attack_async(url: str) -> None:
    async with AsyncTokenVerifier(url, EXPECTED, now=lambda: AT) as asynchronous:
        assert (await asynchronous.read(GOOD_CWT, nonce=RESULT_NONCE)).affirmed
        for name, token, code in ATTACKS:
            with pytest.raises(EarError) as caught:
                await asynchronous.require_affirmed(token, nonce=RESULT_NONCE)
            assert caught.value.code is code, name


@given(token=st.binary(max_size=300) | st.text(max_size=300))
@example(token="")
@example(token=b"\xd2")
@example(token="..")
def test_anything_at_all_is_refused(token: str | bytes) -> None:
    """What is no token could raise something else, and be taken for an outage, or for nothing."""
    assert isinstance(refusal(token), EarErrorCode)


def _mutated(token: bytes) -> st.SearchStrategy[bytes]:
    """Change, remove, insert or repeat bytes."""
    places = st.integers(0, len(token))
    return st.builds(
        lambda a, b, between: token[: min(a, b)] + between + token[max(a, b) :], places, places, st.binary(max_size=8)
    ) | st.builds(
        lambda place, mask: token[:place] + bytes([token[place] ^ mask]) + token[place + 1 :],
        st.integers(0, len(token) - 1),
        st.integers(1, 255),
    )


@given(token=st.sampled_from([GOOD_JWT.encode(), GOOD_CWT]).flatmap(_mutated))
def test_a_mutated_token_never_passes(token: bytes) -> None:
    """The signature would cover less than is believed."""
    assume(token.removeprefix(b"\xd8\x3d") not in (GOOD_JWT.encode(), GOOD_CWT))  # that tag may be there or not
    assert isinstance(refusal(token), EarErrorCode)


@given(part=st.integers(0, 2), mutation=st.data())
def test_a_jwt_with_a_mutated_part_never_passes(part: int, mutation: st.DataObject) -> None:
    """The same below base64, where nothing is refused for its spelling."""
    parts = [unb64(text) for text in GOOD_JWT.split(".")]
    changed = mutation.draw(_mutated(parts[part]))
    assume(changed != parts[part])
    parts[part] = changed
    assert isinstance(refusal(".".join(map(b64, parts))), EarErrorCode)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(mutation=st.data())
def test_whatever_an_issuer_signs_passes_only_as_what_was_expected(mutation: st.DataObject) -> None:
    """A token with one claim of any other value: refused, or still an affirmation of this policy for this audience."""
    changed = claims()
    holder, name = changed, mutation.draw(st.sampled_from(sorted(changed)))
    while isinstance(holder[name], dict) and mutation.draw(st.booleans()):
        holder = holder[name]
        name = mutation.draw(st.sampled_from(sorted(holder)))
    holder[name] = mutation.draw(json_values)
    try:
        result = require_affirmed(jwt(changed))
    except EarError:
        return
    assert result.affirmed
    assert (result.issuer, result.audience, result.nonce) == (ISSUER, AUDIENCE, RESULT_NONCE)
    assert result.policy_name == POLICY
    assert result.expires_at > AT - timedelta(seconds=30)


def test_every_kind_of_key_signs_and_none_stands_in_for_another() -> None:
    """A key could be taken for one of another algorithm."""
    for key in KEYS:
        result = require_affirmed(Genuine(key=key).cwt(affirmed()))
        assert (result.key_id, result.algorithm) == (key.kid, key.algorithm.jose)


def test_a_cwt_by_another_hand_says_the_same_as_the_jwt() -> None:
    """The two forms could differ in what they admit."""
    from_cwt, from_jwt = require_affirmed(cwt()), require_affirmed(jwt())
    assert replace(from_cwt, token_id="") == replace(from_jwt, token_id="")
