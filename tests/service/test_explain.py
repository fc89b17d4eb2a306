"""`POST /v1/explain`: every check, and nothing that anyone could take for a verdict."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.harness import COSE, Reply, Running, base64url, enclave, make_settings, running, stranger
from verifier.explanation import CheckName

MEDIA_TYPE = "application/vnd.nitro-verifier.explanation+json"


@pytest.fixture(scope="module")
def service(module_folder: Path) -> Iterator[Running]:
    """A service whose nonces count once."""
    settings = make_settings(module_folder, single_use="embedded", state=module_folder / "used.sqlite3")
    with running(settings) as started:
        yield started


def ask(service: Running, document: bytes, query: str = "policy=payments", **headers: str) -> Reply:
    return service.call("POST", f"/v1/explain?{query}", document, **({"Content_Type": COSE} | headers))


def outcomes(reply: Reply) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in reply.json["explanation"]["checks"]}


@pytest.mark.parametrize("case", ["good", "another build", "forged", "noise", "nothing"])
def test_no_explanation_can_be_taken_for_a_verdict(service: Running, case: str) -> None:
    """A careless caller would let in what was only looked at."""
    good = enclave().attestation(nonce=service.nonce())
    documents = {
        "good": good,
        "another build": enclave(build="evil").attestation(),
        "forged": good[:-1] + bytes([good[-1] ^ 1]),
        "noise": b"noise",
        "nothing": b"",
    }
    reply = ask(service, documents[case])

    assert (reply.status, reply.media_type) == (200, MEDIA_TYPE)
    assert "Attestation-Verdict" not in reply.headers
    assert set(reply.json) == {"explanation", "request_id"}
    assert not {"verdict", "claims", "build"} & set(reply.json["explanation"])
    assert "affirmed" not in reply.body.decode().replace("unaffirmed", "")
    assert bool(reply.json["explanation"]["failed"]) == (case != "good")


def test_an_explanation_uses_no_nonce_up(service: Running) -> None:
    """Whoever looks for a mistake first would find the document replayed."""
    document = enclave().attestation(nonce=service.nonce())

    explained = [ask(service, document) for _ in range(2)]
    verified = [service.verify(document) for _ in range(2)]

    assert all(reply.json["explanation"]["failed"] == [] for reply in explained)
    assert outcomes(explained[0])["single-use"] == "not-checked"
    assert [reply.status for reply in verified] == [200, 422]


def test_what_differs_is_said_in_words(service: Running) -> None:
    """An operator whose deployment failed would see hexadecimal digits."""
    facts = ask(service, enclave(build="evil").attestation(nonce=service.nonce())).json["explanation"]
    build = next(check for check in facts["checks"] if check["name"] == "build")

    assert (facts["origin"], facts["failed"]) == ("proven", ["build"])
    assert build["reasons"][0]["code"] == "measurement.pcr-mismatch"
    assert build["reasons"][0]["hint"]
    assert "the whole image" in build["note"]
    assert facts["builds"]["listed"][0]["name"] == "v1"
    assert [pcr["same"] for pcr in facts["builds"]["listed"][0]["pcrs"]] == [False, False, False]


def test_checks_behind_the_first_failure_are_made_and_marked(service: Running) -> None:
    """The next mistake would show only when the first is mended, or a forger's words would pass for facts."""
    facts = ask(service, stranger().attestation(nonce=b"x" * 58)).json["explanation"]
    by_name = {check["name"]: check for check in facts["checks"]}

    assert facts["origin"] == "unproven"
    assert facts["failed"] == ["anchor", "nonce"]
    assert (by_name["build"]["outcome"], by_name["build"]["unproven"]) == ("passed", True)
    assert by_name["signature"]["outcome"] == "not-checked"


def test_the_request_of_verify_can_be_sent_as_it_is(service: Running) -> None:
    """Whoever was refused would have to write another request first."""
    document = enclave().attestation(nonce=b"mine")
    body = {"document": base64url(document), "policy": "caller", "nonce": b"mine".hex(), "reject_status": 403}
    reply = service.call("POST", "/v1/explain", json.dumps(body), Content_Type="application/json")

    assert (reply.status, reply.json["explanation"]["failed"]) == (200, [])


def test_it_may_look_back_whatever_the_configuration_says(service: Running) -> None:
    """Nobody could ask why an old document is refused; there is no verdict that could be mistaken."""
    reply = ask(service, enclave().attestation(), "policy=open&at=2020-01-01T00:00:00Z")

    facts = reply.json["explanation"]
    assert (facts["clock"]["at"], facts["clock"]["historical"]) == ("2020-01-01T00:00:00.000Z", True)
    assert facts["origin"] == "proven-at-another-time"
    assert facts["failed"] == ["validity", "age"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("*/*", MEDIA_TYPE), ("application/json", "application/json"), (MEDIA_TYPE, MEDIA_TYPE)],
)
def test_it_comes_as_what_was_asked_for(service: Running, accept: str, media_type: str) -> None:
    """A strict client could not read it."""
    assert ask(service, b"noise", Accept=accept).media_type == media_type


@pytest.mark.parametrize("accept", ["application/eat+jwt", "application/eat+cwt", "text/html"])
def test_it_is_never_signed(service: Running, accept: str) -> None:
    """Something signed that affirms nothing would be presented as if it did."""
    assert ask(service, enclave().attestation(), Accept=accept).problem == "not-acceptable"


@pytest.mark.parametrize(
    ("query", "problem"), [("policy=nope", "unknown-policy"), ("", "policy-missing"), ("x=1", "malformed-request")]
)
def test_a_wrong_request_is_a_problem(service: Running, query: str, problem: str) -> None:
    """A mistyped policy would be explained as if there were none."""
    assert ask(service, b"noise", query).problem == problem


def test_it_is_counted_and_logged_apart(service: Running) -> None:
    """Alerts on rejections would fire while somebody looks for a mistake."""
    verdicts = len(service.lines("appraisal"))
    before = service.metric("explanations_total", policy="open")
    reply = ask(service, b"noise", "policy=open")

    line = service.lines("explanation")[-1]
    assert service.metric("explanations_total", policy="open") == before + 1
    assert (line["failed"], line["policy"], line["request_id"]) == (["envelope"], "open", reply.json["request_id"])
    assert len(service.lines("appraisal")) == verdicts


def test_every_check_is_named_by_a_stable_word() -> None:
    """Programs that look for a check would find it renamed."""
    assert [name.value for name in CheckName] == [
        *("envelope", "document", "anchor", "path", "validity", "issuers", "signature", "policy", "kind"),
        *(
            "measured",
            "denied",
            "build",
            "role",
            "instance",
            "signer",
            "public-key",
            "user-data",
            "known-fields",
            "age",
        ),
        *("certificate-time", "nonce", "single-use"),
    ]
