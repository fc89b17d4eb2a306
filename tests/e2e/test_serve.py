"""The command and the service side by side: one verdict, one body, one way of issuing nonces."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from nitro_demo.service import Service
from verifier.service.notation import read_nonce_text


def command(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "verifier.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, check=False, timeout=60)


def without_moments(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a result what differs from one moment, and one request, to the next."""
    freshness = {**body["freshness"], "age_ms": None}
    return {**body, "freshness": freshness, "evaluated_at": None, "request_id": None}


@pytest.fixture(scope="module")
def nsm() -> SoftwareNsm:
    return SoftwareNsm(clock=lambda: datetime.now(UTC), pki=ThrowawayPki(), build="side by side")


@pytest.fixture(scope="module")
def folder(nsm: SoftwareNsm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    (folder / "policies").mkdir()
    pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in build_pcrs("side by side").items())
    for name, mode in (("issued", "required"), ("own", "caller")):
        policy = folder / "policies" / f"{name}.toml"
        policy.write_text(f'nonce = "{mode}"\n[[build]]\nname = "b"\npcrs = {{ {pcrs} }}\n')
    (folder / "root.pem").write_text(nsm.pki.root_pem)
    (folder / "nonce.key").write_text("5a" * 32)
    (folder / "nonce.key").chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def anchor(folder: Path, nsm: SoftwareNsm) -> str:
    return f"{folder / 'root.pem'}#sha256={nsm.pki.root_sha256.hex()}"


@pytest.fixture(scope="module")
def service(folder: Path, anchor: str) -> Iterator[Service]:
    arguments = ["--policies", str(folder / "policies"), "--anchor", anchor]
    key = ["--nonce-key-file", f"{folder / 'nonce.key'}#id=9"]
    with Service(
        [*arguments, *key, "--single-use", "embedded", "--state", str(folder / "state")], folder / "log"
    ) as up:
        yield up
        assert up.stop() == 0, (folder / "log").read_text()


def test_a_nonce_that_the_command_issued_is_the_service_s_own(service: Service, folder: Path, nsm: SoftwareNsm) -> None:
    """Key files would mean different keys to the two."""
    issued = command("nonce", "--key-file", f"{folder / 'nonce.key'}#id=9", "--policy", "issued")
    document = nsm.attestation(nonce=read_nonce_text(issued.stdout.decode().strip()))
    answers = [service.post("/v1/verify?policy=issued", document, "application/cbor") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 422]
    assert answers[1].body["reasons"][0]["code"] == "freshness.nonce-replayed"  # type: ignore[index]  # JSON


def test_command_and_service_give_the_same_result(
    service: Service, folder: Path, anchor: str, nsm: SoftwareNsm
) -> None:
    """Programs that read one could not read the other."""
    document = folder / "document.cbor"
    document.write_bytes(nsm.attestation(nonce=b"mine", user_data=b"x"))
    policy, nonce = folder / "policies" / "own.toml", b"mine".hex()
    done = command("verify", document, "--policy", policy, "--anchor", anchor, "--nonce", nonce, "--json")
    printed = json.loads(done.stdout)
    path = f"/v1/verify?policy=own&nonce={nonce}"
    answered = service.post(path, document.read_bytes(), "application/cbor").body
    assert printed["verdict"] == "affirmed"
    assert without_moments(printed) == without_moments(answered)


def test_a_port_in_use_is_a_configuration_error(service: Service, folder: Path) -> None:
    """A second instance would end in a traceback."""
    done = command("serve", "--policies", folder / "policies", "--port", str(service.port))
    assert done.returncode == 2
    assert b"cannot listen" in done.stderr
    assert b"Traceback" not in done.stderr
