"""`POST /v1/verify`: only an affirmed document gets a 2xx that nobody asked for."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.service.harness import COSE, Running, base64url, enclave, make_settings, running, stranger
from verifier.reasons import Reason


def flipped(document: bytes) -> bytes:
    """The document with its last bit flipped."""
    return document[:-1] + bytes([document[-1] ^ 1])


def test_a_good_document_is_affirmed_with_200_and_says_so_in_body_and_header(service: Running) -> None:
    """A Relying Party that gets no 200 for a good document can not use this."""
    reply = service.verify(enclave().attestation(nonce=service.nonce(), user_data=b"hello"))

    assert (reply.status, reply.headers["Attestation-Verdict"], reply.json["verdict"]) == (200, "affirmed", "affirmed")
    assert reply.json["reasons"] == []
    assert reply.json["build"] == "v1"
    assert reply.json["freshness"]["mode"] == "service-nonce"
    assert reply.json["freshness"]["single_use"] == "host"
    assert reply.json["anchor"]["name"] == "throwaway"
    assert reply.json["claims"]["user_data"] == base64url(b"hello")
    assert reply.headers["Cache-Control"] == "no-store"


REJECTED: dict[str, tuple[Callable[[bytes], bytes], str, list[Reason]]] = {
    "nothing": (lambda _: b"", "payments", [Reason.EVIDENCE_EMPTY]),
    "noise": (lambda _: b"\x00" * 100, "payments", [Reason.ENVELOPE_MALFORMED]),
    "a flipped bit": (
        lambda nonce: flipped(enclave().attestation(nonce=nonce)),
        "payments",
        [Reason.SIGNATURE_INVALID],
    ),
    "another root": (
        lambda nonce: stranger().attestation(nonce=nonce),
        "payments",
        [Reason.PATH_ROOT_UNTRUSTED],
    ),
    "another build": (
        lambda nonce: enclave(build="evil").attestation(nonce=nonce),
        "payments",
        [Reason.MEASUREMENT_PCR_MISMATCH],
    ),
    "debug mode": (
        lambda nonce: enclave(debug=True).attestation(nonce=nonce),
        "payments",
        [Reason.MEASUREMENT_DEBUG_MODE],
    ),
    "no nonce": (lambda _: enclave().attestation(), "payments", [Reason.FRESHNESS_NONCE_MISSING]),
    "a nonce of somebody else": (
        lambda _: enclave().attestation(nonce=b"n" * 58),
        "payments",
        [Reason.FRESHNESS_NONCE_UNKNOWN],
    ),
    "a nonce that the caller did not name": (
        lambda nonce: enclave().attestation(nonce=nonce),
        "caller",
        [Reason.FRESHNESS_NONCE_NOT_SUPPLIED],
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_not_good_is_rejected_with_422_and_its_reasons(service: Running, case: str) -> None:
    """A careless caller that looks at the status alone would take a bad document for a good one."""
    make, policy, reasons = REJECTED[case]

    reply = service.verify(make(service.nonce()), f"policy={policy}")

    assert (reply.status, reply.headers["Attestation-Verdict"], reply.json["verdict"]) == (422, "rejected", "rejected")
    assert reply.media_type == "application/json"
    assert sorted(reply.reasons) == sorted(reason.value for reason in reasons)
    assert all(reason["hint"] for reason in reply.json["reasons"])


def test_a_document_counts_once(service: Running) -> None:
    """A document that somebody overheard would open the door a second time."""
    document = enclave().attestation(nonce=service.nonce())

    replies = [service.verify(document) for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 422, 422]
    assert replies[1].reasons == ["freshness.nonce-replayed"]


def test_a_refused_document_does_not_use_up_its_nonce(service: Running) -> None:
    """Anybody could spoil an honest enclave's nonce by sending a broken document first."""
    document = enclave().attestation(nonce=service.nonce())

    assert service.verify(flipped(document)).status == 422
    assert service.verify(document).status == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [("", 422), ("&reject_status=422", 422), ("&reject_status=403", 403), ("&reject_status=200", 200)],
)
def test_a_gateway_chooses_the_status_of_a_rejection_but_not_the_verdict(
    service: Running, asked: str, status: int
) -> None:
    """A gateway that needs a 403, or reads the header, could not be served."""
    reply = service.verify(b"noise", f"policy=payments{asked}")

    assert (reply.status, reply.headers["Attestation-Verdict"]) == (status, "rejected")


def test_the_status_asked_for_rejections_does_not_touch_affirmed_ones(service: Running) -> None:
    """A good document would be refused at the gateway."""
    reply = service.verify(enclave().attestation(nonce=service.nonce()), "policy=payments&reject_status=403")

    assert (reply.status, reply.headers["Attestation-Verdict"]) == (200, "affirmed")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cose",
        COSE,
        "application/cbor",
        "application/octet-stream",
        "application/aws-nitro-document",
    ],
)
def test_a_raw_document_may_be_called_any_of_its_names(service: Running, content_type: str) -> None:
    """Clients of other verifiers would have to be changed."""
    assert service.verify(enclave().attestation(), "policy=open", Content_Type=content_type).status == 200


def test_bytes_without_any_content_type_are_a_raw_document(service: Running) -> None:
    """RFC 9110 section 8.3 lets a sender leave it out."""
    document = enclave().attestation()
    with service.connect() as stream:
        head = f"POST /v1/verify?policy=open HTTP/1.1\r\nHost: x\r\nContent-Length: {len(document)}\r\n"
        stream.sendall(f"{head}Connection: close\r\n\r\n".encode() + document)
        answer = stream.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, lambda data: base64url(data).encode()])
def test_a_document_in_json_may_be_base64_or_base64url(service: Running, encode: Callable[[bytes], bytes]) -> None:
    """Half of all JSON clients use the other alphabet."""
    document = enclave().attestation(nonce=service.nonce())

    assert service.verify_json(document=encode(document).decode(), policy="payments").status == 200


@pytest.mark.parametrize("write", [bytes.hex, base64url, lambda nonce: base64.b64encode(nonce).decode()])
def test_a_nonce_that_the_caller_names_is_compared(service: Running, write: Callable[[bytes], str]) -> None:
    """A Relying Party with its own challenges would get answers about other challenges."""
    nonce = bytes(range(200, 232))
    document = base64url(enclave().attestation(nonce=nonce))

    good = service.verify_json(document=document, policy="caller", nonce=write(nonce))
    bad = service.verify_json(document=document, policy="caller", nonce=write(nonce[::-1]), reject_status=403)

    assert (good.status, good.json["freshness"]["mode"]) == (200, "caller-nonce")
    assert (bad.status, bad.reasons) == (403, ["freshness.nonce-mismatch"])


def test_an_expired_nonce_is_refused(service: Running) -> None:
    """A nonce without an end would make any recording fresh."""
    document = enclave().attestation(nonce=service.nonce())
    service.clock.offset += service_ttl(service)
    try:
        reply = service.verify(document, "policy=payments")
    finally:
        service.clock.offset -= service_ttl(service)

    assert (reply.status, "freshness.nonce-expired" in reply.reasons) == (422, True)


def service_ttl(service: Running) -> timedelta:
    return timedelta(seconds=service.service.settings.nonce_ttl)


def test_a_policy_for_development_shows_in_its_results(service: Running) -> None:
    """Nobody would notice that production runs with the development policy."""
    reply = service.verify(enclave(debug=True).attestation(), "policy=lab")

    assert reply.json["policy"]["debug"] == "allow"


def test_a_policy_that_is_configured_as_default_serves_requests_that_name_none(module_folder: Path) -> None:
    """A service with one policy would ask for its name at every request."""
    with running(make_settings(module_folder, default_policy="open")) as started:
        assert started.verify(enclave().attestation(), "").status == 200
        assert started.verify_json(document=base64url(enclave().attestation())).status == 200


def test_results_carry_the_request_id_that_the_answer_carries(service: Running) -> None:
    """A complaint with an id from the body could not be found in the log."""
    reply = service.verify(b"noise", X_Request_Id="order-7.4_b")

    assert reply.headers["X-Request-Id"] == reply.json["request_id"] == "order-7.4_b"
    assert service.lines("appraisal")[-1]["request_id"] == "order-7.4_b"
    assert json.loads(reply.body)["evaluated_at"].endswith("Z")
