"""The service's options as flags, and what is said when it cannot start."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.unit.verifier.cli.world import Invoke, World
from verifier.cli.serve_command import serve
from verifier.service.options import Options


def test_every_option_of_the_service_is_a_flag() -> None:
    """An option would be left to those who read the source."""
    flags = {parameter.name for parameter in serve.params}
    options = {field.name for field in msgspec.structs.fields(Options)}
    assert flags - {"check", "config", "nonce_key", "signing_key"} == options - {"nonce_keys", "signing_keys"}


def test_every_mistake_is_named_at_once_and_nothing_is_served(invoke: Invoke, world: World) -> None:
    """An operator would restart once for each mistake."""
    outcome = invoke("serve", "--port", "99999", "--log-level", "loud", "--nonce-ttl", "5", "--single-use", "embedded")
    assert outcome.code == 2
    for name in ("policies", "port", "log_level", "nonce_ttl", "single_use"):
        assert name in outcome.stderr


def test_a_configuration_can_be_tried_without_being_served(invoke: Invoke, world: World) -> None:
    """An operator would learn from an outage, or from a reload that was refused, that it is wrong."""
    good = invoke("serve", "--check", "--policies", world.folder)
    bad = invoke("serve", "--check", "--policies", world.folder, "--port", "99999")
    assert (good.code, bad.code) == (0, 2)
    assert b"the configuration is good" in good.stdout
    assert "port" in bad.stderr


def test_what_a_configuration_allows_and_should_not_is_said(invoke: Invoke, tmp_path: Path, world: World) -> None:
    """A warning would be seen in the log only, when it is in force."""
    key = tmp_path / "nonce.key"
    key.write_text("5a" * 32)
    key.chmod(0o644)
    outcome = invoke("serve", "--check", "--policies", world.folder, "--nonce-key-file", key)
    assert outcome.code == 0
    assert b"warning: nonce key" in outcome.stdout


def test_a_service_s_anchor_needs_its_fingerprint(invoke: Invoke, world: World) -> None:
    """A service would trust whatever root lies in a file."""
    outcome = invoke("serve", "--policies", world.folder, "--anchor", world.root)
    assert outcome.code == 2
    assert "#sha256=HEX" in outcome.stderr


def test_files_that_flags_name_are_read_before_anything_starts(invoke: Invoke, world: World, tmp_path: Path) -> None:
    """A service would start without its key or with another root."""
    outcome = invoke(
        *("serve", "--policies", world.folder, "--anchor", f"{world.root}#sha256={'00' * 32}"),
        *("--nonce-key-file", f"{tmp_path / 'missing.key'}#id=3"),
        *("--signing-key-file", tmp_path / "missing.pem", "--issuer", "https://verifier.example"),
    )
    assert outcome.code == 2
    assert "trust anchor throwaway-root" in outcome.stderr
    assert "nonce key 3" in outcome.stderr
    assert "signing_keys: current" in outcome.stderr


def test_the_variable_that_shows_bugs_is_no_option_of_the_service(invoke: Invoke) -> None:
    """Whoever looks for a bug could not start the service."""
    outcome = invoke("serve", NITRO_VERIFIER_DEBUG="1", NITRO_VERIFIER_FROB="1")
    assert outcome.code == 2
    assert "NITRO_VERIFIER_FROB" in outcome.stderr
    assert "DEBUG" not in outcome.stderr


@pytest.mark.parametrize(
    ("module", "code", "said"),
    [
        ("aiohttp", 2, 'pip install "nitro-verifier[service]"'),
        ("joserfc", 2, 'pip install "nitro-verifier[service]"'),
        ("verifier.service.app", 3, "this is a bug"),
    ],
)
def test_without_the_service_extra_the_command_says_how_to_get_it(
    world: World, module: str, code: int, said: str
) -> None:
    """A user of the plain package would get a traceback; a broken package would blame the user."""
    script = f"import sys; sys.modules[{module!r}] = None; from verifier.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "--policies", str(world.policy.parent), "--port", "0"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
