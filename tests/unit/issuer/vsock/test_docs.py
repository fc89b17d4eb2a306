import re
import subprocess
import sys
from pathlib import Path

import pytest

from issuer.vsock.allowlist import parse_allow_list

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "vsock.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", PYTHON)
def test_every_example_of_the_page_runs(example: str, tmp_path: Path, checkout: Path) -> None:
    """The first thing a reader does is to copy it."""
    path = tmp_path / "example.py"
    path.write_text(example)
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


@pytest.mark.parametrize("example", YAML)
def test_every_allow_list_of_the_page_is_read(example: str) -> None:
    """An operator copies it too."""
    assert parse_allow_list(example.encode()).entries
