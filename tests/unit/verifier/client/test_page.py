"""What docs/client.md says of the code; that its examples run is tested against the service."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import verifier.client
from verifier.client import EarErrorCode, Expectations, Limits
from verifier.client.keys import DEFAULT_S, LONGEST_S, PAUSE_S
from verifier.client.transport import MAX_ANSWER_BYTES
from verifier.ear.reading import DEFAULT_LEEWAY, MAX_LEEWAY, MAX_TOKEN_BYTES


@pytest.fixture(scope="module")
def page(checkout: Path) -> str:
    """The page."""
    return (checkout / "docs" / "client.md").read_text()


def first_cells(page: str) -> list[str]:
    return re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)


def test_every_error_is_explained(page: str) -> None:
    """A caller looks up what it meets."""
    errors = {name for name in verifier.client.__all__ if name.endswith("Error")} - {"ClientError"}
    assert {cell.strip("`") for cell in first_cells(page) if cell.endswith("Error`")} == errors


def test_every_code_of_a_token_is_explained(page: str) -> None:
    """An operator looks up what is in the log."""
    found = [code for cell in first_cells(page) for code in re.findall(r"`((?:token|keys)\.[a-z-]+)`", cell)]
    assert sorted(found) == sorted(code.value for code in EarErrorCode)


def test_limits_and_expectations_are_the_ones_of_the_code(page: str) -> None:
    """A reader plans with them."""
    rows = dict(re.findall(r"^\| `([a-z_]+_s|tries)` \| ([0-9.]+) \|", page, re.MULTILINE))
    assert {name: float(text) for name, text in rows.items()} == {
        field.name: getattr(Limits(), field.name) for field in fields(Limits)
    }
    cells = {cell.strip("`") for cell in first_cells(page)}
    assert {field.name for field in fields(Expectations)} <= cells
    assert f"may have {MAX_ANSWER_BYTES // 1024} KiB" in page
    assert f"more than {MAX_TOKEN_BYTES // 1024} KiB" in page
    assert f"{DEFAULT_LEEWAY.seconds} s, and {MAX_LEEWAY.seconds // 60} minutes at most" in page
    assert f"at least {PAUSE_S:.0f} s and at most an\nhour ({DEFAULT_S:.0f} s" in page
    assert LONGEST_S == 3600
