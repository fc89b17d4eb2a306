"""The API's description: it says what the service does, and a machine that believes it finds nothing wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.service.harness import HOST, Running, make_settings, running
from verifier.service import wire
from verifier.service.openapi import describe_api
from verifier.service.problems import ProblemType

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,negative_data_rejection"
)
MAX_EXAMPLES = 150


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    """The description."""
    described: dict[str, Any] = json.loads(describe_api("0"))
    return described


def test_every_route_is_described_and_exists(service: Running, api: dict[str, Any]) -> None:
    """A route that is not described is found by attackers alone."""
    for path, operations in api["paths"].items():
        for method in operations:
            reply = service.call(method.upper(), path.replace("{name}", "payments"))
            assert str(reply.status) in operations[method]["responses"], (method, path, reply.status)
            assert reply.status not in {404, 405}


def test_every_type_of_problem_is_described_somewhere(api: dict[str, Any]) -> None:
    """A client that is generated from it would meet answers that it does not know."""
    text = json.dumps(api)
    beneath = {ProblemType.NOT_FOUND, ProblemType.METHOD_NOT_ALLOWED, ProblemType.EXPECTATION_FAILED}

    assert {kind for kind in ProblemType if kind.uri not in text} == beneath


def test_results_are_described_by_the_type_that_encodes_them(api: dict[str, Any]) -> None:
    """Description and service would drift apart."""
    described = api["components"]["schemas"]["ResultBody"]["properties"]

    assert set(described) == set(wire.ResultBody.__struct_fields__)


def test_requests_with_other_fields_than_described_are_refused(api: dict[str, Any]) -> None:
    """A mistyped nonce would be no nonce."""
    for name in ("VerifyRequest", "NonceRequest"):
        assert api["components"]["schemas"][name]["additionalProperties"] is False


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Inputs that nobody here thought of would crash it, or be answered otherwise than described."""
    configuration = tmp_path / "schemathesis.toml"
    # 413 and 415 are refusals too; a 5xx is not.
    configuration.write_text("[checks.negative_data_rejection]\nexpected-statuses = [400, 404, 406, 413, 415, 422]\n")
    with running(make_settings(tmp_path, default_policy="open")) as service:
        result = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "--config-file", configuration, "run",
                f"http://{HOST}:{service.port}/openapi.json", "--checks", CHECKS, "--max-examples", str(MAX_EXAMPLES),
                "--seed", "1", "--phases", "examples,coverage,fuzzing", "--no-color",
            ],
            capture_output=True, text=True, check=False, cwd=tmp_path, timeout=240,
        )  # fmt: skip
        bugs = service.metric("bugs_total")

    print(result.stdout[-3000:])  # noqa: T201 - its summary is the figure asked for
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert bugs == 0
