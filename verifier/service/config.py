"""Loading the settings: the options understood, with everything they point to read and checked.

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
from verifier.policy.reader import parse_duration
from verifier.policy.shadows import arrange_shadows
from verifier.reasons import ConfigurationError
from verifier.service.cores import count_cores
from verifier.service.keyfiles import read_key_file
from verifier.service.options import (
    ENVIRONMENT_PREFIX,
    AnchorOption,
    NonceKeyOption,
    NonceKeysOption,
    Options,
    merge_options,
)
from verifier.service.policyfiles import read_bounded, scan_policies, warn_of
from verifier.service.settings import Addresses, Limits, Settings, Source
from verifier.service.signing import load_signer
from verifier.trust.anchors import TrustAnchor, bundled_anchor, load_anchor
from verifier.trust.ecdsa import EngineName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.policy.model import Policy

SPARE_FILES = 64
"""Open files that are not connections: the listener, logs, policies being read, the guard's state."""
MAX_ANCHOR_BYTES = 64 * 1024
MIN_RELOAD_INTERVAL_S = 0.1
"""Looking more often would find changes that have not settled, and use up the time of requests."""

_Value = TypeVar("_Value")


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
    environ = {name: text for name, text in (environ or {}).items() if name.startswith(ENVIRONMENT_PREFIX)}
    file = file or environ.get("NITRO_VERIFIER_CONFIG") or None
    path = None if file is None else Path(file)
    options, problems = merge_options(path, environ, overrides or {})
    source = Source(file=path, environ=environ, overrides=dict(overrides or {}), options=options)
    return _Loading(options=options, problems=problems).settings(source)


def read_keyring(option: NonceKeysOption, warnings: list[str]) -> Keyring:
    """Read the nonce keys.

    Raises:
        ConfigurationError: with everything that is wrong with any of them.
    """
    loading = _Loading(options=Options(), problems=[], warnings=warnings)
    keyring = loading.keyring(option)
    if loading.problems:
        raise ConfigurationError(*loading.problems)
    return keyring


@dataclass(slots=True, kw_only=True)
class _Loading:
    """One pass over the options that collects problems instead of stopping at the first."""

    options: Options
    problems: list[str]
    warnings: list[str] = field(default_factory=list)

    def settings(self, source: Source) -> Settings:
        options = self.options
        policies = self._policies()
        anchors = self._anchors()
        settings = Settings(
            addresses=self._addresses(),
            workers=count_cores() if options.workers == "auto" else options.workers,
            source=source,
            policy_folder=Path(options.policies),
            policies=policies,
            default_policy=self._default_policy(policies),
            anchors=anchors,
            engine=self._engine(anchors),
            path_cache=options.path_cache,
            audience=options.audience,
            nonce_ttl=self._nonce_ttl(),
            keyring=self.keyring(options.nonce_keys),
            signer=self._try(lambda: load_signer(options, self.warnings)),
            historical=options.historical == "allow",
            inspector=options.inspector == "on",
            state=self._state(),
            limits=self._limits(),
            log_level=options.log_level,
            reload_interval=self._reload_interval(),
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

    def _addresses(self) -> Addresses:
        options = self.options
        if not options.tcp and not options.unix_socket and options.vsock_port is None:
            self.problems.append("tcp: without it, name a unix_socket or a vsock_port to listen at")
        return Addresses(
            host=options.host,
            port=options.port,
            tcp=options.tcp,
            reuse_port=options.reuse_port,
            unix_socket=Path(options.unix_socket) if options.unix_socket else None,
            unix_socket_mode=int(options.unix_socket_mode, 8),
            vsock_port=options.vsock_port,
            vsock_cid=options.vsock_cid,
        )

    def _policies(self) -> Mapping[str, Policy]:
        if not self.options.policies:
            self.problems.append("policies: name the directory that holds the policies (*.toml)")
            return {}
        policies, problems = scan_policies(Path(self.options.policies))
        self.problems.extend(problems)
        self._try(lambda: arrange_shadows(policies))
        self.warnings.extend(warn_of(policies))
        return policies

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
        return load_anchor(read_bounded(Path(option.file), MAX_ANCHOR_BYTES), name=option.name, sha256=option.sha256)

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

    def keyring(self, option: NonceKeysOption | None) -> Keyring:
        """Make the keyring, or note what is wrong with it."""
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

    def _reload_interval(self) -> float:
        seconds = self._seconds("reload_interval")
        if 0 < seconds < MIN_RELOAD_INTERVAL_S:
            self.problems.append("reload_interval: at least 100ms, or 0s to look only when told to")
        return seconds

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
