"""JSON with one reading: a key that occurs twice, NaN and bottomless nesting are mistakes."""

from __future__ import annotations

import json
from typing import NoReturn

from verifier.reasons import ConfigurationError


def read_json(text: str, what: str) -> object:
    """Read one JSON value and nothing after it.

    Raises:
        ConfigurationError: anything else, named ``what``.
    """
    try:
        value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        msg = f"{what}: not one JSON value ({error})"
        raise ConfigurationError(msg) from error
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key occurs twice")
    return table


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
