"""docs/explain.md: its three outputs are what the command prints today."""

from pathlib import Path

from tests.e2e.walkthrough import read_page, run_steps


def test_every_output_on_the_page_is_current(tmp_path: Path, checkout: Path) -> None:
    """Would break if the page showed an explanation that nobody gets."""
    steps = read_page((checkout / "docs" / "explain.md").read_text())
    assert run_steps(steps, tmp_path) == [step.output for step in steps]
    assert sum("nitro-verifier explain" in step.command for step in steps) == 3
