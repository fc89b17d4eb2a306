"""The page that newcomers walk: every command run, every output compared."""

import re
from pathlib import Path

from tests.e2e.walkthrough import normalise, read_page, run_steps
from verifier import read_policy


def test_every_command_of_the_page_prints_what_the_page_says(tmp_path: Path, checkout: Path) -> None:
    """A newcomer would follow the page and end somewhere else."""
    steps = read_page((checkout / "docs" / "getting-started.md").read_text())
    outputs = run_steps(steps, tmp_path)
    assert [(step.command, normalise(output)) for step, output in zip(steps, outputs, strict=True)] == [
        (step.command, normalise(step.output)) for step in steps
    ]
    assert len(steps) > 20


def test_the_verdict_names_the_policy_that_the_page_writes(checkout: Path) -> None:
    """Digests are not compared as outputs are: a newcomer would see another one, and look for a mistake."""
    page = (checkout / "docs" / "getting-started.md").read_text()
    written = re.search(r"^\$ cat > policies/hello\.toml <<'END'\n((?:> .*\n)+)> END$", page, re.MULTILINE)
    assert written is not None
    text = re.sub(r"^> ", "", written[1], flags=re.MULTILINE)
    assert f'"sha256": "{read_policy(text, name="hello").sha256}"' in page
