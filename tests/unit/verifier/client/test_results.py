"""What counts as a result: an answer that agrees with itself and with the question, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from tests.unit.verifier.client.fakes import CLAIMS, DOCUMENT, NONCE, REASON, rejected_body, result_body
from verifier.client import (
    AffirmedResult,
    EvidenceKind,
    NotAffirmedError,
    RejectedResult,
    Result,
    VerifierProtocolError,
)
from verifier.client.decoding import Asked, decode_result
from verifier.client.transport import Answer
from verifier.policy.freshness import FreshnessMode

ASKED = Asked(document=DOCUMENT, policy="payments", nonce=NONCE)
DEBUG: dict[str, Any] = {"claims__debug": True, "policy__debug": "allow", "build": None}


def answer(body: object, *, status: int = 200, header: str | None = "affirmed", twice: bool = False) -> Answer:
    headers = CIMultiDict({"Content-Type": "application/json"})
    for _ in range(1 + twice):
        if header is not None:
            headers.add("attestation-verdict", header)
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers=CIMultiDictProxy(headers), body=octets)


def rejection(**changes: Any) -> Answer:  # noqa: ANN401 - any JSON
    return answer(rejected_body(**changes), status=422, header="rejected")


def without(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def test_an_affirmation_has_all_that_the_verifier_said() -> None:
    """A Relying Party would decide by less than it was told."""
    result = decode_result(answer(result_body()), ASKED).require_affirmed()
    assert result.verdict == "affirmed"
    assert (result.build, result.policy.name, result.policy.sha256) == ("v1", "payments", "ab" * 32)
    assert (result.freshness.mode, result.freshness.age_ms) == (FreshnessMode.SERVICE_NONCE, 412)
    assert result.claims.pcrs == {0: b"\x11" * 48, 8: b"\x88" * 48}
    assert (result.claims.nonce, result.claims.public_key, result.claims.user_data) == (NONCE, b"\1\2\3", None)
    assert result.claims.not_before < result.claims.timestamp < result.evaluated_at < result.claims.not_after
    assert result.claims.anchor.name == "aws-nitro-root-g1"
    assert result.body["request_id"] == result.request_id == "r-1"


def test_a_rejection_says_why_and_never_passes() -> None:
    """The one thing that this package is for."""
    result = decode_result(rejection(), ASKED)
    assert isinstance(result, RejectedResult)
    assert (result.verdict, result.codes) == ("rejected", (REASON["code"],))
    assert (result.reasons[0].detail, result.reasons[0].hint) == ("PCR0", "rebuild")
    assert result.unaffirmed_claims is not None
    with pytest.raises(NotAffirmedError, match=r"measurement\.pcr-mismatch") as caught:
        result.require_affirmed()
    assert caught.value.codes == (REASON["code"],)


def test_a_rejection_of_a_forgery_has_no_claims() -> None:
    """The forger's words would be shown as facts."""
    result = decode_result(rejection(claims=None, anchor=None, freshness=None, policy=None), ASKED)
    assert isinstance(result, RejectedResult)
    assert (result.unaffirmed_claims, result.freshness, result.policy) == (None, None, None)


def test_debug_mode_passes_only_where_the_caller_allows_it_too() -> None:
    """A production Relying Party that names a policy for development would trust an enclave whose console is read."""
    result = decode_result(answer(result_body(**DEBUG)), ASKED)
    with pytest.raises(NotAffirmedError) as caught:
        result.require_affirmed()
    assert caught.value.codes == ("debug-mode",)
    assert result.require_affirmed(allow_debug=True).build is None


def test_an_instance_is_not_taken_for_an_enclave() -> None:
    """A policy's name says nothing about whose document it is for, and the same PCR means another thing in each."""
    result = decode_result(answer(result_body(claims__kind="nitro-tpm")), ASKED)
    with pytest.raises(NotAffirmedError) as caught:
        result.require_affirmed()
    assert caught.value.codes == ("other-kind-of-evidence",)
    assert result.require_affirmed(kind=EvidenceKind.NITRO_TPM).claims.kind is EvidenceKind.NITRO_TPM
    enclave = decode_result(answer(result_body(claims__kind="enclave")), ASKED)
    assert enclave.require_affirmed() == decode_result(answer(result_body(claims__kind="enclave")), ASKED)
    with pytest.raises(NotAffirmedError):
        enclave.require_affirmed(kind=EvidenceKind.NITRO_TPM)


def test_what_was_not_asked_for_by_name_is_not_compared() -> None:
    """A verifier's default policy, and a policy without a nonce, could not be used."""
    asked = Asked(document=DOCUMENT, policy=None, nonce=None)
    assert decode_result(answer(result_body(claims__nonce=None)), asked).require_affirmed().claims.nonce is None


def test_what_a_newer_verifier_adds_is_kept_and_does_no_harm() -> None:
    """Every verifier would have to be updated after all of its clients."""
    result = decode_result(answer(result_body(shadow=[1], historical=False)), ASKED)
    assert result.require_affirmed().body["shadow"] == [1]


TABLE: dict[str, Answer] = {
    "affirmed by a rejection's status": answer(result_body(), status=422),
    "affirmed, the header says rejected": answer(result_body(), header="rejected"),
    "affirmed, without the header": answer(result_body(), header=None),
    "affirmed, with the header twice": answer(result_body(), twice=True),
    "rejected with status 200": answer(rejected_body(), status=200),
    "rejected with status 200 and its header": answer(rejected_body(), status=200, header="rejected"),
    "rejected, the header says affirmed": answer(rejected_body(), status=422, header="affirmed"),
    "affirmed for reasons": answer(result_body(reasons=[REASON])),
    "rejected for no reason": rejection(reasons=[]),
    "rejected with a build": rejection(build="v1"),
    "historical": answer(result_body(historical=True)),
    "historical, as text": answer(result_body(historical="no")),
    "historical, as null": answer(result_body(historical=None)),
    "historical rejection": rejection(historical=True),
    "about another document": answer(result_body(b"another")),
    "rejection of another document": answer(rejected_body(b"another"), status=422, header="rejected"),
    "by another policy": answer(result_body(policy__name="lab")),
    "rejection by another policy": rejection(policy__name="lab"),
    "another nonce": answer(result_body(claims__nonce="AAAAAAAAAAA")),
    "no nonce": answer(result_body(claims__nonce=None)),
    "half of the nonce": answer(result_body(claims__nonce=CLAIMS["nonce"][:40])),
    "no policy": answer(result_body(policy=None)),
    "no claims": answer(result_body(claims=None, anchor=None)),
    "claims of no anchor": answer(result_body(anchor=None)),
    "an anchor without claims": rejection(claims=None),
    "no freshness": answer(result_body(freshness=None)),
    "no build": answer(result_body(build=None)),
    "debug by a policy that rejects it": answer(result_body(claims__debug=True)),
    "another word for affirmed": answer(result_body(verdict="Affirmed"), header="Affirmed"),
    "an unknown kind of evidence": answer(result_body(claims__kind="of-tomorrow")),
    "no kind of evidence": answer(result_body(claims__kind=None)),
    "verdict true": answer(result_body(verdict=True)),
    "verdict missing": answer(without("verdict", result_body())),
    "evidence missing": answer(without("evidence_sha256", result_body())),
    "time without a zone": answer(result_body(evaluated_at="2026-03-01T12:00:05")),
    "before all time, in UTC": answer(result_body(evaluated_at="0001-01-01T00:00:00+23:00")),
    "after all time, in UTC": answer(result_body(claims__timestamp="9999-12-31T23:59:59-23:00")),
    "PCRs that are not hex": answer(result_body(claims__pcrs={"0": "zz"})),
    "a PCR without a number": answer(result_body(claims__pcrs={"zero": "00"})),
    "padded base64": answer(result_body(claims__public_key="AQIDBA==")),
    "base64 with stray bits": answer(result_body(claims__public_key="AR")),
    "a reason with a line end": rejection(reasons=[REASON | {"code": "x\ny"}]),
    "verdict twice": answer(json.dumps(result_body())[:-1].encode() + b', "verdict": "affirmed"}'),
    "a list": answer([result_body()]),
    "two values": answer(json.dumps(result_body()).encode() * 2),
    "nothing": answer(b""),
    "not UTF-8": answer(b'{"verdict": "\xff"}'),
    "bottomless": answer(b"[" * 60_000),
    "NaN": answer(b'{"verdict": NaN}'),
}


@pytest.mark.parametrize("case", TABLE)
def test_an_answer_that_contradicts_itself_or_the_question_is_no_result(case: str) -> None:
    """Each of these would affirm something, or reject it for somebody else's reasons."""
    with pytest.raises(VerifierProtocolError) as caught:
        decode_result(TABLE[case], ASKED)
    assert caught.value.status == TABLE[case].status


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(path=st.sampled_from([name for name in result_body() if name != "request_id"]), value=json_values)
def test_no_other_value_anywhere_makes_another_affirmation(path: str, value: object) -> None:
    """Any one member changed: either it is the same affirmation for this question, or it is refused."""
    changed = result_body() | {path: value}
    result = _result_or_none(answer(changed))
    if result is not None:
        assert isinstance(result, AffirmedResult)
        assert (result.policy.name, result.claims.nonce) == ("payments", NONCE)
        assert path in {"build", "evaluated_at"} or changed == result_body()


@given(
    octets=st.binary(max_size=200), status=st.sampled_from([200, 422]), header=st.sampled_from(["affirmed", "rejected"])
)
def test_any_bytes_are_no_result(octets: bytes, status: int, header: str) -> None:
    """Nothing that is not a result may pass, and nothing else may be raised."""
    assert _result_or_none(answer(octets, status=status, header=header)) is None


def _result_or_none(given_answer: Answer) -> Result | None:
    try:
        return decode_result(given_answer, ASKED)
    except VerifierProtocolError:
        return None
