"""What became of reloads: for ``/readyz`` and for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from prometheus_client import CollectorRegistry

POLICIES, NONCE_KEYS, SIGNING_KEYS = "policies", "nonce-keys", "signing-keys"
"""What can be reloaded."""

Outcome = Literal["loaded", "failed", "unchanged"]


@dataclass(slots=True, kw_only=True)
class Status:
    """What is in force of one thing, since when, and whether what is on the disk now was refused."""

    live: str
    since: datetime
    last_reload: Literal["none", "ok", "failed"] = "none"


class ReloadMetrics:
    """What is counted of reloads."""

    def __init__(self, registry: CollectorRegistry, statuses: Mapping[str, Status]) -> None:
        """Count for a fixed set of things, and show what is in force of each."""
        self._outcomes = Counter(
            "reloads", "Reloads by outcome.", ["item", "outcome"], namespace="nitro_verifier", registry=registry
        )
        # Of several processes, one that failed and one that lags behind must be seen.
        self._failed = Gauge(
            "reload_failed",
            "1 while what is on the disk was refused and what was loaded before is in force.",
            ["item"],
            namespace="nitro_verifier",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._since = Gauge(
            "reload_timestamp_seconds",
            "When what is in force was loaded.",
            ["item"],
            namespace="nitro_verifier",
            registry=registry,
            multiprocess_mode="livemin",
        )
        for item, status in statuses.items():
            for outcome in get_args(Outcome):
                self._outcomes.labels(item=item, outcome=outcome)
            self._show(item, status)

    def count(self, item: str, outcome: Outcome, status: Status) -> None:
        """Count one outcome, and show what it led to."""
        self._outcomes.labels(item=item, outcome=outcome).inc()
        self._show(item, status)

    def _show(self, item: str, status: Status) -> None:
        self._failed.labels(item=item).set(status.last_reload == "failed")
        self._since.labels(item=item).set(status.since.timestamp())
