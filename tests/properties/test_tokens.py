"""What is signed: nothing that an unauthenticated sender wrote, and whatever is signed is read back as it was meant."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from issuer.nsm import sign1
from tests.support.core import AT, NONCE, PCRS, appraise, chain, document, verifier
from tests.support.core import policy as make_policy
from tests.support.tokens import CURVES, ISSUER, RP_NONCE, TO, TOKEN_ID, key, keys, payload_of
from verifier import Affirmed, Rejected
from verifier.ear.errors import EarError
from verifier.ear.reading import read_token
from verifier.ear.signing import Addressee, sign_cwt, sign_jwt
from verifier.policy.findings import Finding
from verifier.policy.model import NonceMode

WINDOW = 8
JUDGE, POLICY = verifier(), make_policy()
SPOKEN = document(
    user_data=b"the words of somebody whom nobody knows", public_key=b"and a key of theirs, in clear text"
)
GOOD = (document(), SPOKEN, document(style="definite", user_data=bytes(range(256)) * 4))
REJECTED = Rejected(
    findings=(), policy=None, unaffirmed_claims=None, freshness=None, evaluated_at=AT, historical=False,
    evidence_sha256="00" * 32,
)  # fmt: skip


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A good document, of which something was changed, cut off or added."""
    evidence = draw(st.sampled_from(GOOD))
    at = draw(st.integers(0, len(evidence) - 1))
    return draw(
        st.sampled_from((
            evidence[:at] + bytes([evidence[at] ^ draw(st.integers(1, 255))]) + evidence[at + 1 :],
            evidence[:at],
            evidence[:at] + draw(st.binary(max_size=40)) + evidence[at:],
        ))
    )  # fmt: skip


UNKNOWN_SIGNER = st.builds(
    lambda module, data: sign1(data, chain().key) + module.encode(),
    st.text(st.characters(codec="ascii"), max_size=60),
    st.binary(max_size=2000),
)
FORGED = st.one_of(st.binary(max_size=4000), altered(), UNKNOWN_SIGNER, st.text(max_size=500).map(str.encode))


def windows(data: bytes) -> set[bytes]:
    """Every run of eight bytes."""
    return {data[at : at + WINDOW] for at in range(len(data) - WINDOW + 1)}


def strings_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Every text in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_of(each)


def readings(text: str) -> Iterator[bytes]:
    """What a text may stand for: itself, hex, base64."""
    yield text.encode()
    for decode in (bytes.fromhex, lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))):
        try:
            yield decode(text)
        except ValueError:
            continue


def said_by(result: Rejected) -> set[bytes]:
    """Every run of eight bytes that a result's tokens hold, in whatever form."""
    found: set[bytes] = set()
    claims = payload_of(sign_jwt(result, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID))
    for text in strings_of(claims):
        for reading in readings(text):
            found |= windows(reading)
    cwt = sign_cwt(result, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID)
    return found | windows(json.dumps(claims).encode()) | windows(cwt[:-64])  # without the signature, which is random


@given(FORGED)
@example(b"")
@example(b'{"verdict":"affirmed","ear_status":"affirming"}')
@example(SPOKEN[:-1] + bytes([SPOKEN[-1] ^ 1]))
def test_nothing_of_an_unauthentic_document_is_signed(evidence: bytes) -> None:
    """A forger would have us sign words of theirs, and show them around as ours."""
    result = JUDGE.appraise(evidence, policy=POLICY, nonce=NONCE, at=AT)
    assume(isinstance(result, Rejected) and result.unaffirmed_claims is None)
    assert isinstance(result, Rejected)
    # What would be signed of no evidence at all, refused for the same reason: our own words.
    blank = replace(REJECTED, policy=result.policy, findings=(Finding(reason=result.reasons[0], detail=""),))
    own = said_by(blank)

    assert not (said_by(result) - own) & windows(evidence)
    assert not (said_by(result) - own) & windows(evidence.hex().encode())
    assert not (said_by(result) - own) & windows(base64.urlsafe_b64encode(evidence))


@given(FORGED)
def test_a_token_of_an_unauthentic_document_depends_on_its_digest_and_the_reason_alone(evidence: bytes) -> None:
    """Something of the document would have found its way into the token after all."""
    result = JUDGE.appraise(evidence, policy=POLICY, nonce=NONCE, at=AT)
    assume(isinstance(result, Rejected) and result.unaffirmed_claims is None)
    assert isinstance(result, Rejected)
    blank = replace(
        REJECTED, policy=result.policy, evidence_sha256=result.evidence_sha256,
        findings=(Finding(reason=result.reasons[0], detail="of somebody else"),),
    )  # fmt: skip

    for sign in (_jwt_claims, _cwt_signed):
        assert sign(result) == sign(blank)


def _jwt_claims(result: Rejected) -> object:
    return payload_of(sign_jwt(result, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID))


def _cwt_signed(result: Rejected) -> object:
    return sign_cwt(result, issuer=ISSUER, key=key("Ed25519"), to=TO, token_id=TOKEN_ID)  # the same every time


BYTES = st.none() | st.binary(max_size=1024)
DOCUMENTS = st.builds(
    lambda user_data, public_key, nonce, pcr0: document(
        user_data=user_data, public_key=public_key, nonce=nonce, pcrs={**PCRS, 0: pcr0}
    ),
    BYTES,
    BYTES,
    BYTES,
    st.sampled_from([PCRS[0], bytes(48), b"\x11" * 48]),
)


@given(DOCUMENTS, st.sampled_from(CURVES), st.none() | st.binary(min_size=8, max_size=64))
def test_what_is_signed_is_read_back_in_both_forms(evidence: bytes, curve: str, nonce: bytes | None) -> None:
    """A Relying Party would be told something else by a CWT than by a JWT, or than was appraised."""
    result = appraise(evidence, make_policy(nonce=NonceMode.NONE), nonce=None)
    to = Addressee(nonce=nonce)
    read = [
        read_token(
            sign(result, issuer=ISSUER, key=key(curve), to=to, token_id=TOKEN_ID),
            keys(), at=AT, issuer=ISSUER.name, audience=None, nonce=nonce,
        )
        for sign in (sign_jwt, sign_cwt)
    ]  # fmt: skip

    assert read[0] == read[1]
    assert read[0].affirmed is isinstance(result, Affirmed)
    if isinstance(result, Affirmed):
        said = read[0].attester
        assert said is not None
        claims = result.claims
        assert (said.user_data, said.public_key, said.nonce) == (claims.user_data, claims.public_key, claims.nonce)
        assert said.pcrs == claims.pcrs


TOKENS = (
    sign_jwt(appraise(document()), issuer=ISSUER, key=key(), to=TO).encode(),
    sign_cwt(appraise(document()), issuer=ISSUER, key=key("P-384"), to=TO),
    sign_cwt(appraise(document()), issuer=ISSUER, key=key("Ed25519"), to=TO),
)


@given(st.one_of(st.binary(max_size=3000), st.binary(max_size=3000).map(lambda data: b"\xd2" + data)))
def test_any_bytes_are_a_token_or_refused(token: bytes) -> None:
    """A Relying Party would crash on what a stranger sends."""
    with pytest.raises(EarError):
        read_token(token, keys(), at=AT, issuer=ISSUER.name, audience=None, nonce=None)


@given(st.sampled_from(TOKENS), st.data())
def test_a_token_with_any_bit_flipped_is_refused(token: bytes, data: st.DataObject) -> None:
    """Something in a token would not be signed."""
    bit = data.draw(st.integers(0, 8 * len(token) - 1))
    flipped = bytearray(token)
    flipped[bit // 8] ^= 1 << bit % 8

    with pytest.raises(EarError):
        read_token(bytes(flipped), keys(), at=AT, issuer=ISSUER.name, audience=TO.audience, nonce=RP_NONCE)


@given(st.timedeltas(timedelta(0), timedelta(days=9)))
def test_a_token_is_good_until_it_expires_and_never_again(after: timedelta) -> None:
    """A token would come back to life."""
    good = after < timedelta(minutes=5)
    try:
        read_token(
            TOKENS[0], keys(), at=AT + after, issuer=ISSUER.name, audience=TO.audience, nonce=RP_NONCE,
            leeway=timedelta(0),
        )  # fmt: skip
    except EarError:
        assert not good
    else:
        assert good
