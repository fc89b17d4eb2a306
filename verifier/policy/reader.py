"""TOML to ``Policy``: every key known, every value understood, every mistake named at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar, cast

from verifier.evidence.pcrs import PCR_BYTES, EvidenceKind
from verifier.policy.model import (
    DEFAULT_CLOCK_SKEW_MS,
    DEFAULT_MAX_AGE_MS,
    Build,
    DebugMode,
    DeniedBuild,
    KeyKind,
    MeasurementMode,
    NonceMode,
    Policy,
    PublicKeyRule,
    Requirements,
)
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_POLICY_BYTES = 4 * 1024 * 1024
TESTS_SUFFIX = ".tests.toml"
"""Of the files that ``nitro-verifier policy test`` reads, beside the policies."""

_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_INDEX = re.compile(r"0|[1-9][0-9]?")

_Choice = TypeVar("_Choice", bound=StrEnum)


def holds_policy(file_name: str) -> bool:
    """Tell a policy's file from others in a folder: tests of policies, and what editors and file managers put there."""
    return file_name.endswith(".toml") and not file_name.endswith(TESTS_SUFFIX) and not file_name.startswith(".")


def parse_duration(text: str) -> int:
    """Read ``90s``, ``5m``, ``3h``, ``1d`` or ``250ms`` as milliseconds.

    Raises:
        ConfigurationError: anything else; a number without a unit is not guessed at.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        msg = f"{text!r} is not a duration such as 30s, 5m or 3h"
        raise ConfigurationError(msg)
    return int(match[1]) * _UNIT_MS[match[2]]


def read_policy(text: str, *, name: str | None = None) -> Policy:
    """Read a policy from TOML; every key is explained in docs/policies.md.

    Args:
        text: the file's content.
        name: what to call a policy whose text has no name, such as its file's name.

    Raises:
        ConfigurationError: with everything that is wrong, unknown keys included.
    """
    if len(text) > MAX_POLICY_BYTES:
        msg = f"policy {name or ''}: longer than {MAX_POLICY_BYTES} bytes"
        raise ConfigurationError(msg)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of more digits than Python converts
        msg = f"policy {name or ''}: not TOML: {error}"
        raise ConfigurationError(msg) from error
    return _Reading(name=name).policy(table)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One pass over a parsed policy that collects problems instead of stopping at the first."""

    name: str | None
    problems: list[str] = field(default_factory=list)

    def policy(self, table: dict[str, object]) -> Policy:
        name = self._text(table, "name", "") or self.name or ""
        found: dict[str, object] = {
            "name": name,
            "shadow_of": self._text(table, "shadow_of", "") if "shadow_of" in table else None,
            "evidence": self._choice(table, "evidence", EvidenceKind.ENCLAVE),
            "max_age_ms": self._duration(table, "max_age", DEFAULT_MAX_AGE_MS),
            "clock_skew_ms": self._duration(table, "clock_skew", DEFAULT_CLOCK_SKEW_MS),
            "nonce": self._choice(table, "nonce", NonceMode.REQUIRED),
            "debug": self._choice(table, "debug", DebugMode.REJECT),
            "mode": self._choice(table, "mode", MeasurementMode.IMAGE),
            "builds": self._builds(table, "build"),
            "shadows": self._builds(table, "shadow"),
            "denied": tuple(self._denied(entry, at) for at, entry in enumerate(self._tables(table, "deny"), 1)),
            "require": self._require(self._table(table, "require", "")),
        }
        self._finish(table, "")
        found_by_reader = tuple(f"policy {name}: {problem}" for problem in self.problems)
        try:
            policy = Policy(**found)  # type: ignore[arg-type]  # each value was made by the method for its key
        except ConfigurationError as error:
            raise ConfigurationError(*found_by_reader, *error.problems) from error
        if found_by_reader:
            raise ConfigurationError(*found_by_reader)
        return policy

    def _builds(self, table: dict[str, object], key: str) -> tuple[Build, ...]:
        return tuple(self._build(entry, key, at) for at, entry in enumerate(self._tables(table, key), 1))

    def _build(self, entry: dict[str, object], key: str, at: int) -> Build:
        where = f"{key} {at}: "
        build = Build(
            name=self._text(entry, "name", where) or f"{key}-{at}",
            pcrs=self._pcrs(entry, where),
            not_before=self._moment(entry, "not_before", where),
            not_after=self._moment(entry, "not_after", where),
        )
        self._finish(entry, where)
        return build

    def _denied(self, entry: dict[str, object], at: int) -> DeniedBuild:
        where = f"deny {at}: "
        denied = DeniedBuild(name=self._text(entry, "name", where) or f"deny-{at}", pcrs=self._pcrs(entry, where))
        self._finish(entry, where)
        return denied

    def _require(self, table: dict[str, object]) -> Requirements:
        user_data = self._table(table, "user_data", "require.") if "user_data" in table else None
        require = Requirements(
            pcr3_role_arn=self._texts(table, "pcr3_role_arn"),
            pcr4_instance_id=self._texts(table, "pcr4_instance_id"),
            pcr8=self._hexes(table, "pcr8", "require.", PCR_BYTES),
            public_key=self._key_rule(self._table(table, "public_key", "require.")) if "public_key" in table else None,
            user_data_sha256=None if user_data is None else self._user_data(user_data),
            known_fields_only=self._flag(table, "known_fields_only"),
        )
        self._finish(table, "require.")
        return require

    def _user_data(self, table: dict[str, object]) -> tuple[bytes, ...]:
        digests = self._hexes(table, "sha256", "require.user_data.", 32)
        self._finish(table, "require.user_data.")
        return digests or ()

    def _key_rule(self, table: dict[str, object]) -> PublicKeyRule:
        rule = PublicKeyRule(
            kind=self._choice(table, "kind", None, KeyKind),
            bits=self._integers(table, "bits"),
            curves=self._texts(table, "curves") or (),
            lengths=self._integers(table, "lengths"),
        )
        self._finish(table, "require.public_key.")
        return rule

    def _pcrs(self, entry: dict[str, object], where: str) -> Mapping[int, bytes]:
        pcrs: dict[int, bytes] = {}
        for key, value in self._table(entry, "pcrs", where).items():
            if not _INDEX.fullmatch(key):
                self.problems.append(f"{where}pcrs: {key!r} is not a PCR index such as 0")
            else:
                pcrs[int(key)] = self._hex(value, f"{where}PCR{key}", PCR_BYTES)
        return pcrs

    def _finish(self, table: dict[str, object], where: str) -> None:
        """Whatever was not taken out of the table is a key that nobody knows."""
        self.problems.extend(f"{where}unknown key {key!r}" for key in table)

    def _text(self, table: dict[str, object], key: str, where: str) -> str:
        value = table.pop(key, "")
        if isinstance(value, str):
            return value
        self.problems.append(f"{where}{key} must be text")
        return ""

    def _duration(self, table: dict[str, object], key: str, default: int) -> int:
        if key not in table:
            return default
        value = table.pop(key)
        try:
            return parse_duration(value if isinstance(value, str) else "a number without a unit")
        except ConfigurationError as error:
            self.problems.append(f"{key}: {error}")
            return default

    def _choice(
        self, table: dict[str, object], key: str, default: _Choice | None, kind: type[_Choice] | None = None
    ) -> _Choice:
        choices = kind if default is None else type(default)
        value = table.pop(key, default)
        for choice in cast("type[_Choice]", choices):
            if value == choice:
                return choice
        allowed = ", ".join(repr(str(choice)) for choice in cast("type[_Choice]", choices))
        self.problems.append(f"{key} must be one of {allowed}")
        return next(iter(cast("type[_Choice]", choices)))

    def _moment(self, table: dict[str, object], key: str, where: str) -> datetime | None:
        value = table.pop(key, None)
        if value is None or isinstance(value, datetime):
            return value
        self.problems.append(f"{where}{key} must be a date and time such as 2027-01-31T00:00:00Z, without quotes")
        return None

    def _flag(self, table: dict[str, object], key: str) -> bool:
        value = table.pop(key, False)
        if isinstance(value, bool):
            return value
        self.problems.append(f"require.{key} must be true or false")
        return False

    def _tables(self, table: dict[str, object], key: str) -> list[dict[str, object]]:
        value = table.pop(key, [])
        if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            return value
        self.problems.append(f"write [[{key}]] with two brackets: there may be several")
        return []

    def _table(self, table: dict[str, object], key: str, where: str) -> dict[str, object]:
        value = table.pop(key, {})
        if isinstance(value, dict):
            return value
        self.problems.append(f"{where}{key} must be a table")
        return {}

    def _texts(self, table: dict[str, object], key: str) -> tuple[str, ...] | None:
        if key not in table:
            return None
        value = table.pop(key)
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
        self.problems.append(f"require.{key} must be a list of texts")
        return None

    def _integers(self, table: dict[str, object], key: str) -> tuple[int, ...]:
        value = table.pop(key, [])
        if isinstance(value, list) and all(type(entry) is int for entry in value):
            return tuple(value)
        self.problems.append(f"require.public_key.{key} must be a list of integers")
        return ()

    def _hexes(self, table: dict[str, object], key: str, where: str, size: int) -> tuple[bytes, ...] | None:
        texts = self._texts(table, key)
        return None if texts is None else tuple(self._hex(text, f"{where}{key}", size) for text in texts)

    def _hex(self, value: object, where: str, size: int) -> bytes:
        """Read hex digits; when there are none, name that and go on with a value that nobody will complain about."""
        # bytes.fromhex() would also take blanks between digits.
        if isinstance(value, str) and re.fullmatch(r"(?:[0-9a-fA-F]{2})+", value):
            return bytes.fromhex(value)
        self.problems.append(f"{where} must be {2 * size} hex digits")
        return b"\x01" * size
