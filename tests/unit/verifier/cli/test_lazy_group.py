"""Commands that are imported when they are called."""

import pytest

from verifier.cli.lazy_group import LazyCommand


def test_what_is_no_command_is_not_called() -> None:
    """A wrong line in the table would call anything of that name."""
    with pytest.raises(TypeError, match=r"pathlib\.Path is no command"):
        LazyCommand("Path", "pathlib", "").load()
