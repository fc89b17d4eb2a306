"""Where the commands about Reference Values read from: image files, nitro-cli's output and policies, told apart."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, InputError
from verifier.cli.inputs import load_policy
from verifier.reasons import ConfigurationError
from verifier.reference_values.eif import EnclaveImage, measure_image
from verifier.reference_values.layout import MAGIC
from verifier.reference_values.nitro_cli import MAX_OUTPUT_BYTES, read_nitro_cli, select
from verifier.reference_values.provenance import Provenance, ReferenceValues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from verifier import Policy
    from verifier.reference_values.layout import EifError

_STDIN = "-"
_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two things to compare: builds by name, and what they were read from."""

    builds: Mapping[str, Mapping[int, bytes]]
    policy: Policy | None = None
    image: EnclaveImage | None = None


def measure_file(path: Path) -> EnclaveImage:
    """Measure the image in a file, or the one that comes on stdin for ``-``.

    Raises:
        EifError: it is no image with one reading.
        InputError: it cannot be read.
    """
    try:
        if str(path) == _STDIN:
            return measure_image(sys.stdin.buffer)
        with path.open("rb", buffering=0) as file:
            return measure_image(cast("BinaryIO", file))  # unbuffered: each byte is copied once
    except OSError as error:
        raise _unreadable(path, error) from error


def image_values(image: EnclaveImage) -> ReferenceValues:
    """Give what was measured here as Reference Values."""
    return ReferenceValues(pcrs=image.pcrs, provenance=Provenance.IMAGE)


def load_nitro_cli(path: Path, enclave: str | None) -> ReferenceValues:
    """Read the measurements of one image out of nitro-cli's output.

    Raises:
        ConfigurationError: it is no such output, or of another number of enclaves than one.
        InputError: it cannot be read.
    """
    return select(read_nitro_cli(read_text(path, MAX_OUTPUT_BYTES)), enclave)


def load_side(path: Path) -> Side:
    """Read an image, nitro-cli's output or a policy, whichever the file holds.

    Raises:
        ConfigurationError: it is none of them; the mistakes are those of a policy.
        EifError: it is an image, but not one with one reading.
        InputError: it cannot be read.
    """
    if _first_bytes(path) == MAGIC:
        image = measure_file(path)
        return Side(builds={default_name(path): image.pcrs}, image=image)
    try:
        values = read_nitro_cli(read_text(path, MAX_OUTPUT_BYTES))
    except ConfigurationError:
        policy = load_policy(path)
        return Side(builds={build.name: build.pcrs for build in policy.builds}, policy=policy)
    return Side(builds={_build_name(value, path): value.pcrs for value in values})


def read_text(path: Path, limit: int) -> str:
    """Read a text file of at most so many bytes.

    Raises:
        InputError: it cannot be read, is larger, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InputError(f"{plain(str(path))}: larger than {limit} bytes")
        return data.decode()
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{plain(str(path))}: not UTF-8 text") from error


def default_name(path: Path) -> str:
    """Make a policy's or a build's name of a file's."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-")[:_NAME_LENGTH] or "enclave"


def refuse_image(error: EifError, *, quiet: bool = False) -> ExitCode:
    """Say on stderr why an image was not measured."""
    if not quiet:
        click.echo(f"refused: {error.fault.value}: {plain(error.detail)}\n    -> {error.fault.hint}", err=True)
    return ExitCode.NOT_GOOD


def _build_name(value: ReferenceValues, path: Path) -> str:
    return value.enclave_id or default_name(path)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC))
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{plain(str(path))}: {error.strerror or error}")
