"""The page that takes an application to Nitro: what can be run is run, and the rest says that it needs AWS."""

import re
from pathlib import Path

import pytest

from tests.e2e.walkthrough import normalise, read_page, run_steps


@pytest.fixture(scope="session")
def page(checkout: Path) -> str:
    return (checkout / "docs" / "enclave.md").read_text()


def test_every_command_of_the_page_prints_what_the_page_says(page: str, tmp_path: Path) -> None:
    """Somebody would follow the page and end somewhere else."""
    steps = read_page(page)
    outputs = run_steps(steps, tmp_path)
    assert [(step.command, normalise(output)) for step, output in zip(steps, outputs, strict=True)] == [
        (step.command, normalise(step.output)) for step in steps
    ]
    assert len(steps) > 20


def test_every_command_that_is_not_run_is_marked(page: str) -> None:
    """Nobody would know which of them anybody has tried."""
    after_the_laptop = page.split("## On Nitro")[1]
    blocks = re.findall(r"(?:^|\n\n)([^\n]+(?:\n[^\n]+)*)\n\n```sh\n", after_the_laptop)
    assert len(blocks) == after_the_laptop.count("```sh\n")
    assert len(blocks) > 5
    assert [before for before in blocks if "needs AWS" not in before.replace("Needs", "needs")] == []


def test_every_script_that_the_page_names_exists_and_every_script_is_named(page: str, checkout: Path) -> None:
    """A step would be missing, or lead nowhere."""
    named = set(re.findall(r"(?:examples/enclave-app/|`)((?:parent/|aws/|)[a-z-]+\.(?:sh|py))", page))
    example = checkout / "examples" / "enclave-app"
    there = {str(path.relative_to(example)) for path in (*example.rglob("*.sh"), *example.glob("parent/*.py"))}
    assert there - named == {"install.sh"}  # the image's own, which the Dockerfile runs
    assert {name for name in named if not (example / name).exists()} <= {"run.sh", "proxies.sh", "key-policy.sh"}
