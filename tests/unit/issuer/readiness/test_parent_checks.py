"""What is checked on a parent, over directory trees and a nitro-cli that is a shell script."""

import json
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.readiness import CheckId, Expectations, Machine, Place, Readiness, State, check_readiness, detect_place
from issuer.readiness.access import Identity, judge_permissions
from issuer.readiness.machine import Device
from tests.unit.issuer.readiness.trees import (
    ALLOCATOR,
    CPUS,
    NE_CPUS,
    PAGES,
    PARENT,
    RNG,
    plant,
    plant_device,
    plant_nitro_cli,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PCR = "ab" * 48
ENCLAVE: dict[str, Any] = {
    "EnclaveName": "app",
    "EnclaveID": "i-1-enc2",
    "ProcessID": 7077,
    "EnclaveCID": 16,
    "NumberOfCPUs": 2,
    "CPUIDs": [1, 5],
    "MemoryMiB": 2048,
    "State": "RUNNING",
    "Flags": "NONE",
    "Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": PCR, "PCR1": PCR, "PCR2": PCR},
}


def machine(root: Path, files: Mapping[str, str | None] | None = None) -> Machine:
    return Machine(root=plant(root, {**PARENT, **(files or {})}), clock=lambda: NOW, architecture="x86_64")


def output(*enclaves: object) -> bytes:
    return json.dumps(enclaves).encode()


def check(
    root: Path,
    files: Mapping[str, str | None] | None = None,
    *,
    enclaves: bytes | None = output(ENCLAVE),
    **pcrs: bytes,
) -> Readiness:
    expected = Expectations(pcrs={int(name[1:]): value for name, value in pcrs.items()})
    return check_readiness(place=Place.PARENT, machine=machine(root, files), enclaves=enclaves, expected=expected)


def found(readiness: Readiness, check_id: CheckId) -> tuple[State, str]:
    (finding,) = (finding for finding in readiness.findings if finding.id is check_id)
    return finding.state, finding.found


def test_a_good_parent_passes_every_check(tmp_path: Path) -> None:
    """Operators would learn to ignore it."""
    plant_device(tmp_path, "dev/nitro_enclaves")
    readiness = check(tmp_path, _0=bytes.fromhex(PCR))
    states = {finding.id: finding.state for finding in readiness.findings}
    assert list(states) == [one for one in CheckId if one.startswith("parent.")]
    assert states.pop(CheckId.PARENT_DEVICE) is State.WARNING  # what stands in for the device is open to everybody
    assert set(states.values()) == {State.OK}


def test_on_a_parent_what_is_missing_has_failed(tmp_path: Path) -> None:
    """A machine on which nothing was installed would pass."""
    readiness = check_readiness(place=Place.PARENT, machine=Machine(root=tmp_path))
    states = {finding.state for finding in readiness.findings}
    assert states == {State.FAILED, State.UNKNOWN}
    assert found(readiness, CheckId.PARENT_DEVICE) == (State.FAILED, "/dev/nitro_enclaves: No such file or directory")
    assert found(readiness, CheckId.PARENT_ENCLAVE_FLAGS) == (
        State.UNKNOWN,
        "/usr/bin/nitro-cli: No such file or directory",
    )


@pytest.mark.parametrize(
    ("check_id", "files", "expected"),
    [
        (
            CheckId.PARENT_GROUP,
            {"proc/self/status": "Uid:\t1 1 1 1\nGid:\t1 1 1 1\nGroups:\t\n"},
            (State.FAILED, "this process is not in ne (988)"),
        ),
        (
            CheckId.PARENT_GROUP,
            {"proc/self/status": "Uid:\t1 0 1 1\nGid:\t1 1 1 1\nGroups:\t\n"},
            (State.OK, "this process is root, which needs no ne"),
        ),
        (
            CheckId.PARENT_GROUP,
            {"proc/self/status": "Uid:\t1 1 1 1\nGid:\t1 988 1 1\nGroups:\t\n"},
            (State.OK, "this process is in ne (988)"),
        ),
        (
            CheckId.PARENT_GROUP,
            {"proc/self/status": "Uid:\t1\n"},
            (State.FAILED, "/proc/self/status: no user and groups"),
        ),
        (CheckId.PARENT_GROUP, {"proc/self/status": ""}, (State.FAILED, "/proc/self/status: no user and groups")),
        (CheckId.PARENT_GROUP, {"etc/group": "one:x:1:\n"}, (State.FAILED, "/etc/group: no group ne")),
        (CheckId.PARENT_ALLOCATOR, {ALLOCATOR: "memory_mib: 512\ncpu_pool: 2,3\n"}, (State.OK, "2 CPUs and 512 MiB")),
        (CheckId.PARENT_ALLOCATOR, {ALLOCATOR: 'memory_mib: 512\ncpu_pool: "1-3"\n'}, (State.OK, "3 CPUs and 512 MiB")),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 512\ncpu_count: 1 # one\n"},
            (State.WARNING, "1 CPUs and 512 MiB"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 63\ncpu_count: 2\n"},
            (State.FAILED, "2 CPUs and 63 MiB: too little for any enclave"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_count: 0\n"},
            (State.FAILED, "0 CPUs and 64 MiB: too little for any enclave"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_pool: 0-1\n"},
            (State.FAILED, "2 CPUs and 64 MiB: the core of CPU 0 is in cpu_pool, and has to stay with the parent"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_pool: a\n"},
            (State.FAILED, f"/{ALLOCATOR}: 'a' is no CPU"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_pool: 1\ncpu_count: 2\n"},
            (State.FAILED, f"/{ALLOCATOR}: want either cpu_count or cpu_pool"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\n"},
            (State.FAILED, f"/{ALLOCATOR}: want either cpu_count or cpu_pool"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "cpu_count: 2\n"},
            (State.FAILED, f"/{ALLOCATOR}: memory_mib is missing"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 2 GiB\ncpu_count: 2\n"},
            (State.FAILED, f"/{ALLOCATOR}: memory_mib is '2 GiB', no number"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_count: 2\nmemory_mib: 65\n"},
            (State.FAILED, f"/{ALLOCATOR}: memory_mib stands there twice"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_pool: 4-5\n", f"{CPUS}/cpu0/topology/thread_siblings_list": "0,4\n"},
            (
                State.FAILED,
                "2 CPUs and 64 MiB: the core of CPU 0 is in cpu_pool, and has to stay with the parent",
            ),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "---\n# two\n- memory_mib: 64\n  cpu_pool: 2,3\n-  cpu_count: 4\n   memory_mib: 512\n"},
            (State.OK, "6 CPUs and 576 MiB"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "- memory_mib: 64\n  cpu_count: 2\n- cpu_count: 4\n"},
            (State.FAILED, f"/{ALLOCATOR}: memory_mib is missing"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "memory_mib: 64\ncpu_count: 2\ncpus: 4\n"},
            (State.FAILED, f"/{ALLOCATOR}: 'cpus: 4' is no setting"),
        ),
        (
            CheckId.PARENT_ALLOCATOR,
            {ALLOCATOR: "---\n# nothing\n"},
            (State.FAILED, f"/{ALLOCATOR}: want either cpu_count or cpu_pool"),
        ),
        (CheckId.PARENT_RESERVED, {}, (State.OK, "2 of 2 CPUs and 4096 of 4096 MiB are reserved")),
        (CheckId.PARENT_RESERVED, {NE_CPUS: "\n"}, (State.FAILED, "0 of 2 CPUs and 4096 of 4096 MiB are reserved")),
        (CheckId.PARENT_RESERVED, {NE_CPUS: None}, (State.FAILED, f"/{NE_CPUS}: No such file or directory")),
        (
            CheckId.PARENT_RESERVED,
            {f"{PAGES}/hugepages-1048576kB/nr_hugepages": "3"},
            (State.FAILED, "2 of 2 CPUs and 3072 of 4096 MiB are reserved"),
        ),
        (
            CheckId.PARENT_RESERVED,
            {f"{PAGES}/hugepages-1048576kB/nr_hugepages": "3", f"{PAGES}/hugepages-2048kB/nr_hugepages": "512"},
            (State.OK, "2 of 2 CPUs and 4096 of 4096 MiB are reserved"),
        ),
        (
            CheckId.PARENT_RESERVED,
            {f"{PAGES}/hugepages-2048kB/nr_hugepages": "?"},
            (State.FAILED, f"/{PAGES}/hugepages-2048kB/nr_hugepages: '?' is no number"),
        ),
        (CheckId.PARENT_HEADROOM, {}, (State.OK, "6 CPUs and 12288 MiB are left to the parent")),
        (
            CheckId.PARENT_HEADROOM,
            {f"{CPUS}/present": "0-2"},
            (State.WARNING, "1 CPUs and 12288 MiB are left to the parent"),
        ),
        (
            CheckId.PARENT_HEADROOM,
            {"proc/meminfo": "MemTotal: 6291455 kB\n"},
            (State.WARNING, "6 CPUs and 2047 MiB are left to the parent"),
        ),
        (
            CheckId.PARENT_HEADROOM,
            {f"{CPUS}/present": "0-1"},
            (State.FAILED, "0 CPUs and 12288 MiB are left to the parent"),
        ),
        (
            CheckId.PARENT_HEADROOM,
            {"proc/meminfo": "MemTotal: 4194304 kB\n"},
            (State.FAILED, "6 CPUs and 0 MiB are left to the parent"),
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_found(
    tmp_path: Path, check_id: CheckId, files: dict[str, str | None], expected: tuple[State, str]
) -> None:
    """The tutorial's troubleshooting would begin where this ends."""
    assert found(check(tmp_path, files), check_id) == expected


def test_a_size_of_huge_pages_that_the_processor_does_not_have_counts_nothing(tmp_path: Path) -> None:
    """Every check would fail on it."""
    here = machine(tmp_path)
    (here.root / PAGES / "hugepages-2048kB/nr_hugepages").unlink()
    (here.root / PAGES / "hugepages-2048kB").rmdir()
    readiness = check_readiness(place=Place.PARENT, machine=here, enclaves=output())
    assert found(readiness, CheckId.PARENT_RESERVED)[0] is State.OK


USER = Identity(uid=1000, gids=frozenset({1000, 988}))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "identity", "state"),
    [
        (0o660, 0, 988, USER, State.OK),
        (0o600, 1000, 0, USER, State.OK),
        (0o660, 0, 0, Identity(uid=0, gids=frozenset()), State.OK),
        (0o660, 0, 989, USER, State.FAILED),
        (0o600, 0, 988, USER, State.FAILED),
        (0o640, 0, 988, USER, State.FAILED),
        (0o060, 1000, 988, USER, State.FAILED),
        (0o666, 0, 0, USER, State.WARNING),
        (0o664, 0, 988, USER, State.WARNING),
    ],
)
def test_the_device_is_judged_as_the_kernel_does(
    mode: int, owner: int, group: int, identity: Identity, state: State
) -> None:
    """Could not open /dev/nitro_enclaves, although all checks are ok."""
    device = Device(is_character=True, mode=stat.S_IFCHR | mode, uid=owner, gid=group)
    assert judge_permissions(device, identity)[0] is state


def test_a_file_in_the_place_of_the_device_fails(tmp_path: Path) -> None:
    """A leftover of a container would pass for it."""
    readiness = check(tmp_path, {"dev/nitro_enclaves": ""})
    assert found(readiness, CheckId.PARENT_DEVICE) == (State.FAILED, "/dev/nitro_enclaves is no character device")


STATE, FLAGS, PCRS = CheckId.PARENT_ENCLAVE_STATE, CheckId.PARENT_ENCLAVE_FLAGS, CheckId.PARENT_ENCLAVE_PCRS


@pytest.mark.parametrize(
    ("check_id", "enclaves", "expected"),
    [
        (STATE, [], (State.WARNING, "no enclave runs")),
        (FLAGS, [], (State.NOT_APPLICABLE, "no enclave runs")),
        (PCRS, [], (State.NOT_APPLICABLE, "no enclave runs")),
        (STATE, [ENCLAVE], (State.OK, "i-1-enc2: 'RUNNING', CID 16")),
        (STATE, [ENCLAVE | {"State": "TERMINATING"}], (State.FAILED, "i-1-enc2: 'TERMINATING', CID 16")),
        (STATE, [ENCLAVE | {"State": 1, "EnclaveCID": True}], (State.FAILED, "i-1-enc2: '', CID unknown")),
        (FLAGS, [ENCLAVE], (State.OK, "i-1-enc2: 'NONE'")),
        (
            FLAGS,
            [ENCLAVE, ENCLAVE | {"EnclaveID": "\x1b", "Flags": "DEBUG_MODE"}],
            (State.FAILED, r"i-1-enc2: 'NONE'; \x1b: 'DEBUG_MODE'"),
        ),
        (FLAGS, [{"EnclaveID": "e"}], (State.FAILED, "e: ''")),
        (PCRS, [ENCLAVE], (State.NOT_APPLICABLE, "no expected values were given")),
        (PCRS, [{"EnclaveID": "e"}], (State.FAILED, "PCR0, PCR1 or PCR2 is zero or missing: e")),
        (
            PCRS,
            [ENCLAVE | {"Measurements": {"PCR0": PCR, "PCR1": "00" * 48, "PCR2": PCR}}],
            (State.FAILED, "PCR0, PCR1 or PCR2 is zero or missing: i-1-enc2"),
        ),
        (
            PCRS,
            [ENCLAVE | {"Measurements": {"PCR0": PCR, "PCR1": "zz", "PCR2": ""}}],
            (State.FAILED, "PCR0, PCR1 or PCR2 is zero or missing: i-1-enc2"),
        ),
    ],
)
def test_what_nitro_cli_says_is_judged(
    tmp_path: Path, check_id: CheckId, enclaves: list[object], expected: tuple[State, str]
) -> None:
    """An enclave in debug mode would go to production."""
    assert found(check(tmp_path, enclaves=output(*enclaves)), check_id) == expected


def test_every_enclave_is_held_to_the_expected_pcrs(tmp_path: Path) -> None:
    """The second of two would be another build."""
    good = bytes.fromhex(PCR)
    other = ENCLAVE | {"EnclaveID": "other", "Measurements": {"PCR0": PCR, "PCR1": PCR, "PCR2": "cd" * 48}}
    assert found(check(tmp_path, enclaves=output(ENCLAVE), _2=good), PCRS) == (State.OK, "as expected: PCR2")
    assert found(check(tmp_path, enclaves=output(ENCLAVE, other), _0=good, _2=good), PCRS) == (
        State.FAILED,
        "other: not as expected: PCR2",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "no list"),
        (b"[1]", "an enclave without EnclaveID"),
        (b'[{"Flags": "NONE"}]', "an enclave without EnclaveID"),
        (b" " * 1_048_577, "larger than 1048576 bytes"),
    ],
)
def test_output_that_is_none_leaves_everything_unknown(tmp_path: Path, text: bytes, why: str) -> None:
    """It would be read as no enclave in debug mode."""
    readiness = check(tmp_path, enclaves=text)
    for check_id in (STATE, FLAGS, PCRS):
        assert found(readiness, check_id) == (State.UNKNOWN, f"describe-enclaves: {why}")
    assert not readiness.is_ready()


def test_nitro_cli_is_run_where_its_output_is_not_given(tmp_path: Path) -> None:
    """Everybody would have to run it by hand first."""
    plant_nitro_cli(tmp_path, f"[ \"$*\" = describe-enclaves ] && echo '{output(ENCLAVE).decode()}'")
    assert found(check(tmp_path, enclaves=None), FLAGS) == (State.OK, "i-1-enc2: 'NONE'")


def test_a_nitro_cli_that_fails_leaves_everything_unknown(tmp_path: Path) -> None:
    """The same."""
    plant_nitro_cli(tmp_path, "echo '[]'; exit 1")
    assert found(check(tmp_path, enclaves=None), FLAGS) == (
        State.UNKNOWN,
        "/usr/bin/nitro-cli describe-enclaves: CalledProcessError",
    )


def test_output_that_is_given_is_judged_anywhere(tmp_path: Path) -> None:
    """A colleague's file could not be looked at."""
    readiness = check_readiness(
        place=Place.ELSEWHERE, machine=Machine(root=tmp_path), enclaves=output(ENCLAVE | {"Flags": "DEBUG_MODE"})
    )
    assert [finding.id for finding in readiness.blocking()] == [FLAGS]


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({}, Place.ELSEWHERE),
        ({f"{RNG}/rng_available": "virtio_rng.0"}, Place.ELSEWHERE),
        ({"dev/nsm": ""}, Place.ENCLAVE),
        ({f"{RNG}/rng_available": "nsm-hwrng"}, Place.ENCLAVE),
        ({"dev/nitro_enclaves": ""}, Place.PARENT),
        ({ALLOCATOR: ""}, Place.PARENT),
        ({"usr/bin/nitro-cli": ""}, Place.PARENT),
        ({"usr/bin/nitro-cli": "", "dev/nsm": ""}, Place.ENCLAVE),
    ],
)
def test_the_place_shows_by_what_only_it_has(tmp_path: Path, files: dict[str, str | None], place: Place) -> None:
    """The wrong half would be checked."""
    assert detect_place(Machine(root=plant(tmp_path, files))) is place
