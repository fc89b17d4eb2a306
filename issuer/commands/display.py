"""What people and scripts see: results on stdout, everything else on stderr."""

import base64
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from issuer.commands.exits import InputError


def plain(text: str) -> str:
    """Keep printable ASCII and write everything else as an escape, so that text shows itself and does nothing."""
    return "".join(char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii") for char in text)


def note(message: str) -> None:
    """Tell people something on stderr, so that stdout stays the result."""
    click.echo(f"note: {plain(message)}", err=True)


def show_facts(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    facts = [(name, plain(value)) for name, value in rows]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name:<{width}}  {value}")


def show_json(body: dict[str, object]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(body))


def show_bytes(data: bytes) -> None:
    """Write bytes as they are, but not to a terminal.

    Raises:
        click.UsageError: stdout is a terminal.
    """
    if sys.stdout.isatty():
        raise click.UsageError("the result is bytes: send it to a file or a pipe, or ask for another form")
    click.echo(data, nl=False)


def show_or_write(data: bytes, path: Path | None) -> None:
    """Write bytes to a file, saying so, or to stdout.

    Raises:
        InputError: there can be no such file.
        click.UsageError: stdout is a terminal.
    """
    if path is None:
        show_bytes(data)
        return
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    note(f"{len(data)} bytes written to {path}")


def base64url(data: bytes) -> str:
    """Write bytes as the verifier's service does: base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def ranges(indices: Iterable[int]) -> str:
    """Write indices as ranges: ``0-15, 17``."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
