"""docs/http-api.md: what it shows runs, and what it lists is all there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.harness import HOST, POLICIES, make_settings, running
from verifier.service.problems import ProblemType

ATTEST = f'attest() {{ "{sys.executable}" -m tests.service.attest "$1"; }}'


@pytest.fixture(scope="module")
def page(checkout: Path) -> str:
    """The page."""
    return (checkout / "docs" / "http-api.md").read_text()


def test_its_examples_run(page: str, checkout: Path, tmp_path: Path) -> None:
    """Whoever copies one would get an error."""
    signing = {"issuer": "https://verifier.example", "ephemeral_signing_key": True}
    with running(make_settings(tmp_path, policies=POLICIES, **signing)) as service:
        blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        script = "\n".join(["set -euo pipefail", ATTEST, *blocks]).replace(":8080", f":{service.port}")
        result = subprocess.run(
            ["bash", "-c", script],  # noqa: S607 - the shell that the page is written for
            cwd=tmp_path,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(checkout), "no_proxy": HOST},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert result.returncode == 0, result.stdout + result.stderr
    assert '"verdict":"affirmed"' in result.stdout
    assert service.service.policies["payments"].sha256 in result.stdout


def test_it_lists_every_problem_with_its_status(page: str) -> None:
    """A client would meet a type that it cannot look up."""
    listed = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", page, re.MULTILINE)

    assert {(slug, int(status)) for slug, status in listed} == {(kind.slug, kind.status.value) for kind in ProblemType}


def test_it_lists_every_metric(page: str, tmp_path: Path) -> None:
    """An alert could be written on a metric that does not exist, and never fire."""
    settings = make_settings(tmp_path)
    with running(settings) as service:
        shown = {family.name for family in service.service.metrics.registry.collect()}
    ours = {name.removeprefix("nitro_verifier_") for name in shown if name.startswith("nitro_verifier_")}
    table = page[page.index("| metric | labels |") :]
    listed = {
        name.removesuffix("_total")
        for row in re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", row)
    }

    assert listed == ours


def test_it_lists_every_route(page: str) -> None:
    """A route that is not listed is found by attackers alone."""
    from verifier.service.openapi import _paths  # noqa: PLC0415 - beside its use

    listed = set(re.findall(r"^\| `(?:GET|POST) ([^`]+)` \|", page, re.MULTILINE))

    assert listed == set(_paths())
