"""The page that newcomers walk: every command run, every output compared."""

from pathlib import Path

from tests.e2e.walkthrough import normalise, read_page, run_steps


def test_every_command_of_the_page_prints_what_the_page_says(tmp_path: Path, checkout: Path) -> None:
    """A newcomer would follow the page and end somewhere else."""
    steps = read_page((checkout / "docs" / "getting-started.md").read_text())
    outputs = run_steps(steps, tmp_path)
    assert [(step.command, normalise(output)) for step, output in zip(steps, outputs, strict=True)] == [
        (step.command, normalise(step.output)) for step in steps
    ]
    assert len(steps) > 20
