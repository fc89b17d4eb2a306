"""`verifier.client` against the real service: what it says, the client understands, and nothing else passes."""

import asyncio
import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from issuer.nsm import build_pcrs
from tests.service.harness import BUILD, HOST, Running, enclave, make_settings, running, stranger
from verifier.client import (
    AsyncTokenVerifier,
    AsyncVerifierClient,
    EarError,
    EarErrorCode,
    Expectations,
    NotAffirmedError,
    Problem,
    RejectedResult,
    TokenVerifier,
    VerifierClient,
    VerifierProtocolError,
    VerifierRefusedError,
    VerifierUnavailableError,
)
from verifier.client.decoding import Asked, decode_result
from verifier.client.questions import Form
from verifier.client.transport import Answer
from verifier.policy.freshness import FreshnessMode
from verifier.reasons import Reason

ISSUER, AUDIENCE = "https://verifier.example", "payments-rp"
EXPECTED = Expectations(issuer=ISSUER, audience=AUDIENCE, policy="payments")


@pytest.fixture(scope="module")
def signing(module_folder: Path) -> Iterator[Running]:
    """A service whose nonces count once, and that signs."""
    state = module_folder / "used.sqlite3"
    settings = make_settings(
        module_folder, single_use="embedded", state=state, issuer=ISSUER, ephemeral_signing_key=True
    )
    with running(settings) as started:
        yield started


@pytest.fixture
def url(signing: Running) -> str:
    """Where it is."""
    return f"http://{HOST}:{signing.port}"


@pytest.fixture
def client(url: str) -> Iterator[VerifierClient]:
    """A client of it."""
    with VerifierClient(url, issuer=ISSUER) as made:
        yield made


def fresh(client: VerifierClient, policy: str = "payments") -> bytes:
    return client.nonce(policy=policy).value


def test_a_good_document_is_affirmed_with_all_that_it_says(client: VerifierClient) -> None:
    """The client would understand another API than the one there is."""
    issued = client.nonce(policy="payments", ttl=60)
    document = enclave().attestation(nonce=issued.value, user_data=b"hello", public_key=b"key")
    result = client.verify(document, policy="payments", nonce=issued.value).require_affirmed()
    assert (result.build, result.policy.name, result.claims.anchor.name) == ("v1", "payments", "throwaway")
    assert result.freshness.mode is FreshnessMode.SERVICE_NONCE
    assert (result.claims.user_data, result.claims.public_key) == (b"hello", b"key")
    assert result.claims.pcrs[0] == build_pcrs(BUILD)[0]
    assert 55 < (issued.expires_at - issued.issued_at).total_seconds() < 65
    assert issued.issued_at <= result.evaluated_at


REJECTED: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "nothing": (lambda _: b"", Reason.EVIDENCE_EMPTY),
    "noise": (lambda _: bytes(100), Reason.ENVELOPE_MALFORMED),
    "another root": (lambda nonce: stranger().attestation(nonce=nonce), Reason.PATH_ROOT_UNTRUSTED),
    "another build": (lambda nonce: enclave(build="evil").attestation(nonce=nonce), Reason.MEASUREMENT_PCR_MISMATCH),
    "debug mode": (lambda nonce: enclave(debug=True).attestation(nonce=nonce), Reason.MEASUREMENT_DEBUG_MODE),
    "no nonce": (lambda _: enclave().attestation(), Reason.FRESHNESS_NONCE_MISSING),
}


@pytest.mark.parametrize("case", REJECTED)
@pytest.mark.parametrize("signed", [False, True])
def test_a_bad_document_is_rejected_and_never_passes(client: VerifierClient, case: str, *, signed: bool) -> None:
    """The one thing that this package is for."""
    make, reason = REJECTED[case]
    nonce = fresh(client)
    document = make(nonce)
    result = (
        client.verify_signed(document, policy="payments", nonce=nonce, audience=AUDIENCE)
        if signed
        else client.verify(document, policy="payments", nonce=nonce)
    )
    with pytest.raises(NotAffirmedError) as caught:
        result.require_affirmed()
    assert reason in caught.value.codes


def test_a_document_is_affirmed_once(client: VerifierClient) -> None:
    """A second Relying Party could be shown the same document."""
    nonce = fresh(client)
    document = enclave().attestation(nonce=nonce)
    client.verify(document, policy="payments", nonce=nonce).require_affirmed()
    again = client.verify(document, policy="payments", nonce=nonce)
    assert isinstance(again, RejectedResult)
    assert again.codes == (Reason.FRESHNESS_NONCE_REPLAYED,)


def test_debug_mode_needs_the_policy_and_the_caller_and_is_never_signed(client: VerifierClient) -> None:
    """A console that the parent reads would be trusted by whoever sees the token alone."""
    nonce = b"a nonce of ours"
    document = enclave(debug=True).attestation(nonce=nonce)
    result = client.verify(document, policy="lab", nonce=nonce)
    assert result.require_affirmed(allow_debug=True).claims.debug
    with pytest.raises(NotAffirmedError):
        result.require_affirmed()
    signed = client.verify_signed(document, policy="lab", nonce=nonce, audience=None)
    with pytest.raises(NotAffirmedError) as caught:
        signed.require_affirmed()
    assert caught.value.codes == (Reason.MEASUREMENT_DEBUG_MODE,)


def test_a_policy_that_is_not_there_is_said_by_its_problem(client: VerifierClient) -> None:
    """A typing error would look like an outage."""
    for ask in (
        lambda: client.nonce(policy="nope"),
        lambda: client.verify(b"x", policy="nope", nonce=None),
        lambda: client.verify_signed(b"x", policy="nope", nonce=None, audience=None),
    ):
        with pytest.raises(VerifierRefusedError) as caught:
            ask()
        assert (caught.value.status, caught.value.problem) == (404, Problem.UNKNOWN_POLICY)


def test_a_document_that_is_too_large_is_refused(client: VerifierClient) -> None:
    """The connection ends before all is sent, which must not look like an outage that is worth another try."""
    with pytest.raises((VerifierRefusedError, VerifierUnavailableError)) as caught:
        client.verify(bytes(1_000_000), policy="payments", nonce=None)
    if isinstance(caught.value, VerifierUnavailableError):
        assert not caught.value.unheard
    elif isinstance(caught.value, VerifierRefusedError):
        assert caught.value.problem == Problem.BODY_TOO_LARGE


@pytest.mark.parametrize("form", ["jwt", "cwt"])
def test_a_signed_verdict_convinces_a_third_party_with_the_keys_alone(
    url: str, client: VerifierClient, form: Form
) -> None:
    """A result would help the caller of the moment, and nobody after it."""
    nonce = fresh(client)
    document = enclave().attestation(nonce=nonce, user_data=b"hello")
    signed = client.verify_signed(document, policy="payments", nonce=nonce, audience=AUDIENCE, form=form)
    signed.require_affirmed()
    with TokenVerifier(url, EXPECTED) as tokens:
        third = tokens.require_affirmed(signed.token, nonce=signed.result.nonce)
        assert third == signed.result
        assert third.attester is not None
        assert third.attester.user_data == b"hello"
        with pytest.raises(EarError) as caught:
            tokens.require_affirmed(signed.token, nonce=b"of another conversation")
    assert caught.value.code is EarErrorCode.NONCE_MISMATCH


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"issuer": "https://other.example"}, EarErrorCode.ISSUER_MISMATCH),
        ({"audience": "billing-rp"}, EarErrorCode.AUDIENCE_MISMATCH),
        ({"audience": None}, EarErrorCode.AUDIENCE_MISMATCH),
        ({"policy": "open"}, EarErrorCode.POLICY_MISMATCH),
    ],
)
def test_a_token_convinces_nobody_that_it_was_not_made_for(
    url: str, client: VerifierClient, change: dict[str, str | None], code: EarErrorCode
) -> None:
    """It could be taken from one Relying Party to another."""
    nonce = fresh(client)
    document = enclave().attestation(nonce=nonce)
    signed = client.verify_signed(document, policy="payments", nonce=nonce, audience=AUDIENCE)
    expected = replace(EXPECTED, **change)  # type: ignore[arg-type]  # names of its fields

    async def main() -> None:
        async with AsyncTokenVerifier(url, expected) as tokens:
            await tokens.require_affirmed(signed.token, nonce=signed.result.nonce)

    with pytest.raises(EarError) as caught:
        asyncio.run(main())
    assert caught.value.code is code


def test_a_verdict_as_of_another_time_is_none(tmp_path: Path) -> None:
    """Yesterday's document would admit somebody today."""
    document = enclave().attestation()
    with running(make_settings(tmp_path, historical="allow")) as service:
        reply = service.verify(document, "policy=open&at=document")
    assert (reply.status, reply.json["verdict"], reply.json["historical"]) == (200, "affirmed", True)
    answer = Answer(status=reply.status, headers=CIMultiDictProxy(CIMultiDict(reply.headers.items())), body=reply.body)
    with pytest.raises(VerifierProtocolError, match="historical"):
        decode_result(answer, Asked(document=document, policy="open", nonce=None))


def test_connections_are_kept_for_the_next_question(signing: Running, url: str) -> None:
    """Each question would cost a connection, and TLS."""

    async def main() -> float:
        async with AsyncVerifierClient(url) as client:
            for _ in range(20):
                await client.nonce()
            return signing.metric("connections")

    before = signing.metric("connections")
    assert asyncio.run(main()) <= before + 1


def test_every_example_of_the_page_runs(url: str, client: VerifierClient, checkout: Path) -> None:
    """The first thing a reader does is to copy it."""
    page = (checkout / "docs" / "client.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    nonce = fresh(client)
    document = enclave().attestation(nonce=nonce)
    token = client.verify_signed(document, policy="payments", nonce=nonce, audience=AUDIENCE).token
    assert len(blocks) == 6
    for block in blocks:
        names = {"url": url, "token": token, "ask_the_enclave": lambda nonce: enclave().attestation(nonce=nonce)}
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, "docs/client.md", "exec"), names)  # noqa: S102 - our own page
        assert "Limits" in block or printed.getvalue().strip()
        assert "rejected" not in printed.getvalue()
