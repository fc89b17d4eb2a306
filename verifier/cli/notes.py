"""Notes to people beside a command's result."""

from __future__ import annotations


def warn(message: str) -> None:
    """Tell people something on stderr, so that stdout stays the result."""
    from verifier.cli.display import show_note  # with the first note: most runs have none, and want no terminal

    show_note(message)
