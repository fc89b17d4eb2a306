"""Reading nitro-cli's output, and knowing what it is worth."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verifier.reference_values.outputs import (
    BUILD_LOG,
    MEASUREMENTS,
    ONE,
    PCRS,
    SIGNER,
    build_enclave,
    describe_eif,
    enclave,
    printed,
)
from verifier import ConfigurationError
from verifier.reference_values.nitro_cli import MAX_OUTPUT_BYTES, read_nitro_cli, select
from verifier.reference_values.provenance import Provenance, ReferenceValues


def read_one(text: str) -> ReferenceValues:
    (values,) = read_nitro_cli(text)
    return values


def mistake(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_nitro_cli(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        printed(build_enclave()),
        json.dumps(build_enclave()),
        BUILD_LOG + printed(build_enclave()),
        BUILD_LOG + json.dumps(build_enclave()),
        BUILD_LOG + '{"Measurements": "of a container build that prints JSON"}\n' + printed(build_enclave()),
        BUILD_LOG + "[INFO] done\n" + printed(build_enclave()),
        printed({"New": [1], **build_enclave(New="x")}),
        printed(build_enclave(PCR0=ONE.upper())),
    ],
)
def test_build_enclaves_measurements_are_read(text: str) -> None:
    """The best source there is could not be used."""
    values = read_one(text)
    assert values.pcrs == PCRS
    assert values.provenance is Provenance.BUILD_ENCLAVE
    assert values.provenance.is_authoritative
    assert values.objection is None


def test_the_signers_pcr_is_read() -> None:
    """A policy of a signed build would accept an unsigned one."""
    assert read_one(printed(build_enclave(PCR8=SIGNER))).pcrs == {**PCRS, 8: bytes.fromhex(SIGNER)}


def test_an_earlier_result_in_the_log_is_not_taken() -> None:
    """A Dockerfile that prints JSON would choose what the policy trusts."""
    forged = printed(build_enclave(PCR0="66" * 48))
    assert read_one(BUILD_LOG + forged + BUILD_LOG + printed(build_enclave())).pcrs == PCRS


def test_describe_eif_is_not_authoritative() -> None:
    """Measurements of a crafted file would pass for those of a build."""
    values = read_one(printed(describe_eif()))
    assert values.provenance is Provenance.DESCRIBE_EIF
    assert not values.provenance.is_authoritative
    assert (values.name, values.objection) == ("app", None)


SIGNED = MEASUREMENTS | {"PCR8": SIGNER}


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"Measurements": SIGNED, "IsSigned": True, "SignatureCheck": True}, None),
        ({"Measurements": SIGNED, "IsSigned": True, "SignatureCheck": False}, "signature"),
        ({"Measurements": SIGNED, "IsSigned": True}, "signature"),
        ({"Measurements": SIGNED}, "contradicts itself"),
        ({"IsSigned": True, "SignatureCheck": True}, "contradicts itself"),
        ({"CheckCRC": False}, "CRC"),
        ({"CheckCRC": None}, "CRC"),
        ({"CheckCRC": "true"}, "CRC"),
    ],
)
def test_what_describe_eif_found_wrong_stands_against_a_policy(
    changes: dict[str, object], objection: str | None
) -> None:
    """A damaged image, or one that somebody else signed, would become a policy."""
    found = read_one(printed(describe_eif(**changes))).objection
    assert (found is None) if objection is None else (found is not None and objection in found)


def test_describe_enclaves_gives_each_enclave() -> None:
    """The operator of several enclaves could not choose one."""
    values = read_nitro_cli(printed([enclave(), enclave(EnclaveName="other", EnclaveID="i-x")]))
    assert [value.name for value in values] == ["app", "other"]
    assert {value.provenance for value in values} == {Provenance.DESCRIBE_ENCLAVES}
    assert select(values, "other").enclave_id == "i-x"
    assert select(values, "i-x").name == "other"
    assert select(values[:1], None).name == "app"
    for choice in (None, "nobody"):
        with pytest.raises(ConfigurationError, match="name one"):
            select(values, choice)


@pytest.mark.parametrize("flags", ["DEBUG_MODE", "Debug", "", None, 0, ["NONE"]])
def test_an_enclave_with_flags_stands_against_a_policy(flags: object) -> None:
    """A policy would be made from an enclave whose console its parent reads."""
    values = read_one(printed([enclave(Flags=flags)]))
    assert values.objection is not None
    assert "debug" in values.objection


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON"),
        ("Start building", "no JSON"),
        (printed([]), "no enclave is running"),
        (printed({}), "Measurements is absent"),
        (printed({"EnclaveID": "i-x"}), "Measurements is absent"),
        (printed([1]), "an enclave is absent or not an object"),
        (printed({"Measurements": [ONE]}), "Measurements is absent"),
        ("{", "not one JSON value"),
        (printed(build_enclave())[:-40], "not one JSON value"),
        (printed(build_enclave()) + "more", "not one JSON value"),
        (printed(build_enclave()) + printed(build_enclave())[:-3], "not one JSON value"),
        ('{"Measurements": {"HashAlgorithm": "Sha384", "PCR0": "1", "PCR0": "2"}}', "a key occurs twice"),
        ('{"Measurements": NaN}', "NaN"),
        ("[" * 200_000, "not one JSON value"),
        (printed(build_enclave(HashAlgorithm="Sha256")), "HashAlgorithm"),
        (printed(build_enclave(HashAlgorithm=None)), "HashAlgorithm"),
        (printed({"Measurements": {"HashAlgorithm": "Sha384", "PCR0": ONE}}), "without PCR1 and PCR2"),
        (printed(build_enclave(PCR1="EXAMPLE" * 10)), "PCR1 is not 96 hex digits"),
        (printed(build_enclave(PCR1=ONE[:-1])), "PCR1 is not 96 hex digits"),
        (printed(build_enclave(PCR1=ONE + "\n")), "PCR1 is not 96 hex digits"),
        (printed(build_enclave(PCR1=None)), "PCR1 is not 96 hex digits"),
        (printed(build_enclave(PCR32=ONE)), "there is no PCR32"),
        (printed([enclave(EnclaveName=7)]), "EnclaveName is not text"),
        (" " * (MAX_OUTPUT_BYTES + 1), "longer than"),
    ],
)
def test_what_is_no_such_output_is_refused_with_a_sentence(text: str, problem: str) -> None:
    """Half an output, or an example from the manual, would become a policy."""
    assert problem in mistake(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    """A file of anything would end in a traceback."""
    assert mistake(text)
    assert read_one(text + "\n" + printed(build_enclave())).pcrs == PCRS
