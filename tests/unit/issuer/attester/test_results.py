"""What an answer must say before it counts as a verdict."""

import json
from typing import Any

import pytest

from issuer.attester.answers import Answer
from issuer.attester.errors import VerifierProtocolError
from issuer.attester.keys import new_key, public_key_of
from issuer.attester.results import Affirmed, Evidence, Rejected, decode_result
from tests.unit.issuer.attester.fakes import NONCE, REASON, FakeNsm, Request, base64url, result

KEY = new_key("ec-p384")
DOCUMENT = FakeNsm().attestation(user_data=None, nonce=NONCE, public_key=public_key_of(KEY))
EVIDENCE = Evidence(document=DOCUMENT, nonce=NONCE, key=KEY, policy="payments")
REQUEST = Request(line="", headers={}, body=DOCUMENT)


def answer(status: int, *, header: str | None = None, **changes: object) -> Answer:
    headers = {"content-type": "application/json"} | ({} if header is None else {"attestation-verdict": header})
    return Answer(status=status, headers=headers, body=json.dumps(result(REQUEST, **changes)).encode())


@pytest.mark.parametrize("header", [None, "affirmed"])
def test_a_whole_affirmation_counts(header: str | None) -> None:
    """No enclave would ever be affirmed."""
    assert isinstance(decode_result(answer(200, header=header), EVIDENCE), Affirmed)


@pytest.mark.parametrize("changes", [{}, {"policy": None, "claims": None}])
def test_a_rejection_counts_whether_or_not_the_document_could_be_read(changes: dict[str, Any]) -> None:
    """The reason for a rejection would be hidden behind a protocol error."""
    rejection = answer(422, header="rejected", verdict="rejected", reasons=[REASON], **changes)
    assert isinstance(decode_result(rejection, EVIDENCE), Rejected)


CLAIMS = {"nonce": base64url(NONCE), "public_key": base64url(public_key_of(KEY))}


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (200, {"verdict": "rejected", "reasons": [REASON]}),
        (422, {}),
        (200, {"header": "rejected"}),
        (200, {"reasons": [REASON]}),
        (422, {"verdict": "rejected"}),
        (200, {"verdict": "Affirmed"}),
        (200, {"verdict": None}),
        (200, {"historical": True}),
        (200, {"historical": None}),
        (200, {"header": "historical-affirmed"}),
        (422, {"verdict": "rejected", "reasons": [REASON], "historical": True}),
        (200, {"evidence_sha256": "00" * 32}),
        (422, {"verdict": "rejected", "reasons": [REASON], "evidence_sha256": "00" * 32}),
        (200, {"policy": {"name": "lab"}}),
        (200, {"policy": None}),
        (200, {"claims": None}),
        (200, {"claims": CLAIMS | {"nonce": base64url(bytes(58))}}),
        (200, {"claims": CLAIMS | {"nonce": None}}),
        (200, {"claims": CLAIMS | {"public_key": base64url(public_key_of(new_key("ec-p384")))}}),
        (422, {"verdict": "rejected", "reasons": [{"code": "a\nb"}]}),
    ],
)
def test_an_answer_that_contradicts_itself_or_is_about_something_else_is_no_verdict(
    status: int, changes: dict[str, Any]
) -> None:
    """A mistaken proxy or cache would be believed."""
    with pytest.raises(VerifierProtocolError) as caught:
        decode_result(answer(status, **changes), EVIDENCE)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'{"verdict": "affirmed"}', b"[" * 60_000, b'{"a":' * 9999]
)
def test_what_is_no_result_is_no_verdict(body: bytes) -> None:
    """Anything with status 200 would be taken for one, or crash the enclave."""
    with pytest.raises(VerifierProtocolError):
        decode_result(Answer(status=200, headers={}, body=body), EVIDENCE)


def test_any_policy_will_do_where_none_was_named() -> None:
    """A verifier's default policy could not be used."""
    evidence = Evidence(document=DOCUMENT, nonce=NONCE, key=KEY, policy=None)
    assert isinstance(decode_result(answer(200), evidence), Affirmed)
