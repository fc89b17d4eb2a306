"""What the machine measures of an image and its parent, against what this project says beforehand."""

from pathlib import Path
from typing import cast

import cbor2

from issuer.nsm import instance_pcr, role_pcr
from tests.e2e_enclave.conftest import INSTANCE_ID, ROLE_ARN
from tests.e2e_enclave.image import COMMAND_LINE
from tests.e2e_enclave.machine import Enclave
from tests.support.eif_writer import pcr, signer
from verifier.reference_values.eif import measure_image

ZERO = bytes(48)
NEVER_MEASURED = (5, 6, 7, *range(9, 16))


def pcrs_of(enclave: Enclave) -> dict[int, bytes]:
    """Ask the NSM, from inside, for all PCRs that are locked at boot."""
    described = {index: enclave.nsm("describe_pcr", index=index) for index in range(16)}
    return {index: cast("dict[str, bytes]", one)["data"] for index, one in described.items()}


def test_a_signed_image_measures_what_nitro_verifier_measure_says(
    enclave: Enclave, measured: dict[str, dict[int, bytes]]
) -> None:
    """A policy made from the image would never be satisfied by it."""
    found = pcrs_of(enclave)
    assert sorted(measured["signed"]) == [0, 1, 2, 3, 4, 8]
    assert {index: found[index] for index in measured["signed"]} == measured["signed"]
    assert ZERO not in measured["signed"].values()
    assert [found[index] for index in NEVER_MEASURED] == [ZERO] * len(NEVER_MEASURED)


def test_an_unsigned_image_without_a_parent_measures_the_same_but_for_signer_role_and_instance(
    plain_enclave: Enclave, measured: dict[str, dict[int, bytes]]
) -> None:
    """The signature would be part of what is signed, or a role would be claimed that nobody has."""
    found = pcrs_of(plain_enclave)
    assert [found[index] for index in (0, 1, 2)] == [measured["plain"][index] for index in (0, 1, 2)]
    assert [found[index] for index in (0, 1, 2)] == [measured["signed"][index] for index in (0, 1, 2)]
    assert 8 not in measured["plain"]
    assert [found[index] for index in (3, 4, 8, *NEVER_MEASURED)] == [ZERO] * (3 + len(NEVER_MEASURED))


def test_the_formulas_written_out_agree_with_the_machine(enclave: Enclave, images: dict[str, Path]) -> None:
    """The command could be right by a mistake that it shares with nobody else."""
    found = pcrs_of(enclave)
    assert found[3] == role_pcr(ROLE_ARN)
    assert found[4] == instance_pcr(INSTANCE_ID)
    assert found[8] == pcr(signer().der)


def test_a_document_carries_the_measurements(enclave: Enclave, measured: dict[str, dict[int, bytes]]) -> None:
    """The NSM would sign something other than what it tells the enclave."""
    document = cast("bytes", enclave.nsm("attestation"))
    payload = cbor2.loads(cbor2.loads(document)[2])
    assert {index: payload["pcrs"][index] for index in measured["signed"]} == measured["signed"]


def test_the_image_is_read_as_it_was_written(images: dict[str, Path]) -> None:
    """What boots could be another part of the file than what is shown."""
    with images["signed"].open("rb") as file:
        image = measure_image(file)
    assert image.command_line == COMMAND_LINE
    assert image.signer is not None
    assert image.signer.certificate == signer().der
