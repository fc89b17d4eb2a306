"""Groups of commands that are imported when they are called.

Each brings what it needs: ``serve`` an HTTP server, ``explain`` all of X.509, ``audit`` processes and progress bars.
Neither the others nor a help text's list of commands want any of that.
"""

from __future__ import annotations

from importlib import import_module

import click

from verifier.cli.imports import uncollected_imports


class LazyCommand(click.Command):
    """What the list of commands says of one; it cannot be called."""

    def __init__(self, name: str, module: str, short_help: str) -> None:
        """Stand in for what ``module`` calls ``name``."""
        super().__init__(name, short_help=short_help)
        self._module = module

    def load(self) -> click.Command:
        """Import the command itself."""
        with uncollected_imports():
            command = getattr(import_module(self._module), str(self.name))
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._module}.{self.name} is no command")
        return command


class LazyGroup(click.Group):
    """A group whose commands may be ``LazyCommand``."""

    def add_later(self, name: str, module: str, short_help: str) -> None:
        """Add the command that ``module`` calls ``name``, without importing it."""
        self.add_command(LazyCommand(name, module, short_help))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, as click does, and load it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest
