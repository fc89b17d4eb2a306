"""Shadows over HTTP: shown and counted, and never in force."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.nsm import build_pcrs
from tests.service.harness import Running, enclave, make_settings, policy_text, running, stranger
from verifier import ConfigurationError
from verifier.policy.shadows import ShadowChange


def shadow_build(build: str) -> str:
    pcrs = ", ".join(f'{index} = "{build_pcrs(build)[index].hex()}"' for index in (0, 1, 2))
    return f'[[shadow]]\nname = "{build}"\npcrs = {{ {pcrs} }}\n'


POLICIES = {
    "payments": policy_text() + shadow_build("v2"),
    "payments-next": policy_text(shadow_of="payments", nonce="none") + f'[require]\npcr8 = ["{"aa" * 48}"]\n',
    "open": policy_text(nonce="none"),
    "open.tests": "these are tests, and no policy",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service with both kinds of shadows, and a policy without any."""
    settings = make_settings(tmp_path, policies=POLICIES, single_use="embedded", state=tmp_path / "used.sqlite3")
    with running(settings) as started:
        yield started


def outcomes(service: Running, policy: str) -> dict[str, float]:
    counted = {
        change.value: service.metric("shadow_outcomes_total", policy=policy, outcome=change) for change in ShadowChange
    }
    return {outcome: count for outcome, count in counted.items() if count}


def test_a_rollout_is_counted_before_it_is_one(service: Running) -> None:
    """An operator would learn what a policy does from the outage it makes."""
    known = service.verify(enclave().attestation(nonce=service.nonce()))
    new = service.verify(enclave(build="v2").attestation(nonce=service.nonce()))

    assert (known.status, new.status, new.reasons) == (200, 422, ["measurement.pcr-mismatch"])
    assert [(each["policy"]["name"], each["outcome"], each["build"]) for each in new.json["shadow"]] == [
        ("payments", "would-affirm", "v2"),
        ("payments-next", "both-reject", None),
    ]
    assert new.json["shadow"][1]["reasons"] == ["measurement.pcr-mismatch", "measurement.signer-mismatch"]
    assert outcomes(service, "payments") == {"both-affirm": 1, "would-affirm": 1}
    assert outcomes(service, "payments-next") == {"would-reject": 1, "both-reject": 1}
    shadow = service.lines("appraisal")[1]["shadow"]
    assert shadow[0] == {"policy": "payments", "outcome": "would-affirm", "build": "v2"}


def test_a_shadow_s_counters_exist_before_they_count(service: Running) -> None:
    """An alert on would-reject would have nothing to look at."""
    shown = service.call("GET", "/metrics").body.decode()
    for policy in ("payments", "payments-next"):
        for change in ShadowChange:
            assert f'nitro_verifier_shadow_outcomes_total{{outcome="{change}",policy="{policy}"}} 0.0' in shown
    assert 'shadow_outcomes_total{outcome="both-affirm",policy="open"}' not in shown
    assert "policy_info{" in shown
    assert 'policy_builds{policy="payments-next"}' not in shown


def test_what_nothing_shadows_and_what_is_forged_says_nothing_of_shadows(service: Running) -> None:
    """Every result would grow, or a stranger would move the counters."""
    plain = service.verify(enclave().attestation(), "policy=open")
    forged = service.verify(stranger().attestation())

    assert ("shadow" in plain.json, "shadow" in forged.json) == (False, False)
    assert "shadow" not in service.lines("appraisal")[0]
    assert outcomes(service, "payments") == {}


def test_a_shadow_policy_can_be_looked_at_and_not_asked_for(service: Running) -> None:
    """What is only tried would decide."""
    refused = service.verify(enclave().attestation(), "policy=payments-next")
    nonce = service.call("POST", "/v1/nonces", '{"policy": "payments-next"}', Content_Type="application/json")
    listed = service.call("GET", "/v1/policies").json["policies"]

    assert (refused.status, refused.problem) == (404, "unknown-policy")
    assert (nonce.status, nonce.problem) == (404, "unknown-policy")
    assert service.call("GET", "/v1/policies/payments-next").json["shadow_of"] == "payments"
    assert [(policy["name"], policy["shadow_of"]) for policy in listed] == [
        ("open", None),
        ("payments", None),
        ("payments-next", "payments"),
    ]
    assert [build["name"] for build in listed[1]["shadows"]] == ["v2"]
    assert service.call("GET", "/.well-known/nitro-verifier").json["policies"] == ["open", "payments"]


@pytest.mark.parametrize(
    ("policies", "options", "problem"),
    [
        ({"next": policy_text(shadow_of="payments")}, {}, "none is in force"),
        ({"a": policy_text(), "next": policy_text(shadow_of="payments")}, {}, "'payments' is not there"),
        (POLICIES, {"default_policy": "payments-next"}, "'payments-next' is a shadow policy"),
    ],
)
def test_a_shadow_that_cannot_be_evaluated_or_decides_is_a_mistake(
    tmp_path: Path, policies: dict[str, str], options: dict[str, str], problem: str
) -> None:
    """A service would start that never tries what its operator watches, or is governed by it."""
    with pytest.raises(ConfigurationError, match=problem):
        make_settings(tmp_path, policies=policies, **options)
