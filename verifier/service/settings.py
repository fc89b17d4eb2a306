"""Settings: what the service was told, as values that are right by construction; only ``config`` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from verifier.nonces import Keyring
    from verifier.policy.model import Policy
    from verifier.service.options import Options
    from verifier.service.signing import Signer
    from verifier.trust.anchors import TrustAnchor
    from verifier.trust.ecdsa import EngineName


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
class Addresses:
    """Where the service listens: at one of these at least."""

    host: str
    port: int
    tcp: bool
    reuse_port: bool
    unix_socket: Path | None
    unix_socket_mode: int
    vsock_port: int | None
    vsock_cid: int
    """Which of this machine's own addresses is listened at; who calls is not chosen by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the options came from, so that they can be read again, and what they were."""

    file: Path | None
    environ: Mapping[str, str]
    overrides: Mapping[str, object]
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the service needs, right by construction."""

    addresses: Addresses
    workers: int
    source: Source
    policy_folder: Path
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
    inspector: bool
    """Whether browsers get the inspector page."""
    state: Path | None
    """The single-use guard's file; ``None`` when single use is off."""
    limits: Limits
    log_level: str
    reload_interval: float
    """Seconds between two looks at what can be reloaded; 0 when nobody looks unless told to."""
    warnings: tuple[str, ...]
    """What is allowed but worth a line in the log."""
