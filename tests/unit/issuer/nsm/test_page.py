"""What docs/nsm.md tells people to run is run here."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from issuer import cli

_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS_AN_ENCLAVE = "# Needs an enclave.\n"


@pytest.fixture(scope="session")
def page(checkout: Path) -> list[tuple[str, str]]:
    """The page's blocks: their language and their text."""
    return _BLOCK.findall((checkout / "docs" / "nsm.md").read_text())


def test_every_python_block_runs(page: list[tuple[str, str]]) -> None:
    """The first thing that a reader copies would fail."""
    blocks = [text for language, text in page if language == "python"]
    runnable = [text for text in blocks if not text.startswith(NEEDS_AN_ENCLAVE)]
    assert (len(blocks), len(runnable)) == (6, 4)
    for text in runnable:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "docs/nsm.md", "exec"), {})  # noqa: S102 - our own page


def test_every_command_runs(page: list[tuple[str, str]], tmp_path: Path) -> None:
    """The same."""
    (commands,) = [text for language, text in page if language == "console"]
    lines = [shlex.split(line.removeprefix("$ ")) for line in commands.splitlines()]
    assert {arguments[1] for arguments in lines} == {"describe", "pcr", "attest", "extend", "lock", "random"}
    with (
        contextlib.chdir(tmp_path),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        for arguments in lines:
            assert cli.run(arguments[1:]) == 0, arguments
    assert (tmp_path / "document.cbor").exists()
