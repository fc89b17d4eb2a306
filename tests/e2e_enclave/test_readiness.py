"""``nitro-issuer doctor`` from inside: what only an enclave has."""

import json
from typing import Any

from tests.e2e_enclave.machine import Enclave
from tests.e2e_enclave.test_command import run

MUST_HOLD = (
    "entropy.source",
    "entropy.available",
    "entropy.cpu-trust",
    "nsm.locked-pcrs",
    "nsm.pcr-count",
    "nsm.digest",
    "nsm.module-id",
    "nsm.debug-mode",
    "nsm.expected-pcrs",
    "files.limit",
    "cpu.count",
)
# An emulated CPU has no kvm-clock, keeps bad time, and has only the memory that its ramdisks leave.
OF_THE_EMULATION = ("clock.source", "clock.time", "memory.headroom")


def examine(enclave: Enclave, expected: dict[int, bytes]) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Run the doctor with the expected PCRs; give what it printed, and the checks by their ids."""
    pcrs = [f"--expect-pcr={index}={value.hex()}" for index, value in expected.items()]
    printed = json.loads(run(enclave, "nitro-issuer", "doctor", "--auto", "--json", *pcrs)["stdout"])
    return printed, {check["id"]: check for check in printed["checks"]}


def test_the_doctor_finds_an_enclave_with_the_nsms_entropy_and_the_measured_image(
    enclave: Enclave, measured: dict[str, dict[int, bytes]]
) -> None:
    """Files, names and numbers that the checks look at would be those of no real kernel."""
    printed, checks = examine(enclave, measured["signed"])
    assert (printed["place"], printed["backend"]) == ("enclave", "device")
    assert set(checks) == {*MUST_HOLD, *OF_THE_EMULATION}
    assert {name: checks[name]["found"] for name in MUST_HOLD if checks[name]["state"] != "ok"} == {}
    assert "nsm-hwrng" in checks["entropy.source"]["found"]
    assert (checks["clock.source"]["state"], printed["passed"]) == ("failed", False)


def test_the_doctor_finds_that_a_machine_without_a_parent_id_is_not_what_its_name_says(
    plain_enclave: Enclave, measured: dict[str, dict[int, bytes]]
) -> None:
    """A check that cannot fail on the real thing checks nothing."""
    _, checks = examine(plain_enclave, {0: measured["plain"][1]})
    assert checks["nsm.module-id"]["state"] == "failed"
    assert checks["nsm.expected-pcrs"]["found"] == "not as expected: PCR0"
