"""``nitro-verifier policy diff``: which part of an enclave changed between two builds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from verifier.cli.display import BAD, DIM, GOOD, HEAD, KEY, output
from verifier.cli.escapes import plain
from verifier.cli.exits import ExitCode, exit_codes
from verifier.cli.reference_inputs import Side, load_side, refuse_image
from verifier.evidence.pcrs import EvidenceKind
from verifier.reference_values.difference import (
    BuildsDifference,
    changed_parts,
    changed_sections,
    compare_nearest,
    compare_policies,
    pcr_name,
)
from verifier.reference_values.layout import EifError
from verifier.reference_values.policy_difference import Effect, changed_settings, effect_on_build

if TYPE_CHECKING:
    from rich.console import Console

_FILE = click.Path(path_type=Path, dir_okay=False)


class _Pcr(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    name: str
    before: str | None
    after: str | None


class _Build(msgspec.Struct, frozen=True, kw_only=True):
    before: str
    after: str
    parts: tuple[str, ...]
    effect: Effect
    pcrs: tuple[_Pcr, ...]


class _Setting(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    before: str
    after: str
    effect: Effect


class _Difference(msgspec.Struct, frozen=True, kw_only=True):
    same: bool
    looser: bool
    """Whether AFTER accepts something that BEFORE does not, where both are policies."""
    builds: tuple[_Build, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    sections: tuple[str, ...] | None
    """Measured sections that differ; known of two image files only."""
    settings: tuple[_Setting, ...]


@click.command("diff", short_help="Say what changed between two builds.", epilog=exit_codes("the same", "different"))
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(*, before: Path, after: Path, as_json: bool) -> ExitCode:
    """Say which part changed from BEFORE to AFTER: each a policy, an enclave image file or nitro-cli's output.

    Two policies are compared build by build, by name. Anything else is compared with the build it is nearest to.
    """
    try:
        difference = _compare(load_side(before), load_side(after))
    except EifError as error:
        return refuse_image(error)
    if as_json:
        click.echo(msgspec.json.encode(difference))
    else:
        _show(output(), difference)
    return ExitCode.GOOD if difference.same else ExitCode.NOT_GOOD


def _compare(before: Side, after: Side) -> _Difference:
    both = before.policy is not None and after.policy is not None
    if before.policy is not None and after.policy is not None:
        found = compare_policies(before.builds, after.builds)
        settings = changed_settings(before.policy, after.policy, found)
    else:
        stated_only = before.policy is not None or after.policy is not None
        found, settings = compare_nearest(before.builds, after.builds, stated_only=stated_only), ()
    sections = None
    if before.image is not None and after.image is not None:
        sections = changed_sections(before.image, after.image)
    is_same = not (settings or found.removed or found.added or any(change.pcrs for change in found.changes))
    builds = _builds(found, before, after)
    effects = (*(change.effect for change in settings), *(build.effect for build in builds))
    return _Difference(
        same=is_same,
        looser=both and (bool(found.added) or any(effect.loosens for effect in effects)),
        builds=builds,
        removed=found.removed,
        added=found.added,
        sections=sections,
        settings=tuple(
            _Setting(key=each.key, before=each.before, after=each.after, effect=each.effect) for each in settings
        ),
    )


def _builds(found: BuildsDifference, before: Side, after: Side) -> tuple[_Build, ...]:
    kind = EvidenceKind.ENCLAVE if after.policy is None else after.policy.evidence
    return tuple(
        _Build(
            before=change.before,
            after=change.after,
            parts=tuple(part.value for part in changed_parts(change.pcrs, kind)),
            effect=effect_on_build(before.builds[change.before], after.builds[change.after]),
            pcrs=tuple(
                _Pcr(
                    index=index,
                    name=pcr_name(index, kind),
                    before=_hex(before.builds[change.before].get(index)),
                    after=_hex(after.builds[change.after].get(index)),
                )
                for index in change.pcrs
            ),
        )
        for change in found.changes
    )


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _show(console: Console, difference: _Difference) -> None:
    for build in difference.builds:
        console.print(_heading(build), soft_wrap=True)
        for pcr in build.pcrs:
            console.print(Text(f"  PCR{pcr.index} ({pcr.name})", style=KEY))
            values = f"    - {pcr.before or 'not stated'}\n    + {pcr.after or 'not stated'}"
            console.print(Text(values, style=DIM), soft_wrap=True)
    if difference.sections:
        console.print(Text.assemble("sections that differ: ", (", ".join(difference.sections), HEAD)), soft_wrap=True)
    for sign, names in (("-", difference.removed), ("+", difference.added)):
        for name in names:
            console.print(Text.assemble((f"{sign} build ", BAD), (plain(name), HEAD)), soft_wrap=True)
    for setting in difference.settings:
        line = Text.assemble((plain(setting.key), KEY), f": {plain(setting.before)} -> {plain(setting.after)}")
        console.print(line.append_text(_mark(setting.effect)), soft_wrap=True)
    if difference.looser:
        console.print(Text("LOOSER: something is accepted that was not", style=BAD))


def _mark(effect: Effect) -> Text:
    if effect.loosens:
        return Text("  LOOSER", style=BAD)
    return Text("  tighter" if effect is Effect.TIGHTER else "  no verdict changes", style=DIM)


def _heading(build: _Build) -> Text:
    names = plain(build.before) if build.before == build.after else f"{plain(build.before)} -> {plain(build.after)}"
    what = Text.assemble((names, HEAD), ": ")
    if not build.parts:
        return what.append("the same", style=GOOD)
    return what.append("; ".join(build.parts), style=BAD)
