"""What is counted: prometheus-client, one registry for each application, every label from a closed set.

Children are bound when the application is made, because looking one up costs more than counting, and what each request
counts is added up first (``tallies``). Nothing that a client sends becomes a label: methods and statuses that are not
known are ``other``, paths are route templates.
"""

from __future__ import annotations

from http import HTTPMethod, HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from verifier.pipeline import Stage
from verifier.policy.freshness import FreshnessMode
from verifier.policy.shadows import ShadowChange
from verifier.reasons import Reason
from verifier.result import Affirmed, Verdict
from verifier.service.inventory import CacheCollector, InventoryCollector
from verifier.service.tallies import Spread, StageTimer, Tallies, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.pipeline import Verifier
    from verifier.policy.freshness import Freshness
    from verifier.result import AttestationResult, Claims
    from verifier.service.policyfiles import PolicySet

OTHER = "other"
ABORTED = "aborted"
"""The status of a request whose client went away."""
TIME_EVERY = 8
"""The stages of one appraisal in so many are timed, the first included: it takes as long as counting all the rest."""
NONCE_EVENTS = ("issued", "accepted", "expired", "replayed")
MAX_FORMER_POLICIES = 4096
"""Names of policies that are counted after those that were there at the start: each stays a series for good."""
SHED_LIMITS = ("in_flight", "connections", "idle", "deadline")

_STAGE_BUCKETS = (2e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2)
_USE_BUCKETS = (2.5e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.25, 0.5)
_REQUEST_BUCKETS = (2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1, 5, 10)
_AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 10800)
_SKEW_BUCKETS = (-30, -10, -3, -1, -0.3, -0.1, 0, 0.1, 0.3, 1, 3, 10, 30)

_METHODS = frozenset(HTTPMethod)
_STATUSES = {status.value: str(status.value) for status in HTTPStatus}
_NO_REASONS: frozenset[Reason] = frozenset()
_NONCE_ISSUED_MS = slice(2, 8)
"""Where a nonce of ours says when it was issued."""


class Metrics:
    """Every metric of one application."""

    def __init__(self, policies: PolicySet, verifier: Verifier, *, version: str) -> None:
        """Make the metrics for these policies, and anchors that stay."""
        self.registry = CollectorRegistry()
        self.tallies = Tallies()
        self.registry.register(self.tallies)
        self.exposed = self.registry
        """What a scrape reads; with several processes, all that they have counted together."""
        self._inventory = InventoryCollector(policies, verifier, version=version)
        # Those of this process alone, and those that are the same in every process of a service.
        cache, process = CacheCollector(verifier), ProcessCollector(registry=self.registry)
        self.own = (cache, process, GCCollector(registry=self.registry))
        self.common = (self._inventory, PlatformCollector(registry=self.registry))
        self.registry.register(cache)
        self.registry.register(self._inventory)
        self._appraisals = self._counter("appraisals", "Appraisals by verdict.", "verdict", "policy")
        self._historical = self._counter(
            "historical_appraisals",
            "Appraisals as of a chosen time, which nothing else here counts.",
            "verdict",
            "policy",
        )
        self._shadows = self._counter(
            "shadow_outcomes", "What shadows would have made of verdicts.", "policy", "outcome"
        )
        self._explanations = self._counter("explanations", "Documents explained.", "policy")
        self._reasons = self._counter("appraisal_reasons", "Reasons for rejecting.", "reason", "policy")
        self._stages = self._histogram("appraisal_stage_seconds", "Time in each stage.", _STAGE_BUCKETS, "stage")
        self._nonces = self._counter("nonces", "Nonces by what became of them.", "event")
        self._age = self.tallies.spread(
            self._histogram("document_age_seconds", "Age of authentic documents.", _AGE_BUCKETS)
        )
        self.single_use = self.tallies.spread(
            self._histogram("single_use_seconds", "Time to write nonces that were used, in each write.", _USE_BUCKETS)
        )
        skew = "The NSM's clock less ours, at least; 0 where both agree."
        self._skew = self.tallies.spread(self._histogram("clock_skew_seconds", skew, _SKEW_BUCKETS))
        self.in_flight = self._gauge("in_flight", "Requests being served.")
        self.connections = self._gauge("connections", "Connections open.")
        self._gauge("workers", "Processes that serve.").set(1)
        self._shed = self._counter("shed", "Requests and connections turned away, by limit.", "limit")
        self._requests = self._counter("http_requests", "Requests.", "route", "method", "status")
        self._request_seconds = self._histogram("http_request_seconds", "Time to answer.", _REQUEST_BUCKETS, "route")
        self.bugs = self._counter("bugs", "Unexpected exceptions: each is a defect of this software.")
        self.log_failures = self._counter("log_failures", "Log lines that could not be written.")
        self._bind()
        self._most_policies = len(policies.by_name) + MAX_FORMER_POLICIES
        self.take_policies(policies)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="nitro_verifier", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(
            name, text, labels, namespace="nitro_verifier", registry=self.registry, multiprocess_mode="livesum"
        )

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace="nitro_verifier", registry=self.registry, buckets=buckets)

    def _bind(self) -> None:
        """Make every child there can be on the hot path; those that alerts look at then exist before they count."""
        self._named: set[str] = set()
        self._affirmed_of: dict[str, Tally] = {}
        self._rejected_of: dict[str, Tally] = {}
        self._shadow_of: dict[tuple[str, ShadowChange], Counter] = {}
        self._reason_of: dict[tuple[Reason, str], Counter] = {}
        self._stage_of = {stage: self.tallies.spread(self._stages.labels(stage=stage.value)) for stage in Stage}
        self._until_timed = 1
        self._nonce_of = {event: self.tallies.count(self._nonces.labels(event=event)) for event in NONCE_EVENTS}
        self._shed_of = {limit: self._shed.labels(limit=limit) for limit in SHED_LIMITS}
        self._request_of: dict[tuple[str, str, int | None], Tally] = {}
        self._seconds_of: dict[str, Spread] = {}

    def take_policies(self, policies: PolicySet) -> None:
        """Show these policies as those in force, and be ready to count for them before the first request is.

        Counters of policies that are gone stay, as counters must. Beyond a bound all further names are one.
        """
        for policy in policies.by_name.values():
            name = policy.name if len(self._named) < self._most_policies else self._label(policy.name)
            if name not in self._named:
                self._bind_policy(name)
            if policy.shadows or policy.shadow_of is not None:
                for change in ShadowChange:
                    self._shadow_of[name, change] = self._shadows.labels(policy=name, outcome=change.value)
        self._inventory.policies = policies

    def _bind_policy(self, name: str) -> None:
        self._named.add(name)
        for verdict, tally_of in ((Verdict.AFFIRMED, self._affirmed_of), (Verdict.REJECTED, self._rejected_of)):
            tally_of[name] = self.tallies.count(self._appraisals.labels(verdict=verdict.value, policy=name))

    def _label(self, policy: str) -> str:
        return policy if policy in self._named else OTHER

    def count_result(self, result: AttestationResult, policy: str) -> None:
        """Count one appraisal and what it says about nonces and clocks; a historical one says nothing about them."""
        policy = self._label(policy)
        if result.historical:
            self._historical.labels(verdict=result.verdict.value, policy=policy).inc()
            return
        for outcome in result.shadows:
            self._shadow_of[self._label(outcome.policy), outcome.change].inc()
        if isinstance(result, Affirmed):
            self._affirmed_of[policy].count += 1
            self._count_times(result.claims, result.freshness, _NO_REASONS, affirmed=True)
            return
        self._rejected_of[policy].count += 1
        reasons = frozenset(result.reasons)
        for reason in reasons:
            self._count_reason(reason, policy)
        if result.unaffirmed_claims is not None and result.freshness is not None:
            self._count_times(result.unaffirmed_claims, result.freshness, reasons, affirmed=False)

    def _count_times(self, claims: Claims, freshness: Freshness, reasons: frozenset[Reason], *, affirmed: bool) -> None:
        age_ms, issued = freshness.age_ms, None
        self._age.observe(max(age_ms, 0) / 1000)
        if freshness.mode is FreshnessMode.SERVICE_NONCE and claims.nonce is not None:
            self._count_nonce(reasons, affirmed=affirmed)
            if affirmed or Reason.FRESHNESS_DOCUMENT_PREDATES_NONCE in reasons:
                issued = int.from_bytes(claims.nonce[_NONCE_ISSUED_MS])
        # How far the NSM's clock must be off: it signed after the nonce was issued and before now.
        if age_ms < 0:
            self._skew.observe(-age_ms / 1000)
        elif issued is not None:
            self._skew.observe(min(int(claims.timestamp.timestamp() * 1000) - issued, 0) / 1000)

    def _count_reason(self, reason: Reason, policy: str) -> None:
        # Bound when first met: most of the reasons are never met under most of the policies.
        child = self._reason_of.get((reason, policy))
        if child is None:
            child = self._reason_of[reason, policy] = self._reasons.labels(reason=reason.value, policy=policy)
        child.inc()

    def _count_nonce(self, reasons: frozenset[Reason], *, affirmed: bool) -> None:
        if affirmed:
            self._nonce_of["accepted"].count += 1
        elif Reason.FRESHNESS_NONCE_EXPIRED in reasons:
            self._nonce_of["expired"].count += 1
        elif Reason.FRESHNESS_NONCE_REPLAYED in reasons:
            self._nonce_of["replayed"].count += 1

    def count_explanation(self, policy: str) -> None:
        """Count a document that was explained, which is no appraisal."""
        self._explanations.labels(policy=policy).inc()

    def count_nonce_issued(self) -> None:
        """Count a nonce that was handed out."""
        self._nonce_of["issued"].count += 1

    def count_shed(self, limit: str) -> None:
        """Count a request or a connection turned away; ``limit`` is one of ``SHED_LIMITS``."""
        self._shed_of[limit].inc()

    def count_request(self, route: str, method: str, status: int | None, seconds: float) -> None:
        """Count an answer, or with no status a client that went away; ``route`` is a template, never a path."""
        tally = self._request_of.get((route, method, status)) or self._bind_request(route, method, status)
        tally.count += 1
        spread = self._seconds_of.get(route)
        if spread is None:
            spread = self._seconds_of[route] = self.tallies.spread(self._request_seconds.labels(route=route))
        spread.observe(seconds)

    def _bind_request(self, route: str, method: str, status: int | None) -> Tally:
        # Bounded: templates times known methods times known statuses.
        key = (route, method if method in _METHODS else OTHER, status)
        tally = self._request_of.get(key)
        if tally is None:
            text = ABORTED if status is None else _STATUSES.get(status, OTHER)
            tally = self.tallies.count(self._requests.labels(route=route, method=key[1], status=text))
            self._request_of[key] = tally
        return tally

    def stage_timer(self) -> Callable[[Stage], None] | None:
        """Begin timing the stages of one appraisal; only one in ``TIME_EVERY`` really is."""
        self._until_timed -= 1
        if self._until_timed:
            return None
        self._until_timed = TIME_EVERY
        return StageTimer(self._stage_of)
