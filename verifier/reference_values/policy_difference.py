"""What a policy asks for otherwise than another, and whether more or fewer documents pass because of it.

``LOOSER`` is what a reviewer must look at: something is accepted that was not. What cannot be told is never called
tighter.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING

from verifier.policy.canonical import write_duration, write_policy
from verifier.policy.model import DebugMode, KeyKind, MeasurementMode, NonceMode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from verifier.policy.model import Build, DeniedBuild, Policy, PublicKeyRule
    from verifier.reference_values.difference import BuildsDifference

_ABSENT = "-"
# From strict to lax. Leaving image mode for signer mode trusts what nobody has built yet.
_NONCES = (NonceMode.REQUIRED, NonceMode.CALLER, NonceMode.NONE)
_DEBUG_MODES = (DebugMode.REJECT, DebugMode.ALLOW)
_MODES = (MeasurementMode.IMAGE, MeasurementMode.SIGNER)


class Effect(StrEnum):
    """What a change does to the documents that pass."""

    LOOSER = "looser"
    """Something passes that did not."""
    TIGHTER = "tighter"
    """Something does not pass that did, and nothing else changes."""
    BOTH = "looser-and-tighter"
    """Other documents pass than did."""
    NONE = "none"
    """The same documents pass."""

    @property
    def loosens(self) -> bool:
        """Whether something passes that did not."""
        return self in (Effect.LOOSER, Effect.BOTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One thing that two policies ask for otherwise."""

    key: str
    before: str
    after: str
    effect: Effect


def effect_on_build(before: Mapping[int, bytes], after: Mapping[int, bytes]) -> Effect:
    """Tell what other PCRs of a build do."""
    return _of_conditions(before.items(), after.items())


def changed_settings(before: Policy, after: Policy, builds: BuildsDifference) -> tuple[SettingChange, ...]:
    """Give all that two policies ask for otherwise, apart from which builds there are and their PCRs."""
    changes = (
        *_scalars(before, after),
        *_order(before, after),
        *_windows(before, after, builds),
        *_shadows(before, after),
        *_denials(before, after),
        *_requirements(before, after),
    )
    compared = changes or builds.added or builds.removed or any(change.pcrs for change in builds.changes)
    if not compared and write_policy(before) != write_policy(after):
        # Names of builds, or one order for another: which build a result names may change, and no verdict.
        return (SettingChange(key="order and names", before="as before", after="otherwise", effect=Effect.NONE),)
    return changes


def _scalars(before: Policy, after: Policy) -> Iterator[SettingChange]:
    yield from _changed("name", before.name, after.name, Effect.NONE)
    yield from _changed("shadow_of", before.shadow_of or _ABSENT, after.shadow_of or _ABSENT, _of_shadow(before, after))
    yield from _changed("evidence", before.evidence, after.evidence, Effect.BOTH)
    for key, one, other in (
        ("max_age", before.max_age_ms, after.max_age_ms),
        ("clock_skew", before.clock_skew_ms, after.clock_skew_ms),
    ):
        yield from _changed(key, write_duration(one), write_duration(other), _of_limit(one, other))
    yield from _changed("nonce", before.nonce, after.nonce, _of_rank(_NONCES, before.nonce, after.nonce))
    yield from _changed("debug", before.debug, after.debug, _of_rank(_DEBUG_MODES, before.debug, after.debug))
    yield from _changed("mode", before.mode, after.mode, _of_rank(_MODES, before.mode, after.mode))


def _of_shadow(before: Policy, after: Policy) -> Effect:
    if after.shadow_of is not None:
        return Effect.TIGHTER if before.shadow_of is None else Effect.NONE
    return Effect.LOOSER  # it decides from now on


def _order(before: Policy, after: Policy) -> Iterator[SettingChange]:
    """Compare the order of the builds that both have: the first that matches is named."""
    old, new = _by_name(before.builds), _by_name(after.builds)
    one, other = (", ".join(name for name in names if name in old.keys() & new.keys()) for names in (old, new))
    yield from _changed("order of builds", one, other, Effect.NONE)


def _windows(before: Policy, after: Policy, builds: BuildsDifference) -> Iterator[SettingChange]:
    old, new = _by_name(before.builds), _by_name(after.builds)
    for change in builds.changes:
        yield from _window(f"build {change.after}", old[change.before], new[change.after])


def _window(where: str, before: Build, after: Build) -> Iterator[SettingChange]:
    for key, one, other, effect in (
        ("not_before", before.not_before, after.not_before, _of_beginning(before.not_before, after.not_before)),
        ("not_after", before.not_after, after.not_after, _of_end(before.not_after, after.not_after)),
    ):
        yield from _changed(f"{where}: {key}", _moment(one), _moment(other), effect)


def _shadows(before: Policy, after: Policy) -> Iterator[SettingChange]:
    yield from _entries("shadow", before.shadows, after.shadows, lambda _, __: Effect.NONE)
    old, new = _by_name(before.shadows), _by_name(after.shadows)
    for name in old:
        if name in new:
            for change in _window(f"shadow {name}", old[name], new[name]):
                yield SettingChange(key=change.key, before=change.before, after=change.after, effect=Effect.NONE)


def _denials(before: Policy, after: Policy) -> Iterator[SettingChange]:
    def effect(one: Mapping[int, bytes] | None, other: Mapping[int, bytes] | None) -> Effect:
        if one is None or other is None:
            return Effect.TIGHTER if one is None else Effect.LOOSER
        return _reverse(_of_conditions(one.items(), other.items()))

    yield from _entries("deny", before.denied, after.denied, effect)


def _requirements(before: Policy, after: Policy) -> Iterator[SettingChange]:
    old, new = before.require, after.require
    for key, one, other in (
        ("pcr3_role_arn", old.pcr3_role_arn, new.pcr3_role_arn),
        ("pcr4_instance_id", old.pcr4_instance_id, new.pcr4_instance_id),
        ("pcr8", _hexes(old.pcr8), _hexes(new.pcr8)),
        ("user_data.sha256", _hexes(old.user_data_sha256), _hexes(new.user_data_sha256)),
        ("public_key", _key_kinds(old.public_key), _key_kinds(new.public_key)),
    ):
        yield from _changed(f"require.{key}", _list(one), _list(other), _of_choices(one, other))
    strict, lax = new.known_fields_only, old.known_fields_only
    yield from _changed("require.known_fields_only", _flag(lax), _flag(strict), _of_limit(strict, lax))


def _changed(key: str, before: str, after: str, effect: Effect) -> Iterator[SettingChange]:
    if before != after:
        yield SettingChange(key=key, before=str(before), after=str(after), effect=effect)


def _entries(
    table: str,
    before: Iterable[Build] | Iterable[DeniedBuild],
    after: Iterable[Build] | Iterable[DeniedBuild],
    effect: Callable[[Mapping[int, bytes] | None, Mapping[int, bytes] | None], Effect],
) -> Iterator[SettingChange]:
    """Compare entries by name; those of one name, which deny entries may share, by their place among them."""
    old, new = _places(before), _places(after)
    for key in dict.fromkeys((*old, *new)):
        one, other = old.get(key), new.get(key)
        yield from _changed(f"{table} {key[0]}", _pcrs(one), _pcrs(other), effect(one, other))


def _places(entries: Iterable[Build] | Iterable[DeniedBuild]) -> dict[tuple[str, int], Mapping[int, bytes]]:
    seen: Counter[str] = Counter()
    placed: dict[tuple[str, int], Mapping[int, bytes]] = {}
    for entry in entries:
        placed[entry.name, seen[entry.name]] = entry.pcrs
        seen[entry.name] += 1
    return placed


def _by_name(builds: Iterable[Build]) -> dict[str, Build]:
    return {build.name: build for build in builds}


def _of_limit(before: int, after: int) -> Effect:
    return Effect.LOOSER if after > before else Effect.TIGHTER


def _of_rank(ranks: tuple[object, ...], before: object, after: object) -> Effect:
    return _of_limit(ranks.index(before), ranks.index(after))


def _of_end(before: datetime | None, after: datetime | None) -> Effect:
    """Tell what another end of a window does; none is the latest."""
    later = after is None or (before is not None and after > before)
    return Effect.LOOSER if later else Effect.TIGHTER


def _of_beginning(before: datetime | None, after: datetime | None) -> Effect:
    """Tell what another beginning of a window does; none is the earliest."""
    earlier = after is None or (before is not None and after < before)
    return Effect.LOOSER if earlier else Effect.TIGHTER


def _of_conditions(before: Collection[object], after: Collection[object]) -> Effect:
    """Tell what other conditions do that must all hold."""
    return _reverse(_of_sets(set(before), set(after)))


def _of_choices(before: Collection[str] | None, after: Collection[str] | None) -> Effect:
    """Tell what other values do of which one must be there; ``None`` asks for nothing."""
    if before is None or after is None:
        return Effect.LOOSER if after is None else Effect.TIGHTER
    return _of_sets(set(before), set(after))


def _of_sets(before: set[object] | set[str], after: set[object] | set[str]) -> Effect:
    more, fewer = bool(after - before), bool(before - after)
    if more and fewer:
        return Effect.BOTH
    return Effect.LOOSER if more else Effect.TIGHTER if fewer else Effect.NONE


def _reverse(effect: Effect) -> Effect:
    return {Effect.LOOSER: Effect.TIGHTER, Effect.TIGHTER: Effect.LOOSER}.get(effect, effect)


def _key_kinds(rule: PublicKeyRule | None) -> tuple[str, ...] | None:
    """Give the kinds of key that a rule takes, one by one."""
    if rule is None:
        return None
    sizes = {KeyKind.RSA: rule.bits, KeyKind.EC: rule.curves, KeyKind.RAW: rule.lengths}[rule.kind]
    return tuple(f"{rule.kind} {size}" for size in sizes)


def _hexes(values: Iterable[bytes] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(value.hex() for value in values)


def _list(values: Iterable[str] | None) -> str:
    return _ABSENT if values is None else ", ".join(sorted(set(values)))


def _pcrs(pcrs: Mapping[int, bytes] | None) -> str:
    return _ABSENT if pcrs is None else ", ".join(f"PCR{index} {pcrs[index].hex()}" for index in sorted(pcrs))


def _moment(moment: datetime | None) -> str:
    return _ABSENT if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _flag(value: bool) -> str:  # noqa: FBT001 - shown, not branched on
    return "true" if value else "false"
