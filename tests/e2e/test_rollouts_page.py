"""The rollout of docs/rollouts.md: every command run, every output compared, and the metrics that it is watched by."""

import re
from pathlib import Path

from tests.e2e.walkthrough import normalise, read_page, run_steps
from verifier.policy.shadows import ShadowChange


def test_the_rollout_goes_as_the_page_says(tmp_path: Path, checkout: Path) -> None:
    """An operator would follow the page into an outage."""
    page = (checkout / "docs" / "rollouts.md").read_text()
    steps = read_page(page)
    outputs = run_steps(steps, tmp_path)
    assert [(step.command, normalise(output)) for step, output in zip(steps, outputs, strict=True)] == [
        (step.command, normalise(step.output)) for step in steps
    ]
    assert len(steps) > 20


def test_the_metrics_to_watch_are_those_that_are_counted(checkout: Path) -> None:
    """An alert would be written on a metric or a label that does not exist, and never fire."""
    page = (checkout / "docs" / "rollouts.md").read_text()
    watched = re.findall(r'^\| `(\w+)\{policy="[a-z-]+", (\w+)="([a-z-]+)"\}` \|', page, re.MULTILINE)
    assert {value for name, _, value in watched if name == "shadow_outcomes_total"} <= set(ShadowChange)
    assert {(name, label) for name, label, _ in watched} == {
        ("shadow_outcomes_total", "outcome"),
        ("appraisals_total", "verdict"),
    }
