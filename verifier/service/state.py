"""What one process serves with: settings turned into a verifier, its nonces, its guard, its counters and its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from verifier.history import time_of_verification
from verifier.nonces import GuardUnavailableError, NonceService
from verifier.pipeline import Verifier
from verifier.reasons import ConfigurationError
from verifier.service.guard import EmbeddedGuard
from verifier.service.intake import Intake
from verifier.service.keyfiles import label_keys
from verifier.service.logs import Log, make_logger
from verifier.service.metrics import Metrics
from verifier.service.policyfiles import PolicySet
from verifier.service.problems import ProblemError, ProblemType
from verifier.service.reload_status import NONCE_KEYS, POLICIES, SIGNING_KEYS, ReloadMetrics, Status
from verifier.service.selftest import SelfTest
from verifier.service.signing import label_signer
from verifier.service.uses import Uses
from verifier.trust.cache import PathCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.history import ChosenTime
    from verifier.nonces import Keyring
    from verifier.policy.model import Policy
    from verifier.service.settings import Settings
    from verifier.service.shortcut import Shortcut
    from verifier.service.signing import Signer

SELF_TEST_EVERY = timedelta(seconds=10)
"""Probes come more often than that from several sides; each run costs about ten signatures."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True, eq=False)
class Service:
    """The state of one process; made by ``make_service``."""

    settings: Settings
    signer: Signer | None
    """Replaced as a whole when keys are reloaded; a request takes it once."""
    policy_set: PolicySet
    """What is in force now; whoever needs it twice for one answer takes it once."""
    verifier: Verifier
    nonces: NonceService
    guard: EmbeddedGuard | None
    uses: Uses
    intake: Intake
    metrics: Metrics
    log: Log
    now: Callable[[], datetime]
    self_test: SelfTest
    version: str
    reloads: dict[str, Status]
    reload_metrics: ReloadMetrics
    draining: bool = False
    in_flight: int = 0
    newcomers: int = 0
    """Connections whose first request has yet to come."""
    shortcut: Shortcut | None = None
    """The short way for requests, once there is an application."""
    _tested: tuple[datetime, bool] | None = None

    @property
    def policies(self) -> Mapping[str, Policy]:
        """The policies by name."""
        return self.policy_set.by_name

    @property
    def shadows(self) -> Mapping[str, tuple[Policy, ...]]:
        """The policies that shadow one, by the name of that one."""
        return self.policy_set.shadows

    def take_policies(self, policies: PolicySet) -> None:
        """Put other policies in force; a request that has found its policy keeps it."""
        self.metrics.take_policies(policies)
        self.policy_set = policies

    def take_keyring(self, keyring: Keyring) -> None:
        """Put other nonce keys in force."""
        self.nonces.keyring = keyring

    def take_signer(self, signer: Signer) -> None:
        """Sign with other keys from now on."""
        self.signer = signer

    def find_policy(self, name: str | None) -> Policy:
        """Give the policy that a request names, or the configured default.

        Raises:
            ProblemError: no name and no default, or no policy of that name.
        """
        wanted = self.policy_set.default if name is None else name
        if wanted is None:
            raise ProblemError(ProblemType.POLICY_MISSING, "name the policy to appraise by")
        policy = self.look_up(wanted)
        if policy.shadow_of is not None:
            raise ProblemError(ProblemType.UNKNOWN_POLICY, "a shadow policy decides nothing: name the one it shadows")
        return policy

    def look_up(self, name: str) -> Policy:
        """Give any policy, shadows too, for looking at.

        Raises:
            ProblemError: there is none of that name.
        """
        policy = self.policies.get(name)
        if policy is None:
            raise ProblemError(ProblemType.UNKNOWN_POLICY, "GET /v1/policies lists those that there are")
        return policy

    def time_of(self, document: bytes, chosen: ChosenTime | None) -> tuple[datetime, bool]:
        """Give the time of verification, and whether it is historical; without a chosen one it is now.

        Raises:
            ProblemError: a time was chosen, and the configuration does not allow that.
        """
        now = self.now()
        if chosen is None:
            return now, False
        if not self.settings.historical:
            raise ProblemError(ProblemType.HISTORICAL_NOT_ALLOWED, 'leave out at, or configure historical = "allow"')
        return time_of_verification(document, chosen, otherwise=now), True

    def checks(self) -> dict[str, bool]:
        """Give what readiness rests on, by name."""
        now = self.now()
        if self._tested is None or not timedelta(0) <= now - self._tested[0] < SELF_TEST_EVERY:
            self._tested = (now, self.self_test.passes())
        return {
            "self-test": self._tested[1],
            "policies": bool(self.policies),
            "guard": self._guard_works(now),
            "not-draining": not self.draining,
        }

    def _guard_works(self, now: datetime) -> bool:
        try:
            if self.guard is not None:
                self.guard.probe(at=milliseconds(now))
        except GuardUnavailableError:
            return False
        return True

    def close(self) -> None:
        """Give back what was opened."""
        if self.guard is not None:
            self.guard.close()


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    """Give a time as milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """Give milliseconds since 1970 as a time."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def make_service(settings: Settings, *, now: Callable[[], datetime] = utc_now, log: Log | None = None) -> Service:
    """Turn settings into what serves.

    Args:
        settings: what ``load_settings`` gave.
        now: the clock, read once for each request.
        log: where log lines go; standard error by default.

    Raises:
        ConfigurationError: the guard's file cannot be used.
    """
    guard = None if settings.state is None else EmbeddedGuard(settings.state, at=milliseconds(now()))
    nonces = NonceService(settings.keyring, audience=settings.audience, guard=guard)
    cache = PathCache(leaves=settings.path_cache)
    verifier = Verifier(anchors=settings.anchors, nonces=nonces, engine=settings.engine, cache=cache)
    self_test = _pass_self_test(verifier)
    release = version("nitro-verifier")
    policies = PolicySet(by_name=settings.policies, default=settings.default_policy)
    metrics = Metrics(policies, verifier, version=release)
    since = now()
    reloads = {
        POLICIES: Status(live=policies.label, since=since),
        NONCE_KEYS: Status(live=label_keys(settings.keyring), since=since),
    }
    if settings.signer is not None:
        reloads[SIGNING_KEYS] = Status(live=label_signer(settings.signer), since=since)
    return Service(
        settings=settings,
        signer=settings.signer,
        policy_set=policies,
        verifier=verifier,
        nonces=nonces,
        guard=guard,
        uses=Uses(guard, metrics),
        intake=Intake(settings.limits, metrics),
        metrics=metrics,
        log=make_logger(settings.log_level, on_loss=metrics.log_failures.inc) if log is None else log,
        now=now,
        self_test=self_test,
        version=release,
        reloads=reloads,
        reload_metrics=ReloadMetrics(metrics.registry, reloads),
    )


def rehearse(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> Verifier:
    """Try what ``make_service`` does, and keep nothing of it open; give the verifier that it would make.

    Raises:
        ConfigurationError: it would fail.
    """
    if settings.state is not None:
        EmbeddedGuard(settings.state, at=milliseconds(now())).close()
    verifier = Verifier(anchors=settings.anchors, engine=settings.engine)
    _pass_self_test(verifier)
    return verifier


def _pass_self_test(verifier: Verifier) -> SelfTest:
    self_test = SelfTest(verifier.engine)
    if not self_test.passes():
        # Not a problem of the configuration, but nothing may be served by a verifier that cannot verify.
        msg = "self-test: this build does not tell a good document from a bad one; do not use it"
        raise ConfigurationError(msg)
    return self_test
