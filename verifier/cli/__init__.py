"""The command line: translates between people and the library, and decides nothing."""

from verifier.cli.entry import main

__all__ = ["main"]
