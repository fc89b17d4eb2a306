"""The command line's world, for what was its own once."""

from tests.unit.verifier.cli.conftest import world

__all__ = ["world"]
