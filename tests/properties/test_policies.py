"""A policy survives being written and read; text that is no policy is named as a mistake and nothing else."""

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.cases import policy_texts
from verifier import ConfigurationError, Policy, read_policy, write_policy
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.lint_codes import Severity
from verifier.policy.lint_text import lint_text
from verifier.policy.model import (
    CURVES,
    MAX_CLOCK_SKEW_MS,
    MAX_MAX_AGE_MS,
    Build,
    DebugMode,
    DeniedBuild,
    KeyKind,
    MeasurementMode,
    NonceMode,
    PublicKeyRule,
    Requirements,
)

AT = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
BUILD_NAMES = st.text(min_size=1, max_size=128).filter(str.isprintable)
VALUES = st.binary(min_size=48, max_size=48).filter(any)
PCRS = st.dictionaries(st.integers(0, 31), VALUES, min_size=1)
IMAGE_PCRS = st.builds(lambda three, more: more | dict(enumerate(three)), st.tuples(VALUES, VALUES, VALUES), PCRS)
SIGNER_PCRS = st.builds(lambda signer, more: more | {8: signer}, VALUES, PCRS)
TPM_PCRS = st.dictionaries(st.integers(0, 23), VALUES)
TPM_BOOT_PCRS = st.builds(lambda boot, more: more | {4: boot, 12: bytes(48)}, VALUES, TPM_PCRS)
SECURE_BOOT_PCRS = st.builds(lambda policy, more: more | {7: policy}, VALUES, TPM_PCRS)
KNOWN_BY = {
    (EvidenceKind.ENCLAVE, MeasurementMode.IMAGE): IMAGE_PCRS,
    (EvidenceKind.ENCLAVE, MeasurementMode.SIGNER): SIGNER_PCRS,
    (EvidenceKind.NITRO_TPM, MeasurementMode.IMAGE): TPM_BOOT_PCRS,
    (EvidenceKind.NITRO_TPM, MeasurementMode.SIGNER): SECURE_BOOT_PCRS,
}
# TOML knows offsets and no place names; a place's clock has hours that occur twice, which equal nothing (PEP 495).
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001 - as above
    timezones=ZONES,
)
INSTANCES = st.from_regex(r"\Ai-[0-9a-f]{8}(?:[0-9a-f]{9})?\Z")
ROLES = st.from_regex(r"\Aarn:aws[a-z0-9-]{0,9}:iam::[0-9]{12}:role/[\x21-\x7e]{1,80}\Z")
KEYS = st.one_of(
    st.builds(PublicKeyRule, kind=st.just(KeyKind.RSA), bits=st.lists(st.integers(2048, 8192), min_size=1).map(tuple)),
    st.builds(PublicKeyRule, kind=st.just(KeyKind.EC), curves=st.lists(st.sampled_from(CURVES), min_size=1).map(tuple)),
    st.builds(PublicKeyRule, kind=st.just(KeyKind.RAW), lengths=st.lists(st.integers(1, 1024), min_size=1).map(tuple)),
)


def as_tuple(entries: list[Any]) -> tuple[Any, ...]:
    return tuple(entries)


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...] | None]:
    return st.none() | st.lists(values, min_size=1, max_size=4).map(as_tuple)


REQUIREMENTS = st.builds(
    Requirements,
    pcr3_role_arn=some(ROLES),
    pcr4_instance_id=some(INSTANCES),
    pcr8=some(VALUES),
    public_key=st.none() | KEYS,
    user_data_sha256=some(st.binary(min_size=32, max_size=32)),
    known_fields_only=st.booleans(),
)


TPM_REQUIREMENTS = st.builds(
    Requirements,
    public_key=st.none() | KEYS,
    user_data_sha256=some(st.binary(min_size=32, max_size=32)),
    known_fields_only=st.booleans(),
)


@st.composite
def builds(draw: st.DrawFn, pcrs: st.SearchStrategy[dict[int, bytes]], names: list[str]) -> tuple[Build, ...]:
    made = []
    for name in names:
        begin, end = draw(st.none() | MOMENTS), draw(st.none() | MOMENTS)
        assume(begin is None or end is None or begin < end)
        made.append(Build(name=name, pcrs=draw(pcrs), not_before=begin, not_after=end))
    return tuple(made)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy at all."""
    mode, kind = draw(st.sampled_from(MeasurementMode)), draw(st.sampled_from(EvidenceKind))
    name, shadowed = draw(NAMES), draw(st.none() | NAMES)
    assume(name != shadowed)
    names = draw(st.lists(BUILD_NAMES, min_size=1, max_size=5, unique=True))
    enforced = len(names) if shadowed else draw(st.integers(1, len(names)))
    enclave = kind is EvidenceKind.ENCLAVE
    return Policy(
        name=name,
        shadow_of=shadowed,
        evidence=kind,
        builds=draw(builds(KNOWN_BY[kind, mode], names[:enforced])),
        shadows=draw(builds(KNOWN_BY[kind, mode], names[enforced:])),
        max_age_ms=draw(st.integers(1, MAX_MAX_AGE_MS)),
        clock_skew_ms=draw(st.integers(0, MAX_CLOCK_SKEW_MS)),
        nonce=draw(st.sampled_from(NonceMode)),
        debug=draw(st.sampled_from(DebugMode)) if enclave else DebugMode.REJECT,
        mode=mode,
        denied=draw(st.lists(st.builds(DeniedBuild, name=BUILD_NAMES, pcrs=PCRS), max_size=3).map(tuple)),
        require=draw(REQUIREMENTS if enclave else TPM_REQUIREMENTS),
    )


@given(policies())
def test_loading_a_policy_writing_it_and_loading_it_again_changes_nothing(policy: Policy) -> None:
    """`policy show` would print another policy than the one that was applied."""
    written = write_policy(policy)
    read = read_policy(written)
    assert read == policy
    assert read.sha256 == policy.sha256
    assert write_policy(read) == written


def is_read_or_named(text: str) -> bool:
    """Whether a text is a policy that survives, or a configuration error that says something; and linted as such."""
    refused = any(lint.code.severity is Severity.ERROR for lint in lint_text(text, name=None, at=AT))
    try:
        policy = read_policy(text)
    except ConfigurationError as error:
        return refused and len(error.problems) > 0 and all(error.problems)
    return not refused and read_policy(write_policy(policy)).sha256 == policy.sha256


TOML_VALUES = st.one_of(
    st.sampled_from(
        ["true", "inf", "nan", "1979-05-27", "07:32:00", "0001-01-01T00:00:00+14:00", "[]", "{}", "[[]]", '""']
    ),
    st.integers().map(str),
    st.integers(1, 5000).map(lambda digits: "0x" + "f" * digits),
    st.integers(1, 5000).map(lambda digits: "9" * digits),
    st.floats().map(str),
    st.text(string.printable, max_size=9).map(lambda text: repr(text).replace("'", '"')),
    MOMENTS.map(datetime.isoformat),
)
KEYS_OF_A_POLICY = st.sampled_from(
    [
        "name",
        "max_age",
        "clock_skew",
        "nonce",
        "debug",
        "mode",
        "shadow_of",
        "evidence",
        "build",
        "shadow",
        "deny",
        "require",
        "pcrs",
        "not_before",
        "not_after",
        "pcr3_role_arn",
        "pcr4_instance_id",
        "pcr8",
        "public_key",
        "user_data",
        "known_fields_only",
        "kind",
        "bits",
        "curves",
        "lengths",
        "sha256",
        "0",
        "1",
        "31",
        "32",
    ]
)
LINES = st.one_of(
    st.builds("{} = {}".format, KEYS_OF_A_POLICY, TOML_VALUES),
    st.builds("{} = {{ {} = {} }}".format, KEYS_OF_A_POLICY, KEYS_OF_A_POLICY, TOML_VALUES),
    st.builds("{}.{} = [{}]".format, KEYS_OF_A_POLICY, KEYS_OF_A_POLICY, TOML_VALUES),
    st.builds("[[{}]]".format, KEYS_OF_A_POLICY),
    st.builds("[{}]".format, KEYS_OF_A_POLICY),
)


@given(st.text() | st.lists(LINES, max_size=12).map("\n".join))
def test_any_text_is_a_policy_or_a_named_mistake(text: str) -> None:
    """A file with a mistake would end the service with a traceback."""
    assert is_read_or_named(text)


@given(st.sampled_from(policy_texts()), st.integers(0, 3000), st.integers(0, 40), LINES | st.text(max_size=5))
def test_a_damaged_policy_is_a_policy_or_a_named_mistake(text: str, start: int, length: int, inserted: str) -> None:
    """A typing mistake in a right policy would end the service with a traceback."""
    assert is_read_or_named(text[:start] + inserted + text[start + length :])
