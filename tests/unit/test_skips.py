"""Where all tests must run, one that is skipped has failed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPED = """
import pytest

def test_by_itself():
    pytest.skip("no such thing here")

@pytest.mark.skipif(True, reason="not on this machine")
def test_by_its_mark():
    pass

@pytest.mark.parametrize("nothing", [])
def test_of_nothing(nothing):
    pass

def test_by_a_fixture(require_shared):
    require_shared("nothing of this name")

@pytest.mark.xfail
def test_known_to_fail():
    assert False
"""


@pytest.mark.parametrize(("required", "status", "summary"), [("0", 0, "4 skipped"), ("1", 1, "2 failed")])
def test_a_skipped_test_fails_where_all_must_run(
    required: str, status: int, summary: str, tmp_path: Path, checkout: Path
) -> None:
    """CI would pass without a check that it lost."""
    (tmp_path / "test_skipped.py").write_text(SKIPPED)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "tests.conftest", tmp_path],
        cwd=checkout, env={"PATH": "/usr/bin:/bin", "NITRO_REQUIRE_ALL": required}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stdout
    assert summary in done.stdout
    assert "1 xfailed" in done.stdout
    assert required == "0" or "skipped" not in done.stdout.splitlines()[-1]
