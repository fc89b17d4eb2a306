"""`at`: a verdict as of another time, only where it is allowed, and in nothing like one about now."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.service.harness import Running, base64url, enclave, make_settings, running
from verifier.service.notation import write_time


@pytest.fixture(scope="module")
def archive(module_folder: Path) -> Iterator[Running]:
    """A service that may be asked about the past, and whose nonces count once."""
    state = module_folder / "archive.sqlite3"
    settings = make_settings(
        module_folder,
        historical="allow",
        single_use="embedded",
        state=state,
        issuer="https://verifier.example",
        ephemeral_signing_key=True,
    )
    with running(settings) as started:
        yield started


def test_a_service_that_was_not_told_to_gives_no_historical_verdict(service: Running) -> None:
    """Whoever may add to a query would turn an expired document into an affirmed one."""
    document = enclave().attestation()

    raw = service.verify(document, "policy=open&at=document")
    in_json = service.verify_json(document=base64url(document), policy="open", at="2026-01-31T12:00:00Z")

    for reply in (raw, in_json):
        assert (reply.status, reply.problem) == (400, "historical-not-allowed")
        assert "Attestation-Verdict" not in reply.headers


@pytest.mark.parametrize("at", ["document", "a time"])
def test_an_old_document_is_affirmed_as_of_its_time_and_labelled(archive: Running, at: str) -> None:
    """An auditor could not check an archive, or history would pass for now."""
    document, then = enclave().attestation(), write_time(datetime.now(UTC))
    chosen = then if at == "a time" else at
    archive.clock.offset += timedelta(days=400)
    try:
        now = archive.verify(document, "policy=open")
        raw = archive.verify(document, f"policy=open&at={chosen}")
        in_json = archive.verify_json(document=base64url(document), policy="open", at=chosen)
    finally:
        archive.clock.offset -= timedelta(days=400)

    assert (now.status, now.reasons, now.json["historical"]) == (422, ["path.expired"], False)
    for reply in (raw, in_json):
        assert (reply.status, reply.json["verdict"], reply.json["historical"]) == (200, "affirmed", True)
        assert reply.headers["Attestation-Verdict"] == "historical-affirmed"
        assert reply.json["evaluated_at"] == (then if at == "a time" else reply.json["claims"]["timestamp"])


def test_looking_back_spends_no_nonce(archive: Running) -> None:
    """An auditor who looks at a document first would use it up for the enclave that made it."""
    document = enclave().attestation(nonce=archive.nonce())

    past = [archive.verify(document, "policy=payments&at=document") for _ in range(2)]
    live = [archive.verify(document) for _ in range(2)]
    after = archive.verify(document, "policy=payments&at=document")

    assert [reply.status for reply in (*past, *live, after)] == [200, 200, 200, 422, 200]
    assert past[0].json["freshness"]["single_use"] == "off"
    assert live[0].headers["Attestation-Verdict"] == "affirmed"


def test_a_historical_rejection_is_labelled_too(archive: Running) -> None:
    """A monitor would count somebody's look into the archive as an attack of now."""
    reply = archive.verify(b"noise", "policy=open&at=document&reject_status=200")

    assert (reply.status, reply.headers["Attestation-Verdict"]) == (200, "historical-rejected")
    assert reply.json["historical"]
    assert archive.lines("appraisal")[-1]["historical"] is True


def test_history_is_counted_apart(archive: Running) -> None:
    """Alerts on rejections, replays and clocks would fire when somebody audits."""

    def counted() -> tuple[float, float, float]:
        verdict = archive.metric("appraisals_total", verdict="affirmed", policy="open")
        past = archive.metric("historical_appraisals_total", verdict="affirmed", policy="open")
        return verdict, past, archive.metric("document_age_seconds_count")

    before = counted()
    archive.verify(enclave().attestation(), "policy=open&at=document")
    after = counted()

    assert after == (before[0], before[1] + 1, before[2])


@pytest.mark.parametrize("at", ["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z", "Document"])
def test_a_time_that_means_nothing_is_a_problem(archive: Running, at: str) -> None:
    """A mistyped time would be now, or a day somewhere."""
    raw = archive.verify(enclave().attestation(), f"policy=open&at={at}")
    in_json = archive.verify_json(document=base64url(enclave().attestation()), policy="open", at=at)

    for reply in (raw, in_json):
        assert (reply.status, reply.problem) == (400, "malformed-request")
        assert "at: neither" in reply.json["detail"]


def test_discovery_says_whether_history_is_allowed(service: Running, archive: Running) -> None:
    """A client would have to try."""
    found = [each.call("GET", "/.well-known/nitro-verifier").json["historical"] for each in (service, archive)]
    assert found == ["off", "allow"]
