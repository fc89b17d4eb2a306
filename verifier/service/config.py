"""Settings: the options understood, with everything they point to read and checked.

``load_settings`` opens every file before any port is opened and names all that is wrong at once. What it returns needs
no further checks.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from verifier.nonces import MAX_TTL_S, MIN_TTL_S, Keyring, NonceKey, ephemeral_keyring
from verifier.pipeline import Verifier
from verifier.policy.model import DebugMode
from verifier.policy.reader import MAX_POLICY_BYTES, holds_policy, parse_duration, read_policy
from verifier.policy.shadows import arrange_shadows
from verifier.reasons import ConfigurationError
from verifier.service.keyfiles import read_key_file
from verifier.service.options import AnchorOption, NonceKeyOption, NonceKeysOption, Options, merge_options
from verifier.service.signing import Signer, load_signer
from verifier.trust.anchors import TrustAnchor, bundled_anchor, load_anchor
from verifier.trust.ecdsa import EngineName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.policy.model import Policy

SPARE_FILES = 64
"""Open files that are not connections: the listener, logs, policies being read, the guard's state."""
MAX_ANCHOR_BYTES = 64 * 1024

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may take from the others; times in seconds."""

    max_in_flight: int
    max_connections: int
    header_timeout: float
    body_timeout: float
    keepalive_timeout: float
    shutdown_delay: float
    shutdown_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the service needs, right by construction."""

    host: str
    port: int
    reuse_port: bool
    policies: Mapping[str, Policy]
    default_policy: str | None
    anchors: tuple[TrustAnchor, ...]
    engine: EngineName | None
    path_cache: int
    """How many verified paths are remembered; 0 turns the cache off."""
    audience: str
    nonce_ttl: int
    """Seconds a nonce lives unless the request says otherwise."""
    keyring: Keyring
    signer: Signer | None
    """Who signs results; ``None`` when nobody does."""
    historical: bool
    """Whether a request may choose the time of verification."""
    state: Path | None
    """The single-use guard's file; ``None`` when single use is off."""
    limits: Limits
    log_level: str
    warnings: tuple[str, ...]
    """What is allowed but worth a line in the log."""


def load_settings(
    *,
    file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Load the configuration: command line over environment over file.

    Args:
        file: a TOML file; without one, what ``NITRO_VERIFIER_CONFIG`` names, if it does.
        environ: of which variables beginning with ``NITRO_VERIFIER_`` are options; none by default.
        overrides: options by name, as given on the command line; ``None`` means not given.

    Raises:
        ConfigurationError: with every mistake in the options and in all files they name.
    """
    environ = environ or {}
    file = file or environ.get("NITRO_VERIFIER_CONFIG") or None
    options, problems = merge_options(None if file is None else Path(file), environ, overrides or {})
    return _Loading(options=options, problems=problems).settings()


def policy_files(folder: Path) -> list[Path]:
    """List the files that hold policies, in the order of their names."""
    return sorted(path for path in folder.glob("*.toml") if holds_policy(path.name))


@dataclass(slots=True, kw_only=True)
class _Loading:
    """One pass over the options that collects problems instead of stopping at the first."""

    options: Options
    problems: list[str]
    warnings: list[str] = field(default_factory=list)

    def settings(self) -> Settings:
        options = self.options
        policies = self._policies()
        anchors = self._anchors()
        settings = Settings(
            host=options.host,
            port=options.port,
            reuse_port=options.reuse_port,
            policies=policies,
            default_policy=self._default_policy(policies),
            anchors=anchors,
            engine=self._engine(anchors),
            path_cache=options.path_cache,
            audience=options.audience,
            nonce_ttl=self._nonce_ttl(),
            keyring=self._keyring(options.nonce_keys),
            signer=self._try(lambda: load_signer(options, self.warnings)),
            historical=options.historical == "allow",
            state=self._state(),
            limits=self._limits(),
            log_level=options.log_level,
            warnings=tuple(self.warnings),
        )
        if self.problems:
            raise ConfigurationError(*self.problems)
        return settings

    def _try(self, make: Callable[[], _Value]) -> _Value | None:
        """Make a value, or note every problem with it."""
        try:
            return make()
        except ConfigurationError as error:
            self.problems.extend(error.problems)
        return None

    def _read(self, path: Path, limit: int) -> bytes:
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

    def _policies(self) -> dict[str, Policy]:
        if not self.options.policies:
            self.problems.append("policies: name the directory that holds the policies (*.toml)")
            return {}
        folder = Path(self.options.policies)
        files = policy_files(folder)
        if not files:
            self.problems.append(f"policies: {folder} is not a directory with *.toml files in it")
        policies: dict[str, Policy] = {}
        for path in files:
            policy = self._try(lambda path=path: self._policy(path))  # type: ignore[misc]
            if policy is not None and policies.setdefault(policy.name, policy) is not policy:
                self.problems.append(f"{path}: another file holds a policy of the name {policy.name!r} already")
        self._try(lambda: arrange_shadows(policies))
        self.warnings.extend(
            f"policy {name}: debug mode is allowed, so hosts can read what affirmed enclaves print; not for production"
            for name, policy in policies.items()
            if policy.debug is DebugMode.ALLOW
        )
        return policies

    def _policy(self, path: Path) -> Policy:
        try:
            text = self._read(path, MAX_POLICY_BYTES).decode("utf-8-sig")  # Windows begins files with a mark
        except UnicodeDecodeError as error:
            msg = f"{path}: not UTF-8"
            raise ConfigurationError(msg) from error
        return read_policy(text, name=path.stem)

    def _default_policy(self, policies: Mapping[str, Policy]) -> str | None:
        name = self.options.default_policy
        if name is not None and name not in policies:
            self.problems.append(f"default_policy: there is no policy {name!r}")
        elif name is not None and policies[name].shadow_of is not None:
            self.problems.append(f"default_policy: {name!r} is a shadow policy, which decides nothing")
        return name

    def _anchors(self) -> tuple[TrustAnchor, ...]:
        bundled = (bundled_anchor(),) if self.options.bundled_anchor else ()
        loaded = [self._try(lambda option=option: self._anchor(option)) for option in self.options.anchors]  # type: ignore[misc]
        return (*bundled, *(anchor for anchor in loaded if anchor is not None))

    def _anchor(self, option: AnchorOption) -> TrustAnchor:
        return load_anchor(self._read(Path(option.file), MAX_ANCHOR_BYTES), name=option.name, sha256=option.sha256)

    def _engine(self, anchors: tuple[TrustAnchor, ...]) -> EngineName | None:
        name = None if self.options.engine is None else EngineName(self.options.engine)
        if anchors or not self.options.anchors:
            self._try(lambda: Verifier(anchors=anchors, engine=name))  # it knows best what it needs
        return name

    def _nonce_ttl(self) -> int:
        ttl = self._seconds("nonce_ttl")
        if not (MIN_TTL_S <= ttl <= MAX_TTL_S and ttl.is_integer()):
            self.problems.append(f"nonce_ttl: whole seconds from {MIN_TTL_S}s to {MAX_TTL_S}s")
        return int(ttl)

    def _keyring(self, option: NonceKeysOption | None) -> Keyring:
        if option is None:
            return ephemeral_keyring()
        keys = {name: self._key(getattr(option, name)) for name in ("current", "next", "previous")}
        current = keys["current"]
        if current is None:
            return ephemeral_keyring()  # never used: the problem is noted
        made = self._try(lambda: Keyring(current=current, next=keys["next"], previous=keys["previous"]))
        return made or ephemeral_keyring()

    def _key(self, option: NonceKeyOption | None) -> NonceKey | None:
        return None if option is None else self._try(lambda: read_key_file(option.id, Path(option.file), self.warnings))

    def _state(self) -> Path | None:
        embedded, state = self.options.single_use == "embedded", self.options.state
        if embedded and not state:
            self.problems.append('single_use: "embedded" needs state, the path of the file that remembers used nonces')
        if state and not embedded:
            self.problems.append('state: single_use is "off"; say single_use = "embedded" to use it')
        if not (embedded and state):
            return None
        path = Path(state)
        if not path.parent.is_dir():
            self.problems.append(f"state: {path.parent} is not a directory")
        return path

    def _limits(self) -> Limits:
        needed = self.options.max_connections + SPARE_FILES
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if resource.RLIM_INFINITY != hard < needed:
            self.problems.append(f"max_connections: needs {needed} open files, and the system's hard limit is {hard}")
        return Limits(
            max_in_flight=self.options.max_in_flight,
            max_connections=self.options.max_connections,
            header_timeout=self._timeout("header_timeout"),
            body_timeout=self._timeout("body_timeout"),
            keepalive_timeout=self._timeout("keepalive_timeout"),
            shutdown_delay=self._seconds("shutdown_delay"),
            shutdown_timeout=self._seconds("shutdown_timeout"),
        )

    def _timeout(self, name: str) -> float:
        seconds = self._seconds(name)
        if not seconds:
            self.problems.append(f"{name}: must be more than 0s")
        return seconds

    def _seconds(self, name: str) -> float:
        try:
            return parse_duration(getattr(self.options, name)) / 1000
        except ConfigurationError as error:
            self.problems.extend(f"{name}: {problem}" for problem in error.problems)
            return 1.0
