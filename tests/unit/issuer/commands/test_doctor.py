"""`nitro-issuer doctor`, over directory trees that look like machines."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from issuer import cli
from issuer.readiness import TOPICS, CheckId
from tests.unit.issuer.readiness.trees import ENCLAVE, PARENT, RNG, plant, plant_device, plant_nitro_cli

GOOD = [{"EnclaveID": "i-1-enc2", "EnclaveCID": 16, "State": "RUNNING", "Flags": "NONE"}]
PCR = "ab" * 48
MEASURED = GOOD[0] | {"Measurements": {"PCR0": PCR, "PCR1": PCR, "PCR2": PCR}}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def states(self) -> dict[str, str]:
        """The state of each check, from JSON."""
        return {check["id"]: check["state"] for check in self.body["checks"]}

    @property
    def body(self) -> Any:  # noqa: ANN401 - whatever was printed
        """The one JSON object."""
        return json.loads(self.stdout)


Doctor = Callable[..., Outcome]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Run the command over the test's own folder as root, on a terminal of 80 columns."""

    def call(*args: str | Path) -> Outcome:
        arguments = ["doctor", "--root", str(tmp_path), *(os.fspath(arg) for arg in args)]
        with CliRunner().isolation(env={"COLUMNS": "80"}) as (out, err, _):
            code = cli.run(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            return Outcome(code=code, stdout=out.getvalue().decode(), stderr=err.getvalue().decode())

    return call


def enclaves(path: Path, *items: object) -> Path:
    path.write_text(json.dumps(items))
    return path


def test_a_good_enclave_exits_0_and_says_each_check(doctor: Doctor, tmp_path: Path) -> None:
    """A health check would never go green."""
    plant(tmp_path, ENCLAVE)
    outcome = doctor("--inside", "--backend", "software", "--clock-source", "kvm-clock", "--strict")
    assert outcome.code == 0
    lines = [line.split() for line in outcome.stdout.splitlines()]
    assert lines[0] == ["check", "state", "found"]
    assert lines[1] == ["entropy.source", "ok", "rng_current", "is", "'nsm-hwrng'"]
    assert "why" not in outcome.stdout
    assert outcome.stderr.startswith("*** SOFTWARE NSM ***")


def test_what_failed_is_explained_within_80_columns(doctor: Doctor, tmp_path: Path) -> None:
    """An operator would have to look everything up, in lines that break in the middle of words."""
    plant(tmp_path, {**ENCLAVE, f"{RNG}/rng_current": "virtio_rng.0", "proc/cmdline": "random.trust_cpu=on"})
    outcome = doctor("--inside", "--backend", "software")
    assert outcome.code == 1
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    words = " ".join(outcome.stdout.split())
    for check, state in ((CheckId.ENTROPY_SOURCE, "failed"), (CheckId.ENTROPY_CPU_TRUST, "warning")):
        assert f"{check}: {state} why {TOPICS[check].why} do {TOPICS[check].remedy}" in words
    assert TOPICS[CheckId.ENTROPY_AVAILABLE].why not in words


def test_warnings_fail_only_when_asked_to(doctor: Doctor, tmp_path: Path) -> None:
    """Amazon's own command line would keep every enclave from starting, or nobody could forbid it."""
    plant(tmp_path, {**ENCLAVE, "proc/cmdline": "random.trust_cpu=on"})
    arguments = ("--inside", "--backend", "software", "--json", "--clock-source", "kvm-clock")
    assert (doctor(*arguments).code, doctor(*arguments).body["passed"]) == (0, True)
    assert (doctor(*arguments, "--strict").code, doctor(*arguments, "--strict").body["passed"]) == (1, False)


def test_json_has_everything(doctor: Doctor) -> None:
    """Programs would read the table."""
    body = doctor("--inside", "--json").body
    assert (body["place"], body["backend"], body["passed"]) == ("enclave", "device", False)
    checks = {check.pop("id"): check for check in body["checks"]}
    assert checks["clock.source"] == {
        "state": "failed",
        "found": "/sys/devices/system/clocksource/clocksource0/current_clocksource: No such file or directory",
        "why": TOPICS[CheckId.CLOCK_SOURCE].why,
        "do": TOPICS[CheckId.CLOCK_SOURCE].remedy,
    }


def test_an_enclave_without_its_nsm_is_a_failure_and_no_usage_error(doctor: Doctor, tmp_path: Path) -> None:
    """A script would take it for its own mistake."""
    plant(tmp_path, ENCLAVE)
    outcome = doctor("--json")
    assert (outcome.code, outcome.body["place"]) == (1, "enclave")
    assert outcome.states["nsm.debug-mode"] == "failed"


def test_elsewhere_nothing_applies_and_people_are_told(doctor: Doctor) -> None:
    """Green on a laptop would be taken for green in the enclave."""
    outcome = doctor()
    assert outcome.code == 0
    assert "neither an enclave nor a parent" in outcome.stderr
    assert set(doctor("--json").states.values()) == {"not-applicable"}


def test_a_good_parent_exits_0(doctor: Doctor, tmp_path: Path) -> None:
    """Monitoring would never go green."""
    plant(tmp_path, PARENT)
    plant_device(tmp_path, "dev/nitro_enclaves")
    file = enclaves(tmp_path / "enclaves.json", MEASURED)
    outcome = doctor("--describe-enclaves", file, "--expect-pcr", f"0={PCR}", "--json")
    assert (outcome.code, outcome.body["place"]) == (0, "parent")
    assert outcome.states["parent.enclave-pcrs"] == "ok"


def test_nitro_cli_is_asked_where_no_file_is_given(doctor: Doctor, tmp_path: Path) -> None:
    """The flags of running enclaves would go unseen."""
    plant(tmp_path, PARENT)
    plant_nitro_cli(tmp_path, """echo '[{"EnclaveID": "e", "State": "RUNNING", "Flags": "DEBUG_MODE"}]'""")
    outcome = doctor("--parent", "--json")
    assert outcome.code == 1
    assert outcome.states["parent.enclave-flags"] == "failed"


def test_a_file_of_enclaves_can_be_judged_on_any_machine(doctor: Doctor, tmp_path: Path) -> None:
    """A colleague's file could not be looked at."""
    file = enclaves(tmp_path / "enclaves.json", MEASURED | {"Flags": "DEBUG_MODE"})
    outcome = doctor("--describe-enclaves", file, "--json")
    assert (outcome.code, outcome.body["place"]) == (1, "elsewhere")


def test_text_from_outside_shows_itself_and_does_nothing(doctor: Doctor, tmp_path: Path) -> None:
    """A file could clear the screen and write "ok"."""
    plant(tmp_path, {**ENCLAVE, f"{RNG}/rng_current": "\x1b[2J[bold]ok"})
    outcome = doctor("--inside", "--json")
    assert doctor("--inside").stdout.count("\x1b") == 0
    assert r"\x1b[2J[bold]ok" in outcome.body["checks"][0]["found"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--parent", "--backend", "software"), "a parent has no NSM"),
        (("--inside", "--describe-enclaves", "x"), "does not see its neighbours"),
        (("--parent", "--describe-enclaves", "missing\x1b"), "missing\\x1b: No such file or directory"),
        (("--expect-pcr", "0=ab"), "want INDEX=HEX"),
        (("--expect-pcr", f"32={PCR}"), "want INDEX=HEX"),
        (("--expect-pcr", f"+1={PCR}"), "want INDEX=HEX"),
        (("--expect-pcr", "\x1b"), r"\x1b: want INDEX=HEX"),
        (("--expect-pcr", f"0={PCR}", "--expect-pcr", f"0={PCR}"), "a PCR is given twice"),
        (("--root", "no-such-folder"), "does not exist"),
        (("--backend", "hardware"), "is not one of"),
    ],
)
def test_wrong_usage_exits_2(doctor: Doctor, arguments: tuple[str, ...], message: str) -> None:
    """A gate would take a typing error for an answer."""
    outcome = doctor(*arguments)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert message in " ".join(outcome.stderr.replace("\n", " ").split())


def test_the_help_text_says_what_the_exit_codes_mean(doctor: Doctor) -> None:
    """Scripts would be written by trial and error."""
    assert "Exit codes: 0 every check is ok or does not apply" in " ".join(doctor("--help").stdout.split())


def test_a_reader_that_goes_away_is_no_verdict(tmp_path: Path, checkout: Path) -> None:
    """`doctor | head -1` would exit as if a check had failed."""
    script = "import sys; from issuer import cli; sys.stdout.reconfigure(write_through=True); cli.main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "doctor", "--inside", "--root", str(tmp_path)]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write) as closed:
        ran = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, cwd=checkout, check=False)
    assert (ran.returncode, ran.stderr) == (141, b"")
