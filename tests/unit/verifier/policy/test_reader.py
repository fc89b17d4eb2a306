import pytest

from tests.support.core import PCRS, ROLE_ARN
from verifier.policy.model import (
    DEFAULT_CLOCK_SKEW_MS,
    DEFAULT_MAX_AGE_MS,
    DebugMode,
    KeyKind,
    MeasurementMode,
    NonceMode,
    Policy,
)
from verifier.policy.reader import MAX_POLICY_BYTES, parse_duration, read_policy
from verifier.reasons import ConfigurationError

HEX = {index: PCRS[index].hex() for index in (0, 1, 2, 8)}
BUILD = f'[[build]]\nname = "v1"\npcrs = {{ 0 = "{HEX[0]}", 1 = "{HEX[1]}", 2 = "{HEX[2]}" }}\n'
MINIMAL = f'name = "payments"\n{BUILD}'
WHOLE = f"""\
name = "payments"
max_age = "90s"
clock_skew = "250ms"
nonce = "caller"
debug = "allow"
mode = "signer"

[[build]]
name = "v1"
not_before = 2026-01-01T00:00:00Z
not_after = 2027-01-31T00:00:00+01:00
pcrs = {{ 8 = "{HEX[8].upper()}" }}

[[build]]
pcrs = {{ 8 = "{HEX[8]}", 0 = "{HEX[0]}" }}

[[deny]]
name = "v0"
pcrs = {{ 0 = "{HEX[1]}" }}

[[deny]]
pcrs = {{ 31 = "{HEX[1]}" }}

[require]
pcr3_role_arn = ["{ROLE_ARN}"]
pcr4_instance_id = ["i-0123456789abcdef0"]
pcr8 = ["{HEX[8]}"]
known_fields_only = true
public_key = {{ kind = "rsa", bits = [2048, 4096] }}
user_data = {{ sha256 = ["{"00" * 32}"] }}
"""


def problems(text: str) -> tuple[str, ...]:
    """Everything that is wrong with a text."""
    with pytest.raises(ConfigurationError) as caught:
        read_policy(text)
    return caught.value.problems


def test_every_key_is_read() -> None:
    """A key would be accepted and mean nothing."""
    policy = read_policy(WHOLE)
    assert (policy.name, policy.max_age_ms, policy.clock_skew_ms) == ("payments", 90_000, 250)
    assert (policy.nonce, policy.debug, policy.mode) == (NonceMode.CALLER, DebugMode.ALLOW, MeasurementMode.SIGNER)
    assert [build.name for build in policy.builds] == ["v1", "build-2"]
    first = policy.builds[0]
    assert first.pcrs == {8: PCRS[8]}
    assert first.not_before is not None
    assert first.not_after is not None
    assert first.not_after.isoformat() == "2027-01-31T00:00:00+01:00"
    assert [denied.name for denied in policy.denied] == ["v0", "deny-2"]
    assert policy.denied[1].pcrs == {31: PCRS[1]}


def test_every_requirement_is_read() -> None:
    """A requirement would not be checked."""
    require = read_policy(WHOLE).require
    assert require.pcr3_role_arn == (ROLE_ARN,)
    assert require.pcr4_instance_id == ("i-0123456789abcdef0",)
    assert require.pcr8 == (PCRS[8],)
    assert require.user_data_sha256 == (bytes(32),)
    assert require.known_fields_only
    assert require.public_key is not None
    assert (require.public_key.kind, require.public_key.bits) == (KeyKind.RSA, (2048, 4096))


def test_what_is_left_out_is_the_strict_choice() -> None:
    """A policy of three PCRs would accept debug mode, or a document without a nonce."""
    policy = read_policy(MINIMAL)
    assert (policy.max_age_ms, policy.clock_skew_ms) == (DEFAULT_MAX_AGE_MS, DEFAULT_CLOCK_SKEW_MS)
    assert (policy.nonce, policy.debug, policy.mode) == (NonceMode.REQUIRED, DebugMode.REJECT, MeasurementMode.IMAGE)
    assert (policy.denied, policy.require.public_key, policy.require.known_fields_only) == ((), None, False)


def test_a_policy_without_a_name_takes_the_one_it_is_given() -> None:
    """A file would have to repeat its own name."""
    assert read_policy(BUILD, name="from-file").name == "from-file"
    assert read_policy(MINIMAL, name="from-file").name == "payments"


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ('kind = "ec", curves = ["secp384r1"]', KeyKind.EC),
        ('kind = "raw", lengths = [32]', KeyKind.RAW),
    ],
)
def test_the_other_kinds_of_keys_are_read(rule: str, kind: KeyKind) -> None:
    """An application's key could not be required."""
    read = read_policy(f"{MINIMAL}[require]\npublic_key = {{ {rule} }}\n").require.public_key
    assert read is not None
    assert read.kind is kind


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("3h", 10_800_000), ("1d", 86_400_000)]
)
def test_a_duration_has_a_unit(text: str, milliseconds: int) -> None:
    """Five minutes would be five seconds."""
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "-5m", "5M", "1h30m", "0.5h", "5m\n", "\u0665m", "1" * 13 + "s"])
def test_anything_else_is_no_duration(text: str) -> None:
    """A typing mistake would become some other age."""
    with pytest.raises(ConfigurationError):
        parse_duration(text)


TOP = {
    "not TOML": ("name = ", "not TOML"),
    "nested too deeply": ("a = " + "[" * 100_000, "not TOML"),
    "a number of too many digits": ("max_age = " + "9" * 5000, "not TOML"),
    "a key twice": ('name = "a"\nname = "b"\n', "not TOML"),
    "too long": (" " * (MAX_POLICY_BYTES + 1), "longer than"),
    "an unknown key": (f"max_ago = 1\n{MINIMAL}", "unknown key 'max_ago'"),
    "an unknown table": (f"{MINIMAL}[requires]\n", "unknown key 'requires'"),
    "a name that is no text": (f"name = 1\n{BUILD}", "name must be text"),
    "an age that is a number": (f"max_age = 300\n{MINIMAL}", "max_age: 'a number without a unit'"),
    "an age that is hexadecimal without end": (f"max_age = 0x{'f' * 5000}\n{MINIMAL}", "max_age:"),
    "a skew without a unit": (f'clock_skew = "5"\n{MINIMAL}', "clock_skew: '5' is not a duration"),
    "an unknown nonce mode": (f'nonce = "optional"\n{MINIMAL}', "nonce must be one of 'required', 'caller', 'none'"),
    "debug as a boolean": (f"debug = true\n{MINIMAL}", "debug must be one of 'reject', 'allow'"),
    "an unknown mode": (f'mode = "any"\n{MINIMAL}', "mode must be one of 'image', 'signer'"),
    "one build in one bracket": (MINIMAL.replace("[[build]]", "[build]"), "write [[build]] with two brackets"),
    "a build that is a number": ('name = "a"\nbuild = [1]\n', "write [[build]] with two brackets"),
    "a deny in one bracket": (f"{MINIMAL}[deny]\n", "write [[deny]] with two brackets"),
    "require as a list": (f"{MINIMAL}[[require]]\n", "require must be a table"),
}
BUILDS = {
    "no pcrs": ('name = "v"', "no PCRs, so it would match everything"),
    "pcrs as a list": ("pcrs = []", "build 1: pcrs must be a table"),
    "an index in hex": (f'pcrs = {{ 0x0 = "{HEX[0]}" }}', "'0x0' is not a PCR index"),
    "an index with a zero before it": (f'pcrs = {{ 00 = "{HEX[0]}" }}', "'00' is not a PCR index"),
    "an index of three digits": (f'pcrs = {{ 100 = "{HEX[0]}" }}', "'100' is not a PCR index"),
    "PCR32": (f'pcrs = {{ 32 = "{HEX[0]}" }}', "PCR32 must be one of 0 to 31"),
    "a value that is no text": ("pcrs = { 0 = 1 }", "build 1: PCR0 must be 96 hex digits"),
    "a value with blanks": ('pcrs = { 0 = "00 00" }', "build 1: PCR0 must be 96 hex digits"),
    "an empty value": ('pcrs = { 0 = "" }', "build 1: PCR0 must be 96 hex digits"),
    "half a byte": ('pcrs = { 0 = "000" }', "build 1: PCR0 must be 96 hex digits"),
    "a value with 0x": ('pcrs = { 0 = "0x00" }', "build 1: PCR0 must be 96 hex digits"),
    "a name that is no text": ("name = 1", "build 1: name must be text"),
    "an unknown key": ("notafter = 1", "build 1: unknown key 'notafter'"),
    "a moment in quotes": ('not_after = "2027-01-31T00:00:00Z"', "not_after must be a date and time"),
    "a date without a time": ("not_after = 2027-01-31", "not_after must be a date and time"),
    "a moment without a zone": ("not_before = 2027-01-31T00:00:00", "need a time zone"),
    "a moment beyond the calendar": ("not_after = 0001-01-01T00:00:00+14:00", "need a time zone"),
}
REQUIRE = {
    "an unknown key": ("pcr5 = []", "unknown key 'pcr5'"),
    "a role that is no list": (f'pcr3_role_arn = "{ROLE_ARN}"', "require.pcr3_role_arn must be a list of texts"),
    "an instance that is no text": ("pcr4_instance_id = [1]", "require.pcr4_instance_id must be a list of texts"),
    "an empty list": ("pcr8 = []", "require.pcr8: an empty list"),
    "a signer that is no hex": ('pcr8 = ["x"]', "require.pcr8 must be 96 hex digits"),
    "a flag that is no boolean": ('known_fields_only = "yes"', "require.known_fields_only must be true or false"),
    "user_data without digests": ("user_data = {}", "require.user_data.sha256: an empty list"),
    "user_data with another key": ('user_data = { sha512 = ["00"] }', "unknown key 'sha512'"),
    "user_data that is no table": ("user_data = 1", "require.user_data must be a table"),
    "a key rule without a kind": ("public_key = {}", "kind must be one of 'rsa', 'ec', 'raw'"),
    "a key rule that is no table": ('public_key = "rsa"', "require.public_key must be a table"),
    "bits that are no integers": (
        'public_key = { kind = "rsa", bits = [true] }',
        "require.public_key.bits must be a list of integers",
    ),
    "bits that are no list": (
        'public_key = { kind = "rsa", bits = 2048 }',
        "require.public_key.bits must be a list of integers",
    ),
    "an endless length": (f'public_key = {{ kind = "raw", lengths = [0x{"f" * 5000}] }}', "lengths are in bytes"),
    "a key rule with another key": (
        'public_key = { kind = "rsa", bits = [2048], size = 1 }',
        "unknown key 'size'",
    ),
}
CASES = {
    **TOP,
    **{f"build: {name}": (f'name = "a"\n[[build]]\n{text}\n', problem) for name, (text, problem) in BUILDS.items()},
    **{f"require: {name}": (f"{MINIMAL}[require]\n{text}\n", problem) for name, (text, problem) in REQUIRE.items()},
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named(case: str) -> None:
    """A mistyped key would mean "anything", or a policy would fail at the first appraisal."""
    text, problem = CASES[case]
    found = problems(text)
    assert any(problem in entry for entry in found), found


def test_mistakes_are_collected() -> None:
    """An operator would find them one restart at a time."""
    found = "\n".join(problems('nonce = "x"\ndebug = "x"\nfoo = 1\n[[build]]\nbar = 1\n'))
    for problem in (
        "nonce must be",
        "debug must be",
        "unknown key 'foo'",
        "unknown key 'bar'",
        "no PCRs",
        "the name must",
    ):
        assert problem in found


def test_the_same_text_gives_the_same_policy() -> None:
    """Reloading would change the digest in every result."""
    assert isinstance(read_policy(WHOLE), Policy)
    assert read_policy(WHOLE) == read_policy(WHOLE)
    assert read_policy(WHOLE).sha256 == read_policy(WHOLE).sha256
