"""A policy's one canonical text: TOML with every value spelt out, in one order.

Two policies mean the same exactly when their texts are the same, and the digest in every result is of this text.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from verifier.policy.model import Build, DeniedBuild, Policy, PublicKeyRule, Requirements

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def write_policy(policy: Policy) -> str:
    """Write a policy as TOML that ``read_policy`` reads back to an equal one."""
    return "\n".join(_lines(policy)) + "\n"


def _lines(policy: Policy) -> Iterator[str]:
    yield from _scalars(policy)
    yield from _builds("build", policy.builds)
    yield from _builds("shadow", policy.shadows)
    yield from _denied(policy)
    yield from _require(policy.require)


def write_duration(milliseconds: int) -> str:
    """Write a duration in the largest unit that leaves no remainder."""
    for unit, size in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return "0s"


def _scalars(policy: Policy) -> Iterator[str]:
    yield f"name = {_text(policy.name)}"
    if policy.shadow_of is not None:
        yield f"shadow_of = {_text(policy.shadow_of)}"
    yield f"evidence = {_text(policy.evidence)}"
    yield f"max_age = {_text(write_duration(policy.max_age_ms))}"
    yield f"clock_skew = {_text(write_duration(policy.clock_skew_ms))}"
    yield f"nonce = {_text(policy.nonce)}"
    yield f"debug = {_text(policy.debug)}"
    yield f"mode = {_text(policy.mode)}"


def _builds(table: str, builds: Iterable[Build]) -> Iterator[str]:
    for build in builds:
        yield from ("", f"[[{table}]]", *_named_pcrs(build))
        if build.not_before is not None:
            yield f"not_before = {_moment(build.not_before)}"
        if build.not_after is not None:
            yield f"not_after = {_moment(build.not_after)}"


def _denied(policy: Policy) -> Iterator[str]:
    for denied in policy.denied:
        yield from ("", "[[deny]]", *_named_pcrs(denied))


def _named_pcrs(build: Build | DeniedBuild) -> Iterator[str]:
    yield f"name = {_text(build.name)}"
    yield f"pcrs = {_pcrs(build.pcrs)}"


def _require(require: Requirements) -> Iterator[str]:
    lines: list[str] = []
    if require.pcr3_role_arn is not None:
        lines.append(f"pcr3_role_arn = {_list(require.pcr3_role_arn)}")
    if require.pcr4_instance_id is not None:
        lines.append(f"pcr4_instance_id = {_list(require.pcr4_instance_id)}")
    if require.pcr8 is not None:
        lines.append(f"pcr8 = {_list([value.hex() for value in require.pcr8])}")
    if require.public_key is not None:
        lines.append(f"public_key = {_key_rule(require.public_key)}")
    if require.user_data_sha256 is not None:
        lines.append(f"user_data = {{ sha256 = {_list([value.hex() for value in require.user_data_sha256])} }}")
    if require.known_fields_only:
        lines.append("known_fields_only = true")
    if lines:
        yield from ("", "[require]", *lines)


def _key_rule(rule: PublicKeyRule) -> str:
    parts = [f"kind = {_text(rule.kind)}"]
    if rule.bits:
        parts.append(f"bits = {_list(rule.bits)}")
    if rule.curves:
        parts.append(f"curves = {_list(rule.curves)}")
    if rule.lengths:
        parts.append(f"lengths = {_list(rule.lengths)}")
    return f"{{ {', '.join(parts)} }}"


def _pcrs(pcrs: Mapping[int, bytes]) -> str:
    return f"{{ {', '.join(f'{index} = {_text(pcrs[index].hex())}' for index in sorted(pcrs))} }}"


def _list(values: Sequence[str] | Sequence[int]) -> str:
    return f"[{', '.join(_text(value) if isinstance(value, str) else str(value) for value in values)}]"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: str) -> str:
    # JSON's escapes are all valid in a TOML basic string, except that DEL must be escaped in TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
