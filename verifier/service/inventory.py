"""What this process holds, as metrics read at every scrape: policies, trust anchors, the path cache, the build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from verifier.pipeline import Verifier
    from verifier.service.policyfiles import PolicySet

_PREFIX = "nitro_verifier_"


class CacheCollector(Collector):
    """Describes a verifier's cache of verified paths at every scrape."""

    def __init__(self, verifier: Verifier) -> None:
        """Describe the cache of ``verifier``."""
        self._verifier = verifier

    def describe(self) -> Iterable[Metric]:
        """Name the metrics, so that the registry can refuse twins."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Give what the cache has counted, and what it holds."""
        counts = self._verifier.cache.counts()
        for event in ("hits", "misses", "evictions"):
            family = CounterMetricFamily(f"{_PREFIX}path_cache_{event}", f"Verified paths: {event}.", labels=["half"])
            for half, count in counts.items():
                family.add_metric([half], getattr(count, event))
            yield family
        entries = GaugeMetricFamily(f"{_PREFIX}path_cache_entries", "Verified paths held.", labels=["half"])
        for half, count in counts.items():
            entries.add_metric([half], count.entries)
        yield entries


class InventoryCollector(Collector):
    """Describes policies, trust anchors and the build at every scrape."""

    def __init__(self, policies: PolicySet, verifier: Verifier, *, version: str) -> None:
        """Describe ``policies``, until others are put in their place, and ``verifier`` as they are at each scrape."""
        self.policies = policies
        self._verifier = verifier
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Give every metric of what is held."""
        yield _gauge("policies_info", "The set of policies in force: 1.", {"sha256": self.policies.sha256}, 1)
        yield from self._policy_metrics()
        yield from self._anchor_metrics()
        yield _gauge(
            "build_info", "This build: 1.", {"version": self._version, "engine": self._verifier.engine.value}, 1
        )

    def describe(self) -> Iterable[Metric]:
        """Name the metrics, so that the registry can refuse twins."""
        return self.collect()

    def _policy_metrics(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            f"{_PREFIX}policy_info", "Policies in force: 1 for each.", labels=["policy", "sha256", "nonce", "debug"]
        )
        builds = GaugeMetricFamily(f"{_PREFIX}policy_builds", "Builds that a policy trusts.", labels=["policy"])
        end = GaugeMetricFamily(
            f"{_PREFIX}policy_not_after_timestamp_seconds",
            "When a policy's last build ends to be trusted; absent where one is trusted without end.",
            labels=["policy"],
        )
        for name, policy in self.policies.by_name.items():
            if policy.shadow_of is not None:
                continue
            info.add_metric([name, policy.sha256, policy.nonce.value, policy.debug.value], 1)
            builds.add_metric([name], len(policy.builds))
            ends = [build.not_after for build in policy.builds]
            known = [moment for moment in ends if moment is not None]
            if len(known) == len(ends):
                end.add_metric([name], max(known).timestamp())
        yield from (info, builds, end)

    def _anchor_metrics(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(f"{_PREFIX}trust_anchor_info", "Trust anchors: 1 each.", labels=["anchor", "sha256"])
        end = GaugeMetricFamily(
            f"{_PREFIX}trust_anchor_not_after_timestamp_seconds", "When a trust anchor expires.", labels=["anchor"]
        )
        for anchor in self._verifier.anchors:
            info.add_metric([anchor.name, anchor.sha256], 1)
            end.add_metric([anchor.name], anchor.certificate.not_after)
        yield from (info, end)


def _gauge(name: str, text: str, labels: Mapping[str, str], value: float) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
