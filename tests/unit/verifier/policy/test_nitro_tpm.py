"""Policies for EC2 instances: what a build must name, and where the well-known values come from."""

import hashlib
import struct
import uuid
from dataclasses import replace

import pytest
from msgspec import structs

from tests.support.core import PCRS, appraise, document, policy, reasons
from verifier import Affirmed, ConfigurationError, Policy, Reason
from verifier.evidence.pcrs import PCR_NAMES, TPM_PCR_COUNT, TPM_PCR_NAMES, EvidenceKind, pcr_names
from verifier.policy.model import Build, DebugMode, MeasurementMode, Requirements
from verifier.policy.nitro_tpm import SECURE_BOOT_OFF

VALUE = b"\x04" * 48


def tpm_policy(*indices: int, value: bytes = VALUE, mode: MeasurementMode = MeasurementMode.IMAGE) -> Policy:
    build = Build(name="ami", pcrs=dict.fromkeys(indices, value))
    return policy(evidence=EvidenceKind.NITRO_TPM, builds=(build,), mode=mode)


def problem(*indices: int, value: bytes = VALUE, mode: MeasurementMode = MeasurementMode.IMAGE) -> str:
    with pytest.raises(ConfigurationError) as caught:
        tpm_policy(*indices, value=value, mode=mode)
    return str(caught.value)


def test_a_build_is_known_by_what_booted_or_by_who_signed_it() -> None:
    """A policy that says what runs would be refused."""
    assert tpm_policy(4, 12).builds[0].name == "ami"
    assert tpm_policy(7, mode=MeasurementMode.SIGNER).evidence is EvidenceKind.NITRO_TPM
    assert tpm_policy(4, 12, 0, 23).denied == ()


def test_a_build_that_pins_nothing_is_refused() -> None:
    """Any instance at all would be affirmed."""
    assert "PCR4 and PCR12 missing" in problem(0, 1, 2)
    assert "PCR12 missing" in problem(4)
    assert "PCR4 is all zero" in problem(4, 12, value=bytes(48))
    assert "no PCR24 and no PCR31" in problem(4, 12, 24, 31)
    signer = MeasurementMode.SIGNER
    assert "needs PCR7" in problem(4, 12, mode=signer)
    assert "needs PCR7" in problem(7, value=bytes(48), mode=signer)
    assert "without Secure Boot" in problem(7, value=SECURE_BOOT_OFF, mode=signer)


def test_what_is_for_enclaves_is_refused() -> None:
    """A PCR of an instance would be taken for a role, an instance or a signer."""
    require = Requirements(
        pcr3_role_arn=("arn:aws:iam::123456789012:role/r",), pcr4_instance_id=("i-0123456789abcdef0",), pcr8=(VALUE,)
    )
    with pytest.raises(ConfigurationError) as caught:
        replace(tpm_policy(4, 12), debug=DebugMode.ALLOW, require=require)
    assert len(caught.value.problems) == 4


def test_the_secure_boot_policy_of_an_instance_without_it_is_what_the_firmware_profile_says() -> None:
    """The one value that says nothing would be another one, and be accepted."""
    pcr = bytes(48)
    for guid, name, content in (
        ("8be4df61-93ca-11d2-aa0d-00e098032b8c", "SecureBoot", b"\0"),
        ("8be4df61-93ca-11d2-aa0d-00e098032b8c", "PK", b""),
        ("8be4df61-93ca-11d2-aa0d-00e098032b8c", "KEK", b""),
        ("d719b2cb-3d3a-4596-a3bc-dad00e67656f", "db", b""),
        ("d719b2cb-3d3a-4596-a3bc-dad00e67656f", "dbx", b""),
    ):
        # UEFI_VARIABLE_DATA: GUID, both lengths, name, content.
        head = uuid.UUID(guid).bytes_le + struct.pack("<QQ", len(name), len(content))
        pcr = extend(pcr, head + name.encode("utf-16le") + content)
    assert extend(pcr, bytes(4)) == SECURE_BOOT_OFF


def extend(pcr: bytes, event: bytes) -> bytes:
    return hashlib.sha384(pcr + hashlib.sha384(event).digest()).digest()


def test_an_enclave_is_no_instance_however_well_its_values_fit() -> None:
    """An enclave could be built, or a module extended, to pass for an instance."""
    fitting = document(pcrs={**PCRS, 4: VALUE, 12: VALUE})
    assert reasons(appraise(fitting, tpm_policy(4, 12))) == (Reason.DOCUMENT_ENCLAVE,)


def test_no_document_is_affirmed_as_another_kind() -> None:
    """A slip in appraisal would affirm an instance as an enclave."""
    result = appraise(document())
    assert isinstance(result, Affirmed)
    with pytest.raises(ValueError, match="another kind"):
        structs.replace(result, claims=structs.replace(result.claims, kind=EvidenceKind.NITRO_TPM))
    with pytest.raises(ValueError, match="another kind"):
        structs.replace(result, policy=structs.replace(result.policy, evidence=EvidenceKind.NITRO_TPM))


def test_pcrs_have_the_names_of_their_kind() -> None:
    """An operator would read an instance's boot loader as an instance's id."""
    assert pcr_names(EvidenceKind.ENCLAVE) is PCR_NAMES
    assert pcr_names(EvidenceKind.NITRO_TPM) is TPM_PCR_NAMES
    assert PCRS.keys() >= PCR_NAMES.keys()
    assert max(TPM_PCR_NAMES) < TPM_PCR_COUNT
