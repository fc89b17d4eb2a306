"""What is checked inside an enclave, over directory trees and the software NSM."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from issuer.nsm import (
    Nsm,
    NsmProtocolError,
    SoftwareBackend,
    SoftwareNsm,
    ThrowawayPki,
    decode_request,
    encode,
    encode_reply,
)
from issuer.nsm.responses import AttestationDocument, NsmDescription, Refusal
from issuer.readiness import CheckId, Expectations, Machine, NotReadyError, Place, Readiness, State, check_readiness
from issuer.readiness.clock import decode_time
from issuer.readiness.resources import parse_cpus
from tests.unit.issuer.readiness.trees import CLOCK, CPUS, ENCLAVE, RNG, plant, plant_device

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NSM_CHECKS = (
    CheckId.CLOCK_TIME,
    CheckId.NSM_LOCKED_PCRS,
    CheckId.NSM_PCR_COUNT,
    CheckId.NSM_DIGEST,
    CheckId.NSM_MODULE_ID,
    CheckId.NSM_DEBUG_MODE,
    CheckId.NSM_EXPECTED_PCRS,
)


class Answering:
    """The software NSM, but for the answers to some requests; counts what it is asked."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self._backend = SoftwareBackend(
            SoftwareNsm(clock=lambda: NOW, pki=ThrowawayPki(seed=bytes(32)), debug=bool(answers.pop("debug", False)))
        )

    def process(self, request: bytes) -> bytes:
        """Answer, and remember the question."""
        name = type(decode_request(request)).__name__
        self.asked.append(name)
        answer = self.answers.get(name)
        return self._backend.process(request) if answer is None else encode_reply(answer)  # type: ignore[arg-type]

    def close(self) -> None:
        """Refuse: whoever opens an NSM closes it."""
        raise AssertionError("whoever opened it closes it")


def machine(root: Path, files: Mapping[str, str | None] | None = None, architecture: str = "x86_64") -> Machine:
    return Machine(root=plant(root, {**ENCLAVE, **(files or {})}), clock=lambda: NOW, architecture=architecture)


def states(readiness: Readiness) -> dict[CheckId, State]:
    return {finding.id: finding.state for finding in readiness.findings}


def found(readiness: Readiness, check: CheckId) -> tuple[State, str]:
    (finding,) = (finding for finding in readiness.findings if finding.id is check)
    return finding.state, finding.found


def test_a_good_enclave_passes_every_check(tmp_path: Path) -> None:
    """No enclave would ever start."""
    readiness = check_readiness(nsm=Nsm(Answering()), machine=machine(tmp_path))
    readiness.require(strict=True)
    others = {finding.id: finding.found for finding in readiness.findings if finding.state is not State.OK}
    assert others == {CheckId.NSM_EXPECTED_PCRS: "no expected values were given"}
    assert [finding.id for finding in readiness.findings] == [one for one in CheckId if not one.startswith("parent.")]


def test_an_enclave_in_which_nothing_can_be_read_fails_every_check(tmp_path: Path) -> None:
    """A gate that finds nothing would open."""
    readiness = check_readiness(machine=Machine(root=tmp_path))
    assert set(states(readiness).values()) == {State.FAILED}
    with pytest.raises(NotReadyError, match=r"nsm\.debug-mode: failed: NsmUnavailableError: opening ") as raised:
        readiness.require()
    assert raised.value.readiness is readiness


def test_the_library_takes_the_place_to_be_an_enclave(tmp_path: Path) -> None:
    """An application on the wrong machine would start."""
    assert check_readiness(machine=Machine(root=tmp_path)).place is Place.ENCLAVE
    assert not check_readiness().is_ready()


def test_elsewhere_nothing_applies(tmp_path: Path) -> None:
    """Developers would have to switch checks off, and would forget to switch them on."""
    readiness = check_readiness(place=Place.ELSEWHERE, machine=Machine(root=tmp_path))
    assert set(states(readiness).values()) == {State.NOT_APPLICABLE}
    assert set(states(readiness)) == set(CheckId)
    assert readiness.is_ready(strict=True)


def test_elsewhere_an_unusual_clock_source_is_a_warning(tmp_path: Path) -> None:
    """It would block a laptop, or go unseen on the machine that builds."""
    here = machine(tmp_path, {f"{CLOCK}/current_clocksource": "hpet"})
    readiness = check_readiness(place=Place.ELSEWHERE, machine=here)
    assert found(readiness, CheckId.CLOCK_SOURCE) == (
        State.WARNING,
        "current_clocksource is 'hpet', not 'kvm-clock'; this is no enclave",
    )
    assert readiness.is_ready()
    assert not readiness.is_ready(strict=True)


def test_elsewhere_an_nsm_that_is_given_is_asked(tmp_path: Path) -> None:
    """The software NSM would be of no use for trying this out."""
    readiness = check_readiness(place=Place.ELSEWHERE, nsm=Nsm(Answering()), machine=machine(tmp_path))
    judged = states(readiness)
    assert {judged[check] for check in NSM_CHECKS} == {State.OK, State.NOT_APPLICABLE}
    assert (judged[CheckId.NSM_DEBUG_MODE], judged[CheckId.CLOCK_SOURCE]) == (State.OK, State.OK)


OFF, ON = "random.trust_cpu is off", "random.trust_cpu is on"
UNSET = "random.trust_cpu is not set: the kernel's build decides"


@pytest.mark.parametrize(
    ("check", "files", "expected"),
    [
        (
            CheckId.ENTROPY_SOURCE,
            {f"{RNG}/rng_current": "virtio_rng.0"},
            (State.FAILED, "rng_current is 'virtio_rng.0'"),
        ),
        (
            CheckId.ENTROPY_SOURCE,
            {f"{RNG}/rng_current": "none\x1b[2J"},
            (State.FAILED, r"rng_current is 'none\x1b[2J'"),
        ),
        (
            CheckId.ENTROPY_AVAILABLE,
            {f"{RNG}/rng_available": "nsm-hwrng2 x"},
            (State.FAILED, "rng_available is 'nsm-hwrng2 x'"),
        ),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": "random.trust_cpu=on"}, (State.WARNING, ON)),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": "random.trust-cpu=Off"}, (State.OK, OFF)),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": "random.trust_cpu=0 random.trust_cpu=1"}, (State.WARNING, ON)),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": "random.trust_cpu=1 random.trust_cpu=0"}, (State.OK, OFF)),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": "random.trust_cpu=1 -- random.trust_cpu=0"}, (State.WARNING, ON)),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": "random.trust_cpu random.trust_cpu=?"}, (State.WARNING, UNSET)),
        (CheckId.ENTROPY_CPU_TRUST, {"proc/cmdline": ""}, (State.WARNING, UNSET)),
        (
            CheckId.FILES_LIMIT,
            {"proc/self/limits": "Max open files   1023   4096   files"},
            (State.FAILED, "1023 open files, 1024 wanted"),
        ),
        (
            CheckId.FILES_LIMIT,
            {"proc/self/limits": "Max open files  unlimited  unlimited  files"},
            (State.OK, "unlimited open files, 1024 wanted"),
        ),
        (
            CheckId.FILES_LIMIT,
            {"proc/self/limits": "Max processes 1 1"},
            (State.FAILED, "/proc/self/limits: no limit of open files"),
        ),
        (
            CheckId.MEMORY_HEADROOM,
            {"proc/meminfo": "MemTotal: 1024000 kB\nMemAvailable: 502000 kB\n"},
            (State.WARNING, "490 of 1000 MiB are available (49%)"),
        ),
        (
            CheckId.MEMORY_HEADROOM,
            {"proc/meminfo": "MemTotal: 1024000 kB\nMemAvailable: 102300 kB\n"},
            (State.FAILED, "99 of 1000 MiB are available (10%)"),
        ),
        (
            CheckId.MEMORY_HEADROOM,
            {"proc/meminfo": "MemTotal: 0 kB\nMemAvailable: 0 kB\n"},
            (State.FAILED, "0 of 0 MiB are available (0%)"),
        ),
        (
            CheckId.MEMORY_HEADROOM,
            {"proc/meminfo": "MemTotal: 1024000 kB\n"},
            (State.FAILED, "/proc/meminfo: no MemAvailable"),
        ),
        (CheckId.CPU_COUNT, {f"{CPUS}/online": "0\n"}, (State.WARNING, "1 CPUs online")),
        (
            CheckId.CPU_COUNT,
            {f"{CPUS}/online": "many"},
            (State.FAILED, "/sys/devices/system/cpu/online: 'many' is no CPU"),
        ),
        (
            CheckId.CPU_COUNT,
            {f"{CPUS}/online": "0" * 1_048_577},
            (State.FAILED, "/sys/devices/system/cpu/online: larger than 1048576 bytes"),
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_found(
    tmp_path: Path, check: CheckId, files: dict[str, str | None], expected: tuple[State, str]
) -> None:
    """The tutorial's checklist would be followed on paper only."""
    readiness = check_readiness(nsm=Nsm(Answering()), machine=machine(tmp_path, files))
    assert found(readiness, check) == expected


@pytest.mark.parametrize(
    ("architecture", "current", "wanted", "state"),
    [
        ("x86_64", "kvm-clock", None, State.OK),
        ("x86_64", "tsc", None, State.WARNING),
        ("x86_64", "acpi_pm", None, State.FAILED),
        ("x86_64", "tsc", "tsc", State.OK),
        ("x86_64", "tsc", "kvm-clock", State.FAILED),
        ("aarch64", "arch_sys_counter", None, State.OK),
        ("aarch64", "kvm-clock", None, State.FAILED),
        ("aarch64", "tsc", None, State.FAILED),
        ("riscv64", "riscv_clocksource", None, State.UNKNOWN),
        ("riscv64", "riscv_clocksource", "riscv_clocksource", State.OK),
    ],
)
def test_each_architecture_has_its_clock_source(
    tmp_path: Path, architecture: str, current: str, wanted: str | None, state: State
) -> None:
    """Graviton would never pass, or any clock would."""
    here = machine(tmp_path, {f"{CLOCK}/current_clocksource": current}, architecture)
    readiness = check_readiness(nsm=Nsm(Answering()), machine=here, expected=Expectations(clock_source=wanted))
    assert states(readiness)[CheckId.CLOCK_SOURCE] is state


@pytest.mark.parametrize("available", ["tsc hpet", None])
def test_tsc_without_kvm_clock_beside_it_fails(tmp_path: Path, available: str | None) -> None:
    """Such a kernel has never seen the hypervisor's time."""
    files = {f"{CLOCK}/current_clocksource": "tsc", f"{CLOCK}/available_clocksource": available}
    readiness = check_readiness(nsm=Nsm(Answering()), machine=machine(tmp_path, files))
    assert states(readiness)[CheckId.CLOCK_SOURCE] is State.FAILED


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0, 0.004, (State.OK, "+0.000 to +0.004 s from the NSM's")),
        (-2, -1.9, (State.OK, "-2.000 to -1.900 s from the NSM's")),
        (2.5, 2.6, (State.WARNING, "+2.500 to +2.600 s from the NSM's")),
        (-2.6, -2.5, (State.WARNING, "-2.600 to -2.500 s from the NSM's")),
        (-29, 29, (State.OK, "-29.000 to +29.000 s from the NSM's")),
        (0, 31, (State.UNKNOWN, "+0.000 to +31.000 s from the NSM's: the NSM took too long to tell")),
        (31, 31.1, (State.FAILED, "+31.000 to +31.100 s from the NSM's")),
        (-31.1, -31, (State.FAILED, "-31.100 to -31.000 s from the NSM's")),
        (0.5, -0.5, (State.OK, "-0.500 to +0.500 s from the NSM's")),
    ],
)
def test_the_clock_is_held_to_the_time_that_the_nsm_signs(
    tmp_path: Path, before: float, after: float, expected: tuple[State, str]
) -> None:
    """Certificates that ended years ago would be accepted, or a slow answer would be taken for a wrong clock."""
    readings = iter([NOW + timedelta(seconds=before), NOW + timedelta(seconds=after)])
    here = Machine(root=machine(tmp_path).root, clock=lambda: next(readings), architecture="x86_64")
    assert found(check_readiness(nsm=Nsm(Answering()), machine=here), CheckId.CLOCK_TIME) == expected


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        encode(1),
        encode((b"", {}, b"")),
        encode((b"", {}, "text", b"")),
        encode((b"", {}, b"\xa0", b"")),
        encode((b"", {}, encode({"timestamp": "now"}), b"")),
        encode((b"", {}, encode({"timestamp": True}), b"")),
        encode((b"", {}, encode({"timestamp": 0}), b"")),
        encode((b"", {}, encode({"timestamp": 2**64 - 1}), b"")),
        encode((b"", {}, encode({"timestamp": 2**48}), b"")),
    ],
)
def test_a_document_without_a_time_is_an_error_that_keeps_it(document: bytes) -> None:
    """A crash, or a clock held to nothing."""
    with pytest.raises(NsmProtocolError, match="the document cannot be read") as raised:
        decode_time(document)
    assert raised.value.reply == document


def test_an_nsm_that_signs_nonsense_fails_the_clock_alone(tmp_path: Path) -> None:
    """One bad answer would hide the others."""
    backend = Answering(Attestation=AttestationDocument(document=b"x"))
    readiness = check_readiness(nsm=Nsm(backend), machine=machine(tmp_path))
    assert [finding.id for finding in readiness.blocking()] == [CheckId.CLOCK_TIME]


def describing(**changes: object) -> NsmDescription:
    values: dict[str, object] = {
        "module_id": ThrowawayPki(seed=bytes(32)).module_id(bytes(8)),
        "locked_pcrs": tuple(range(16)),
        **changes,
    }
    return NsmDescription(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("description", "check", "expected"),
    [
        (describing(locked_pcrs=tuple(range(1, 15))), CheckId.NSM_LOCKED_PCRS, "not locked: PCR0, PCR15"),
        (describing(max_pcrs=24), CheckId.NSM_PCR_COUNT, "24 PCRs"),
        (describing(digest="SHA256"), CheckId.NSM_DIGEST, "digest is 'SHA256'"),
        (
            describing(module_id="i-1-enc2"),
            CheckId.NSM_MODULE_ID,
            "module_id is 'i-1-enc2', but PCR4 measures another instance",
        ),
        (describing(module_id="i-1"), CheckId.NSM_MODULE_ID, "module_id is 'i-1', which names no instance"),
    ],
)
def test_what_is_wrong_with_the_nsm_is_found(
    tmp_path: Path, description: NsmDescription, check: CheckId, expected: str
) -> None:
    """An enclave would attest with registers that anybody in it can write."""
    backend = Answering(DescribeNsm=description)
    readiness = check_readiness(nsm=Nsm(backend), machine=machine(tmp_path))
    assert found(readiness, check) == (State.FAILED, expected)
    assert [finding.id for finding in readiness.blocking()] == [check]


def test_pcrs_locked_later_are_no_fault(tmp_path: Path) -> None:
    """An application that measures its configuration would not start."""
    backend = Answering(DescribeNsm=describing(locked_pcrs=tuple(range(18))))
    readiness = check_readiness(nsm=Nsm(backend), machine=machine(tmp_path))
    assert found(readiness, CheckId.NSM_LOCKED_PCRS) == (State.OK, "18 PCRs are locked, 0 to 15 among them")


def test_debug_mode_is_seen_from_inside(tmp_path: Path) -> None:
    """An enclave whose console is read would handle secrets."""
    readiness = check_readiness(nsm=Nsm(Answering(debug=True)), machine=machine(tmp_path))
    assert found(readiness, CheckId.NSM_DEBUG_MODE) == (State.FAILED, "PCR0, PCR1 and PCR2 are zero: debug mode")


def test_one_pcr_of_the_build_that_is_zero_is_no_production_either(tmp_path: Path) -> None:
    """Half a measurement would pass for one."""
    software = SoftwareNsm(clock=lambda: NOW, pcrs={1: bytes(48)})
    readiness = check_readiness(nsm=Nsm(SoftwareBackend(software)), machine=machine(tmp_path))
    assert found(readiness, CheckId.NSM_DEBUG_MODE) == (State.FAILED, "zero: PCR1")


def test_expected_pcrs_are_compared(tmp_path: Path) -> None:
    """Another build would run unnoticed."""
    software = SoftwareNsm(clock=lambda: NOW, pcrs={0: b"\x01" * 48, 16: b"\x02" * 48})
    given = {0: b"\x01" * 48, 16: b"\x02" * 48}

    def check(**pcrs: bytes) -> tuple[State, str]:
        expected = Expectations(pcrs=given | {int(name[1:]): value for name, value in pcrs.items()})
        nsm = Nsm(SoftwareBackend(software))
        return found(check_readiness(nsm=nsm, machine=machine(tmp_path), expected=expected), CheckId.NSM_EXPECTED_PCRS)

    assert check() == (State.OK, "as expected: PCR0, PCR16")
    assert check(_2=bytes(48), _16=bytes(48)) == (State.FAILED, "not as expected: PCR2, PCR16")


@pytest.mark.parametrize("pcrs", [{32: bytes(48)}, {-1: bytes(48)}, {0: bytes(32)}])
def test_impossible_expectations_are_refused(pcrs: dict[int, bytes]) -> None:
    """They would fail on every machine, for a reason that nobody sees."""
    with pytest.raises(ValueError, match="want 0 to 31, 48 bytes"):
        Expectations(pcrs=pcrs)


def test_an_nsm_that_refuses_is_asked_once_and_fails_what_hangs_on_it(tmp_path: Path) -> None:
    """One that hangs would keep the application waiting for two minutes per check."""
    backend = Answering(DescribeNsm=Refusal(code="InternalError"))
    readiness = check_readiness(nsm=Nsm(backend), machine=machine(tmp_path))
    assert backend.asked == ["DescribeNsm"]
    assert tuple(finding.id for finding in readiness.blocking()) == NSM_CHECKS
    assert {finding.found for finding in readiness.blocking()} == {
        "InternalError: DescribeNsm: the NSM answered InternalError"
    }


def test_nothing_is_changed(tmp_path: Path) -> None:
    """A check would be one that nobody dares to run."""
    backend = Answering()
    check_readiness(nsm=Nsm(backend), machine=machine(tmp_path))
    assert set(backend.asked) == {"DescribeNsm", "DescribePcr", "Attestation"}


def test_a_device_that_is_no_nsm_fails(tmp_path: Path) -> None:
    """Whatever lies at /dev/nsm would pass for one."""
    here = machine(tmp_path)
    plant_device(here.root, "dev/nsm")
    readiness = check_readiness(machine=here)
    state, text = found(readiness, CheckId.NSM_DEBUG_MODE)
    assert state is State.FAILED
    assert text.startswith("NsmUnavailableError: the NSM driver failed: ENOTTY")


@pytest.mark.parametrize(
    ("text", "cpus"), [("", set()), ("0", {0}), ("0-3,6", {0, 1, 2, 3, 6}), ("1, 5", {1, 5}), ("7-7", {7})]
)
def test_lists_of_cpus_are_read(text: str, cpus: set[int]) -> None:
    """CPUs would be counted wrong."""
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["x", "1-", "-1", "3-1", "1,,2", "1-2-3", "100000", "0-99999999999"])
def test_other_lists_of_cpus_are_refused_without_counting_them_out(text: str) -> None:
    """A file would take all memory."""
    with pytest.raises(ValueError, match=r"is no CPU|ends before it starts"):
        parse_cpus(text)
