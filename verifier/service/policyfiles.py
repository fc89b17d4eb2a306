"""Policies from a folder: every file of it that holds one, read and checked, or none of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from verifier.policy.model import DebugMode
from verifier.policy.reader import MAX_POLICY_BYTES, holds_policy, read_policy
from verifier.policy.shadows import arrange_shadows
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from verifier.policy.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """The policies that are in force together, and the one for requests that name none."""

    by_name: Mapping[str, Policy]
    default: str | None
    shadows: Mapping[str, tuple[Policy, ...]] = field(init=False)
    """By the name of the policy that they shadow."""
    sha256: str = field(init=False)
    """Digest of the lines ``<sha256>  <name>``, sorted by name, as ``sha256sum`` writes them."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together, and take a copy that nobody can change."""
        enforced, shadows = arrange_shadows(self.by_name)
        if self.default is not None and self.default not in enforced:
            msg = f"default_policy: there is no policy {self.default!r} that is in force"
            raise ConfigurationError(msg)
        ordered = dict(sorted(self.by_name.items()))
        lines = "".join(f"{policy.sha256}  {name}\n" for name, policy in ordered.items())
        object.__setattr__(self, "by_name", MappingProxyType(ordered))
        object.__setattr__(self, "shadows", MappingProxyType(shadows))
        object.__setattr__(self, "sha256", hashlib.sha256(lines.encode()).hexdigest())

    @property
    def label(self) -> str:
        """What logs and ``/readyz`` call this version of them."""
        return f"sha256:{self.sha256}"


def policy_files(folder: Path) -> list[Path]:
    """List the files that hold policies, in the order of their names; a folder that is not there holds none."""
    return sorted(path for path in folder.glob("*.toml") if holds_policy(path.name))


def read_policies(folder: Path) -> dict[str, Policy]:
    """Read every policy of a folder.

    Raises:
        ConfigurationError: with everything that is wrong in any of its files, or there are none.
    """
    policies, problems = scan_policies(folder)
    if problems:
        raise ConfigurationError(*problems)
    return policies


def scan_policies(folder: Path) -> tuple[dict[str, Policy], list[str]]:
    """Read the policies of a folder that are good, and give a sentence for everything that is not."""
    files = policy_files(folder)
    problems = [] if files else [f"policies: {folder} is not a directory with *.toml files in it"]
    policies: dict[str, Policy] = {}
    for path in files:
        try:
            policy = _read_policy(path)
        except ConfigurationError as error:
            problems.extend(error.problems)
            continue
        if policies.setdefault(policy.name, policy) is not policy:
            problems.append(f"{path}: another file holds a policy of the name {policy.name!r} already")
    return policies, problems


def warn_of(policies: Mapping[str, Policy]) -> Iterator[str]:
    """Say what is allowed but worth a line in the log."""
    for name, policy in policies.items():
        if policy.debug is DebugMode.ALLOW:
            yield (
                f"policy {name}: debug mode is allowed, so hosts can read what affirmed enclaves print; "
                "not for production"
            )


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a file of at most ``limit`` bytes.

    Raises:
        ConfigurationError: it cannot be read, or is longer.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise ConfigurationError(msg) from error
    if len(data) > limit:
        msg = f"{path}: longer than {limit} bytes"
        raise ConfigurationError(msg)
    return data


def _read_policy(path: Path) -> Policy:
    try:
        text = read_bounded(path, MAX_POLICY_BYTES).decode("utf-8-sig")  # Windows begins files with a mark
    except UnicodeDecodeError as error:
        msg = f"{path}: not UTF-8"
        raise ConfigurationError(msg) from error
    try:
        return read_policy(text, name=path.stem)
    except ConfigurationError as error:  # it names the policy, which its file need not be called after
        raise ConfigurationError(*(f"{path}: {problem}" for problem in error.problems)) from error
