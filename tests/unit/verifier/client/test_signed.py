"""Signed verdicts: verified before they are handed on, and about what was asked."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.core import AT, NONCE, appraise, document, policy
from tests.unit.verifier.client.attacks.forge import (
    AUDIENCE,
    DER,
    ISSUER,
    JWKS,
    POLICY,
    RESULT_NONCE,
    STRANGER,
    Genuine,
    affirmed,
    appraisal,
    jwt,
    key_of,
    rejected_for_its_build,
    unb64,
)
from tests.unit.verifier.client.conftest import Ask
from tests.unit.verifier.client.fakes import Handler, Request, always, by_path, http, problem, result_body, verifier
from verifier import AttestationResult
from verifier.client import (
    EarError,
    EarErrorCode,
    KeysUnavailableError,
    NotAffirmedError,
    Problem,
    VerifierProtocolError,
    VerifierRefusedError,
    VerifierUnavailableError,
)
from verifier.client.questions import TOKEN_TYPES, Form

DOCUMENT = document(public_key=DER)
GIVE_KEYS = always(http(200, JWKS, "application/jwk-set+json", Cache_Control="max-age=300"))
TRUSTING: dict[str, Any] = {"issuer": ISSUER, "now": lambda: AT}


def answer(token: str | bytes, *, status: int = 200, verdict: str = "affirmed", form: Form = "jwt") -> bytes:
    octets = token.encode() if isinstance(token, str) else token
    media_type = f'{TOKEN_TYPES[form]}; eat_profile="tag:ietf.org,2026:rats/ear#04"'
    return http(status, octets, media_type, Attestation_Verdict=verdict)


def signer(result: AttestationResult, *, form: Form = "jwt", **how: Any) -> Handler:  # noqa: ANN401 - of `answer`
    """Sign one result for whoever asks."""

    def sign(request: Request) -> bytes:
        query = request.query
        genuine = Genuine(audience=query.get("result_audience", [None])[0], nonce=unb64(query["result_nonce"][0]))
        return answer(genuine.jwt(result) if form == "jwt" else genuine.cwt(result), form=form, **how)

    return sign


def get_signed(**changes: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - of `verify_signed`
    asked = {"policy": POLICY, "nonce": NONCE, "audience": AUDIENCE} | changes
    return lambda client: client.verify_signed(DOCUMENT, **asked)


@pytest.mark.parametrize("form", ["jwt", "cwt"])
def test_a_signed_verdict_is_verified_and_can_be_passed_on(ask: Ask, form: Form) -> None:
    """A Relying Party could not show anybody what it decided by."""
    with verifier(by_path(verify=signer(affirmed(), form=form), jwks=GIVE_KEYS)) as fake:
        signed = ask(fake.url, get_signed(form=form), **TRUSTING)
    assert signed.require_affirmed() is signed
    assert isinstance(signed.token, str if form == "jwt" else bytes)
    assert (signed.result.audience, signed.result.policy_name, signed.result.build) == (AUDIENCE, POLICY, "v1")
    keys, asked = fake.requests
    assert keys.line == "GET /.well-known/jwks.json HTTP/1.1"
    assert asked.headers["accept"] == TOKEN_TYPES[form]
    assert asked.query["result_audience"] == [AUDIENCE]
    assert len(signed.result.nonce) == 32


def test_each_signed_verdict_echoes_a_nonce_of_its_own(ask: Ask) -> None:
    """An older verdict could be shown again."""
    with verifier(by_path(verify=signer(affirmed()), jwks=GIVE_KEYS)) as fake:
        first, second = (ask(fake.url, get_signed(), **TRUSTING).result.nonce for _ in range(2))
        chosen = ask(fake.url, get_signed(result_nonce=RESULT_NONCE, audience=None), **TRUSTING).result
    assert first != second
    assert (chosen.nonce, chosen.audience) == (RESULT_NONCE, None)


def test_a_signed_rejection_says_why_and_never_passes(ask: Ask) -> None:
    """A token would be a token, whatever it says."""
    with verifier(
        by_path(verify=signer(rejected_for_its_build(), status=422, verdict="rejected"), jwks=GIVE_KEYS)
    ) as fake:
        signed = ask(fake.url, get_signed(), **TRUSTING)
    with pytest.raises(NotAffirmedError) as caught:
        signed.require_affirmed()
    assert caught.value.codes == ("measurement.pcr-mismatch",)


CONTRADICTIONS: dict[str, Handler] = {
    "affirmed with a rejection's status": signer(affirmed(), status=422),
    "affirmed, the header says rejected": signer(affirmed(), verdict="rejected"),
    "affirmed, the header says it was long ago": signer(affirmed(), verdict="historical-affirmed"),
    "rejected with status 200": signer(rejected_for_its_build(), verdict="rejected"),
    "about another document": signer(appraise(document(), policy())),
    "unsigned": always(http(200, result_body(DOCUMENT), Attestation_Verdict="affirmed")),
    "of the other form": signer(affirmed(), form="cwt"),
    "no token": always(http(200, b"", "text/plain")),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_token_that_does_not_fit_its_answer_or_the_question_is_refused(ask: Ask, case: str) -> None:
    """What was asked to be signed could come unsigned, or be about something else."""
    with (
        verifier(by_path(verify=CONTRADICTIONS[case], jwks=GIVE_KEYS)) as fake,
        pytest.raises(VerifierProtocolError),
    ):
        ask(fake.url, get_signed(), **TRUSTING)


def test_a_token_about_another_nonce_of_the_document_is_refused(ask: Ask) -> None:
    """A document that was made for somebody else could be affirmed."""
    with verifier(by_path(verify=signer(affirmed()), jwks=GIVE_KEYS)) as fake:
        with pytest.raises(VerifierProtocolError, match="another nonce"):
            ask(fake.url, get_signed(nonce=b"the nonce that was given to it"), **TRUSTING)
        assert ask(fake.url, get_signed(nonce=None), **TRUSTING).require_affirmed()


REFUSED: dict[str, tuple[str, EarErrorCode]] = {
    "echoes another nonce": (Genuine().jwt(affirmed()), EarErrorCode.NONCE_MISMATCH),
    "for another audience": (Genuine(audience="billing-rp").jwt(affirmed()), EarErrorCode.AUDIENCE_MISMATCH),
    "by another issuer": (Genuine(issuer="https://other.example").jwt(affirmed()), EarErrorCode.ISSUER_MISMATCH),
    "by another key": (Genuine(key=key_of(STRANGER)).jwt(affirmed()), EarErrorCode.KEY_UNKNOWN),
    "not ASCII": ("\N{SNOWMAN}", EarErrorCode.MALFORMED),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_is_not_ours_is_refused(ask: Ask, case: str) -> None:
    """Whoever answers could hand out what somebody else signed for somebody else."""
    token, code = REFUSED[case]
    with verifier(by_path(verify=always(answer(token)), jwks=GIVE_KEYS)) as fake, pytest.raises(EarError) as caught:
        ask(fake.url, get_signed(), **TRUSTING)
    assert caught.value.code is code


def test_a_token_by_another_policy_is_refused(ask: Ask) -> None:
    """A policy for development could stand in for the one that was named."""
    token = jwt(appraisal(said__policy__name="lab"))
    with verifier(by_path(verify=always(answer(token)), jwks=GIVE_KEYS)) as fake, pytest.raises(EarError) as caught:
        ask(fake.url, get_signed(result_nonce=RESULT_NONCE), **TRUSTING)
    assert caught.value.code is EarErrorCode.POLICY_MISMATCH


def test_without_keys_nothing_is_known_and_nothing_passes(ask: Ask) -> None:
    """An outage of the keys would be an affirmation, or a rejection, or use up the document's nonce."""
    with (
        verifier(by_path(verify=signer(affirmed()), jwks=always(problem(404, "not-found")))) as fake,
        pytest.raises(KeysUnavailableError),
    ):
        ask(fake.url, get_signed(), **TRUSTING)
    assert len(fake.requests) == 1


def test_a_verifier_that_does_not_sign_says_so(ask: Ask) -> None:
    """It would look like an outage."""
    with (
        verifier(by_path(verify=always(problem(406, "signing-not-configured")), jwks=GIVE_KEYS)) as fake,
        pytest.raises(VerifierRefusedError) as caught,
    ):
        ask(fake.url, get_signed(), **TRUSTING)
    assert caught.value.problem == Problem.SIGNING_NOT_CONFIGURED


def test_a_document_is_sent_once_when_its_signed_verdict_is_lost(ask: Ask) -> None:
    """As for unsigned ones."""
    with (
        verifier(GIVE_KEYS, always(None), signer(affirmed())) as fake,
        pytest.raises(VerifierUnavailableError),
    ):
        ask(fake.url, get_signed(), **TRUSTING)
    assert len(fake.requests) == 2


def test_what_cannot_be_asked_is_said_before_anything_is_sent(ask: Ask) -> None:
    """The document's nonce would be used up for nothing."""
    nowhere = "http://127.0.0.1:1"
    with pytest.raises(ValueError, match="issuer"):
        ask(nowhere, get_signed())
    for length in (0, 7, 65):
        with pytest.raises(ValueError, match="8 to 64"):
            ask(nowhere, get_signed(result_nonce=bytes(length)), **TRUSTING)
    with pytest.raises(ValueError, match="jwt or cwt"):
        ask(nowhere, get_signed(form="json"), **TRUSTING)
