"""The page on Reference Values says what the code does."""

import re
from pathlib import Path

from verifier.reference_values.kms_lint import KmsLintCode
from verifier.reference_values.layout import EifFault

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "reference-values.md").read_text()


def rows(prefix: str) -> list[str]:
    return re.findall(rf"^\| (?:note )?`({prefix}[a-z0-9-]+)` \| \S", PAGE, re.MULTILINE)


def test_every_fault_of_an_image_is_explained_once() -> None:
    """An operator would look a code up and find nothing."""
    assert rows(r"eif\.") == [fault.value for fault in EifFault]


def test_every_lint_of_a_key_policy_is_explained_once() -> None:
    """An operator would look a lint up and find nothing."""
    assert rows("kms-") == [code.value for code in KmsLintCode]
