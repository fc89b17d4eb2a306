"""The whole loop, as ``make demo`` shows it."""

import subprocess
import sys
from pathlib import Path

import pytest


def run_python(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        env={"PATH": "", "TMPDIR": str(tmp_path), "COLUMNS": "120"},
        text=True,
        timeout=120,
    )


def test_the_demonstration_goes_as_it_should_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The first thing a newcomer runs would fail."""
    done = run_python(tmp_path, "-m", "verifier.cli", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "affirmed  a good document  HTTP 200" in done.stdout
    for reason in ("nonce-replayed", "pcr-mismatch", "debug-mode", "signature.invalid", "exit code 0"):
        assert reason in done.stdout
    assert not list(tmp_path.iterdir())


def test_what_the_demonstration_made_can_be_kept(tmp_path: Path) -> None:
    """A curious reader could not look at the policy, the document and the log."""
    done = run_python(tmp_path, "-m", "nitro_demo", "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = tmp_path.iterdir()
    assert f"kept in {kept}" in done.stdout
    assert (kept / "document.cbor").stat().st_size > 4000


@pytest.mark.parametrize(
    "breakage",
    [
        "loop._flip = lambda document: document",
        "loop._fetch_nonce = lambda service: bytes(58)",
        "loop.Service.stop = lambda self: 1",
    ],
)
def test_a_step_that_goes_wrong_ends_the_demonstration_with_exit_code_1(tmp_path: Path, breakage: str) -> None:
    """A broken service would be shown as a working one."""
    done = run_python(
        tmp_path, "-c", f"import sys; import nitro_demo.loop as loop; {breakage}; sys.exit(loop.main([]))"
    )
    assert done.returncode == 1
    assert "the demo failed" in done.stdout
    assert "Every step went as it should" not in done.stdout
