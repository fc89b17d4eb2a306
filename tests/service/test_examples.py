"""The files that people copy: they are right, and they say all there is."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.service.harness import enclave, make_settings, running
from verifier import read_policy
from verifier.policy.model import DebugMode, NonceMode
from verifier.service.config import load_settings
from verifier.service.options import Options


def uncommented(text: str) -> str:
    """The text with every commented key taken in."""
    return re.sub(r"^# (?=\[+[a-z_]+\]+$|[a-z0-9_]+ = )", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["example", "development", "nitro-tpm"])
def test_example_policies_are_right(checkout: Path, name: str) -> None:
    """A newcomer's first step would be an error."""
    policy = read_policy((checkout / "policies" / f"{name}.toml").read_text(), name=name)

    assert policy.name == name


def test_the_example_for_production_is_strict(checkout: Path) -> None:
    """It is copied without being read."""
    policy = read_policy((checkout / "policies" / "example.toml").read_text())

    assert (policy.nonce, policy.debug) == (NonceMode.REQUIRED, DebugMode.REJECT)


def test_the_example_shows_every_key_and_all_of_them_are_right(checkout: Path) -> None:
    """A key that it does not show is not found; one that it shows wrongly costs an hour."""
    text = uncommented((checkout / "policies" / "example.toml").read_text())
    table = tomllib.loads(text)

    read_policy(text.replace("shadow_of", "# shadow_of"))  # which has no shadow builds of its own
    assert set(table) == {
        "name", "shadow_of", "evidence", "max_age", "clock_skew", "nonce", "debug", "mode",
        "build", "shadow", "deny", "require",
    }  # fmt: skip
    assert set(table["require"]) == {
        "pcr3_role_arn", "pcr4_instance_id", "pcr8", "public_key", "user_data", "known_fields_only",
    }  # fmt: skip
    assert set(table["build"][0]) == {"name", "not_before", "not_after", "pcrs"}
    assert set(table["shadow"][0]) == {"name", "pcrs"}


def test_the_policy_for_development_accepts_debug_mode_and_says_so(checkout: Path, tmp_path: Path) -> None:
    """The first document that a developer makes would be refused."""
    text = (checkout / "policies" / "development.toml").read_text()
    with running(make_settings(tmp_path, policies={"development": text})) as service:
        debug = service.verify(enclave(debug=True).attestation(), "policy=development")
        real = service.verify(enclave().attestation(), "policy=development")

    assert (debug.status, debug.json["policy"]["debug"]) == (200, "allow")
    assert (real.status, real.reasons) == (422, ["measurement.pcr-mismatch"])


def test_the_example_configuration_is_right_and_changes_nothing(checkout: Path) -> None:
    """Copying it would change how the service behaves."""
    file = checkout / "deploy" / "nitro-verifier.toml"
    given, bare = load_settings(file=file), load_settings(overrides={"policies": checkout / "policies"})

    assert (given.addresses, given.limits, given.nonce_ttl) == (bare.addresses, bare.limits, bare.nonce_ttl)
    assert (given.workers, given.reload_interval) == (bare.workers, bare.reload_interval)
    assert (given.anchors, given.policies, given.audience) == (bare.anchors, bare.policies, bare.audience)
    assert (given.state, given.default_policy, given.log_level) == (None, None, bare.log_level)


def test_the_example_configuration_shows_every_option(checkout: Path) -> None:
    """An option that it does not show is not found."""
    table = tomllib.loads(uncommented((checkout / "deploy" / "nitro-verifier.toml").read_text()))

    assert set(table) == set(Options.__struct_fields__)
