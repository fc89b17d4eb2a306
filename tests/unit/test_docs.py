"""The reference pages say what the code does: every reason, every policy key, every example, every named place."""

import importlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from verifier import ConfigurationError, Reason, read_policy, write_policy
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.measurements import pcr_of_text
from verifier.policy.model import (
    Build,
    DebugMode,
    DeniedBuild,
    KeyKind,
    MeasurementMode,
    NonceMode,
    Policy,
    PublicKeyRule,
    Requirements,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text() for name in ("reasons", "policies", "rollouts", "threat-model")}
PARTS = ("Meaning", "Likely cause", "What to do")

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REFUSED = re.compile(r"# Refused: (.+)\n")
_PLACE = re.compile(r"`(verifier(?:\.\w+)+)`")
_BOUND = re.compile(r"^\| `(verifier[\w.]+)` \| ([0-9]+) \|$", re.MULTILINE)
_PCR_COMMAND = re.compile(r"printf %s (\S+)\) \| sha384sum\n# ([0-9a-f]{96})")

TOML = [
    text for page in ("policies", "rollouts") for language, text in _FENCED.findall(PAGES[page]) if language == "toml"
]
SMALLEST = TOML[0]
BOUNDS = dict(_BOUND.findall(PAGES["threat-model"]))
PLACES = sorted({place for page in PAGES.values() for place in _PLACE.findall(page)})


def sections(page: str) -> dict[str, str]:
    """The third-level sections of a page whose heading is a word of code, by that word."""
    return dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^##|\Z)", PAGES[page], re.MULTILINE | re.DOTALL))


def whole_policy(example: str) -> str:
    """An example as a policy: itself when it begins with a name, otherwise added to the smallest policy."""
    body = _REFUSED.sub("", example)
    if body.startswith("name"):
        return body
    return f"{SMALLEST}\n{body}" if body.startswith("[") else f"{body}\n{SMALLEST}"


def resolve(place: str) -> Any:  # noqa: ANN401 - whatever a page names
    """Find what a dotted name stands for; a module, or something inside one."""
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError:
        holder, _, name = place.rpartition(".")
        return getattr(resolve(holder), name)


def policies_with_everything() -> Iterator[Policy]:
    """Policies that together set every key there is; one for each kind of public key."""
    at, pcr = datetime(2027, 1, 1, tzinfo=UTC), b"\x01" * 48
    window = Build(name="b", pcrs=dict.fromkeys((0, 1, 2, 8), pcr), not_before=at, not_after=at + timedelta(days=1))
    sizes: dict[KeyKind, dict[str, Any]] = {
        KeyKind.RSA: {"bits": (2048,)},
        KeyKind.EC: {"curves": ("secp384r1",)},
        KeyKind.RAW: {"lengths": (32,)},
    }
    for kind, size in sizes.items():
        yield Policy(
            name="p",
            builds=(window,),
            max_age_ms=1,
            clock_skew_ms=1,
            nonce=NonceMode.NONE,
            debug=DebugMode.ALLOW,
            mode=MeasurementMode.SIGNER,
            denied=(DeniedBuild(name="d", pcrs={0: pcr}),),
            require=Requirements(
                pcr3_role_arn=("arn:aws:iam::123456789012:role/r",),
                pcr4_instance_id=("i-0123456789abcdef0",),
                pcr8=(pcr,),
                public_key=PublicKeyRule(kind=kind, **size),
                user_data_sha256=(bytes(32),),
                known_fields_only=True,
            ),
        )

    enforced = Build(name="b", pcrs={4: pcr, 12: pcr})
    yield Policy(name="p", builds=(enforced,), evidence=EvidenceKind.NITRO_TPM, shadow_of="q")
    image = dict.fromkeys((0, 1, 2), pcr)
    yield Policy(name="p", builds=(Build(name="a", pcrs=image),), shadows=(replace(window, pcrs=image),))


def keys_of(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of a parsed policy, dotted; PCR indices are values, not keys."""
    for key, value in table.items():
        yield prefix + key
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and key != "pcrs":
                yield from keys_of(inner, f"{prefix}{key}.")


def test_every_reason_has_a_section_and_no_section_is_of_none() -> None:
    """Would break if an operator looked a code up and found nothing, or a code that no verifier gives."""
    assert list(sections("reasons")) == [reason.value for reason in Reason]


@pytest.mark.parametrize("reason", Reason)
def test_the_section_of_a_reason_has_its_three_parts(reason: Reason) -> None:
    """Would break if a section were a heading with nothing below it."""
    parts = re.split(r"^\*\*([A-Z][a-z ]+)\.\*\*", sections("reasons")[reason.value], flags=re.MULTILINE)
    assert tuple(parts[1::2]) == PARTS
    assert all(len(text.split()) > 1 for text in parts[2::2])


def test_the_table_of_reasons_lists_each_once() -> None:
    """Would break if the overview and the sections fell apart."""
    rows = re.findall(r"^\| \[`([^`]+)`\]\(#([a-z-]+)\) \| \S.* \|$", PAGES["reasons"], re.MULTILINE)
    assert rows == [(reason.value, reason.value.replace(".", "")) for reason in Reason]


@pytest.mark.parametrize("example", [text for text in TOML if not _REFUSED.match(text)])
def test_an_example_policy_is_read(example: str) -> None:
    """Would break if somebody copied an example and it was refused."""
    policy = read_policy(whole_policy(example))
    assert read_policy(write_policy(policy)) == policy


@pytest.mark.parametrize("example", [text for text in TOML if _REFUSED.match(text)])
def test_an_example_marked_as_refused_is_refused_for_what_it_says(example: str) -> None:
    """Would break if the page promised a protection that is not there."""
    marked = _REFUSED.match(example)
    assert marked
    with pytest.raises(ConfigurationError) as refusal:
        read_policy(whole_policy(example))
    assert marked[1] in str(refusal.value)


def test_policies_with_everything_leave_no_field_at_its_default() -> None:
    """Would break if a new field of a policy escaped the test of documented keys."""
    policies = list(policies_with_everything())
    for kind, found in grouped_values(policies).items():
        for field in fields(kind):
            if field.init and field.default is not MISSING:
                assert any(getattr(value, field.name) != field.default for value in found), field.name


def grouped_values(policies: list[Policy]) -> dict[Any, list[Any]]:
    """The values that policies are made of, by type."""
    return {
        Policy: policies,
        Build: list(chain.from_iterable(policy.builds for policy in policies)),
        DeniedBuild: list(chain.from_iterable(policy.denied for policy in policies)),
        Requirements: [policy.require for policy in policies],
        PublicKeyRule: [policy.require.public_key for policy in policies if policy.require.public_key],
    }


def test_every_policy_key_is_documented_and_no_other() -> None:
    """Would break if a key were secret, or the page named one that the reader refuses."""
    known = {key for policy in policies_with_everything() for key in keys_of(tomllib.loads(write_policy(policy)))}
    assert set(sections("policies")) == known


def test_the_printed_pcr_values_are_those_of_the_commands() -> None:
    """Would break if the formula on the page were not the one that policies apply."""
    printed = _PCR_COMMAND.findall(PAGES["policies"])
    assert len(printed) == 2
    assert all(pcr_of_text(text).hex() == value for text, value in printed)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_in_the_code_that_a_page_names_exists(place: str) -> None:
    """Would break if a reviewer followed the threat model into the code and found nothing."""
    assert resolve(place) is not None


@pytest.mark.parametrize("constant", sorted(BOUNDS))
def test_a_bound_in_the_threat_model_is_the_constant_in_the_code(constant: str) -> None:
    """Would break if a limit were changed and its analysis not."""
    assert resolve(constant) == int(BOUNDS[constant])


def test_the_threat_model_states_bounds() -> None:
    """Would break if the table's form changed and the test above checked nothing."""
    assert len(BOUNDS) > 10
