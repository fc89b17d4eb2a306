"""The demonstration's process: started by name, its exit code passed on."""

from pathlib import Path

import pytest

from tests.unit.verifier.cli.world import Invoke
from verifier.cli import demo_command


@pytest.fixture
def fake_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A module in place of the demonstration, importable here and in a new process."""
    monkeypatch.setattr(demo_command, "_MODULE", "fake_demo")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "fake_demo.py"


@pytest.mark.parametrize(("ends", "code"), [("0", 0), ("1", 1), ("2", 2), ("77", 3), ("'a failure'", 1)])
def test_its_exit_code_is_the_demonstration_s(invoke: Invoke, fake_module: Path, ends: str, code: int) -> None:
    """`make demo` would succeed although a step failed."""
    fake_module.write_text(f"import sys; sys.exit({ends})")
    assert invoke("demo").code == code


def test_keep_is_passed_on(invoke: Invoke, fake_module: Path) -> None:
    """What a curious reader wants to look at would be deleted."""
    fake_module.write_text("import sys; sys.exit(0 if sys.argv[1:] == ['--keep'] else 1)")
    assert invoke("demo", "--keep").code == 0


def test_an_installation_without_the_demonstration_says_so(invoke: Invoke, fake_module: Path) -> None:
    """A user would get a traceback."""
    outcome = invoke("demo")
    assert outcome.code == 2
    assert "lacks the demonstration" in outcome.stderr
