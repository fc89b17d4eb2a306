"""docs/readiness.md keeps up with the checks."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from issuer import cli
from issuer.readiness import TOPICS, CheckId, State

_ID = re.compile(r"`((?:entropy|clock|nsm|files|memory|cpu|parent)\.[a-z-]+)`")
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="session")
def page(checkout: Path) -> str:
    """The page."""
    return (checkout / "docs" / "readiness.md").read_text()


def test_the_page_names_every_check_and_no_other(page: str) -> None:
    """A reader would look up an id in vain, or never hear of a check."""
    assert set(_ID.findall(page)) == set(CheckId)


def test_every_check_has_something_to_say() -> None:
    """The table would end with an id and no advice."""
    assert list(TOPICS) == list(CheckId)
    assert all(topic.why.endswith(".") and topic.remedy.endswith(".") for topic in TOPICS.values())


def test_every_line_of_the_tutorial_has_a_check_or_a_reason(page: str) -> None:
    """A line of the checklist would be forgotten."""
    tables = page.split("## The tutorial's checklist")[1].split("Beyond the tutorial", maxsplit=1)[0]
    rows = [row for row in _ROW.findall(tables) if row != ("the tutorial says", "checked by") and set(row[0]) != {"-"}]
    assert len(rows) == 14 + 12
    for line, answer in rows:
        assert _ID.findall(answer) or answer.startswith("not "), line


def test_the_page_names_every_state(page: str) -> None:
    """Programs compare with them."""
    assert all(f"`{state}`" in page for state in State)


def test_every_example_of_the_page_runs(page: str) -> None:
    """The first thing that a reader copies would fail."""
    blocks = _BLOCK.findall(page)
    assert [language for language, _ in blocks] == ["python", "python", "console"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(blocks[1][1], "docs/readiness.md", "exec"), {})  # noqa: S102 - our own page
        for line in blocks[2][1].splitlines():
            assert cli.run(shlex.split(line)[2:]) == 0


def test_the_exit_codes_stand_there(page: str) -> None:
    """Scripts are written from this table."""
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == ["0", "1", "2", "3"]
