"""Metrics: what alerts are made of, with labels from closed sets."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from issuer.nsm import SoftwareNsm
from tests.service.harness import BUILD, Running, enclave, make_settings, pki, policy_text, running
from verifier.pipeline import Stage
from verifier.policy.shadows import ShadowChange
from verifier.reasons import Reason
from verifier.result import Verdict
from verifier.service.metrics import NONCE_EVENTS, SHED_LIMITS, TIME_EVERY
from verifier.service.tallies import Tallies

POLICIES = {
    "payments": policy_text(),
    "open": policy_text(nonce="none"),
    "ends": policy_text(nonce="none") + "not_after = 2030-01-01T00:00:00Z\n",
}
ROUTES = {
    "/v1/verify", "/v1/nonces", "/v1/policies", "/v1/policies/{name}", "/.well-known/nitro-verifier", "/openapi.json",
    "/livez", "/readyz", "/metrics", "/", "unmatched",
}  # fmt: skip
CLOSED: dict[str, Collection[str]] = {
    "verdict": set(Verdict),
    "policy": set(POLICIES),
    "reason": set(Reason),
    "stage": set(Stage),
    "event": set(NONCE_EVENTS),
    "limit": set(SHED_LIMITS),
    "route": ROUTES,
    "method": {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "other"},
    "half": {"leaf", "issuer"},
    "item": {"policies", "nonce-keys", "signing-keys"},
    "outcome": {"loaded", "failed", "unchanged", *ShadowChange},
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service that has counted nothing yet."""
    settings = make_settings(tmp_path, policies=POLICIES, single_use="embedded", state=tmp_path / "used.sqlite3")
    with running(settings) as started:
        yield started


def test_verdicts_and_reasons_are_counted_by_policy(service: Running) -> None:
    """An alert on rejections would have nothing to look at."""
    service.verify(enclave().attestation(), "policy=open")
    service.verify(b"noise", "policy=open")
    service.verify(enclave(build="evil").attestation(), "policy=payments")

    assert service.metric("appraisals_total", verdict="affirmed", policy="open") == 1
    assert service.metric("appraisals_total", verdict="rejected", policy="open") == 1
    assert service.metric("appraisal_reasons_total", reason="envelope.malformed", policy="open") == 1
    for reason in ("measurement.pcr-mismatch", "freshness.nonce-missing"):
        assert service.metric("appraisal_reasons_total", reason=reason, policy="payments") == 1


def test_every_stage_of_one_appraisal_in_eight_is_timed(service: Running) -> None:
    """Nobody could say where the time goes."""
    for number in range(TIME_EVERY + 1):
        service.verify(enclave().attestation(), "policy=open")
        for stage in Stage:
            assert service.metric("appraisal_stage_seconds_count", stage=stage.value) == (2 if number == 8 else 1)
    assert service.metric("appraisal_stage_seconds_sum", stage="signature") > 0


def test_what_was_counted_is_told_once(service: Running) -> None:
    """Counts are added up before they are told: one that was told twice, or lost, would be an alert or none."""
    spread = [("document_age_seconds", {}), ("http_request_seconds", {"route": "/v1/verify"})]
    for number in range(1, 4):
        service.verify(enclave().attestation(), "policy=open")
        for method in ("MKCOL", "PROPFIND"):
            service.call(method, "/v1/verify")
        for _ in range(2):  # whoever looks changes nothing
            assert service.metric("appraisals_total", verdict="affirmed", policy="open") == number
            assert service.metric("http_requests_total", route="/v1/verify", method="POST", status="200") == number
            assert service.metric("http_requests_total", route="/v1/verify", method="other", status="405") == 2 * number
            for (name, labels), count in zip(spread, (number, 3 * number), strict=True):
                assert service.metric(f"{name}_count", **labels) == count
                assert service.metric(f"{name}_bucket", **labels, le="+Inf") == count
    assert service.metric("document_age_seconds_sum") > 0


@pytest.mark.parametrize("value", [0.05, 0.050000001, -1.0, 0.0, 10800.0, 1e9])
def test_a_value_falls_into_the_bucket_that_prometheus_client_would_choose(value: float) -> None:
    """Quantiles would be those of a neighbour."""
    bounds = (0.05, 0.1, 10800)
    ours, theirs = (Histogram(name, "", registry=None, buckets=bounds) for name in ("ours", "theirs"))
    spread = Tallies().spread(ours)
    spread.observe(value)
    spread.settle()
    theirs.observe(value)

    told = [
        [
            (each.name.partition("_")[2], each.labels, each.value)
            for metric in histogram.collect()
            for each in metric.samples
        ]
        for histogram in (ours, theirs)
    ]
    told = [[sample for sample in samples if sample[0] != "created"] for samples in told]

    assert told[0] == told[1]


def test_the_life_of_nonces_is_counted(service: Running) -> None:
    """A replay would pass unnoticed."""
    document, late = (enclave().attestation(nonce=service.nonce()) for _ in range(2))
    service.verify(document)
    service.verify(document)
    service.clock.offset = timedelta(minutes=5, seconds=1)
    service.verify(late)

    assert {event: service.metric("nonces_total", event=event) for event in NONCE_EVENTS} == {
        "issued": 2, "accepted": 1, "replayed": 1, "expired": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("offset", "above", "up_to"), [(0, "-0.3", "0.3"), (-20, "10.0", "30.0"), (40, None, "-30.0")])
def test_the_difference_of_clocks_is_seen_from_both_sides(
    service: Running, offset: float, above: str | None, up_to: str
) -> None:
    """A drifting clock is noticed only when documents begin to be refused."""
    service.clock.offset = timedelta(seconds=offset)
    nonce = service.nonce()

    service.verify(enclave().attestation(nonce=nonce))

    assert service.metric("clock_skew_seconds_bucket", le=up_to) == 1
    assert above is None or service.metric("clock_skew_seconds_bucket", le=above) == 0
    assert service.metric("document_age_seconds_count") == 1


def test_old_documents_are_no_difference_of_clocks(service: Running) -> None:
    """Whoever collects old documents could set off the alarm for clocks."""
    document = enclave().attestation(nonce=service.nonce())
    service.clock.offset = timedelta(hours=1)

    service.verify(document)
    service.verify(document, "policy=open")

    assert service.metric("clock_skew_seconds_bucket", le="+Inf") == 0
    assert service.metric("document_age_seconds_count") == 2


def test_what_is_configured_can_be_seen(service: Running) -> None:
    """A policy that ends on Sunday would be noticed on Sunday."""
    policy = service.service.policies["ends"]
    labels = {"policy": "ends", "sha256": policy.sha256, "nonce": "none", "debug": "reject"}

    assert service.metric("policy_info", **labels) == 1
    assert service.metric("policy_builds", policy="ends") == 1
    assert service.metric("policy_not_after_timestamp_seconds", policy="ends") == 1893456000
    assert service.metric("policy_not_after_timestamp_seconds", policy="open") == 0
    assert service.metric("trust_anchor_not_after_timestamp_seconds", anchor="aws-nitro-root-g1") == 2519044085
    assert service.metric("build_info", version=service.service.version, engine=service.service.verifier.engine) == 1


def test_the_path_cache_is_counted(service: Running) -> None:
    """A cache that is too small shows only as load."""
    for _ in range(3):
        service.verify(enclave().attestation(), "policy=open")

    assert service.metric("path_cache_hits_total", half="leaf") == 2
    assert service.metric("path_cache_misses_total", half="leaf") == 1
    assert service.metric("path_cache_entries", half="leaf") == 1


def test_what_falls_out_of_the_path_cache_is_counted(tmp_path: Path) -> None:
    """Nobody could tell a cache that is too small from one that is cold."""
    with running(make_settings(tmp_path, policies=POLICIES, path_cache=1)) as small:
        for number in (1, 2):
            other = SoftwareNsm(clock=lambda: datetime.now(UTC), pki=pki(), build=BUILD, enclave_id=number.to_bytes(8))
            assert small.verify(other.attestation(), "policy=open").status == 200

        assert small.metric("path_cache_evictions_total", half="leaf") == 1
        assert small.metric("path_cache_evictions_total", half="issuer") == 0
        assert small.metric("path_cache_entries", half="leaf") == 1


def test_the_path_cache_can_be_turned_off(tmp_path: Path) -> None:
    """An operator who wants nothing remembered could not have it."""
    with running(make_settings(tmp_path, policies=POLICIES, path_cache=0)) as forgetful:
        for _ in range(2):
            assert forgetful.verify(enclave().attestation(), "policy=open").status == 200

        for half in ("leaf", "issuer"):
            assert forgetful.metric("path_cache_hits_total", half=half) == 0
            assert forgetful.metric("path_cache_entries", half=half) == 0


def test_no_label_holds_what_a_client_chose(service: Running) -> None:
    """A client could make a new series with each request until the metrics store falls over."""
    service.verify(enclave(build="evil").attestation(nonce=service.nonce()))
    service.verify(b"x", "policy=made-up")
    for method, path in [
        ("GET", "/made-up"),
        ("PUT", "/v1/verify"),
        ("PROPFIND", "/"),
        ("GET", "/v1/policies/made-up"),
    ]:
        service.call(method, path)
    with service.connect() as stream:
        stream.sendall(b"made-up\r\n\r\n")
        stream.recv(4096)
    reply = service.call("GET", "/metrics")

    found = {
        (name, value)
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
        if sample.name.startswith("nitro_verifier_")
        for name, value in sample.labels.items()
    }

    assert "made-up" not in reply.body.decode()
    for label, closed in CLOSED.items():
        assert {value for name, value in found if name == label} <= set(map(str, closed)), label
    assert ("method", "other") in found
    assert {name for name, _ in found} <= {
        *CLOSED,
        "le",
        "status",
        "sha256",
        "nonce",
        "debug",
        "anchor",
        "version",
        "engine",
    }
    assert service.metric("http_requests_total", route="unmatched", method="GET", status="404") == 1


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        ("a/b", "text/plain"),
    ],
)
def test_metrics_come_in_both_of_prometheus_formats(service: Running, accept: str, media_type: str) -> None:
    """A scraper gets what it asks for, and never a 406."""
    reply = service.call("GET", "/metrics", Accept=accept)

    assert (reply.status, reply.media_type) == (200, media_type)
    assert b"nitro_verifier_build_info" in reply.body


def test_what_is_in_flight_and_connected_is_shown(service: Running) -> None:
    """Saturation would show as errors first."""
    with service.connect():
        reply = service.call("GET", "/metrics").body.decode()

    values = {line.split()[0]: float(line.split()[1]) for line in reply.splitlines() if line.startswith("nitro")}
    assert values["nitro_verifier_in_flight"] == 1
    assert values["nitro_verifier_connections"] == 2
    assert "process_open_fds" in reply
