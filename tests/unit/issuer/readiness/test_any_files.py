"""Whatever lies where the checks look, they end with findings."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.nsm import Nsm, SoftwareBackend, SoftwareNsm, ThrowawayPki
from issuer.readiness import CheckId, Machine, Place, Readiness, State, check_readiness
from tests.unit.issuer.readiness.trees import ENCLAVE, PARENT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PKI = ThrowawayPki(seed=bytes(32))
FILES = sorted({*ENCLAVE, *PARENT})
GENUINE = {**ENCLAVE, **PARENT}
MANY_DIGITS = "9" * 5000


def look(files: dict[str, bytes], enclaves: bytes) -> Readiness:
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return check_readiness(
            place=Place.PARENT if b"[" in enclaves else Place.ENCLAVE,
            nsm=Nsm(SoftwareBackend(SoftwareNsm(clock=lambda: NOW, pki=PKI))),
            machine=Machine(root=Path(folder), clock=lambda: NOW, architecture="x86_64"),
            enclaves=enclaves,
        )


def contents(name: str) -> st.SearchStrategy[bytes]:
    """Anything, or what should be there with something put in."""
    genuine = GENUINE[name].encode()
    cuts = st.tuples(st.integers(0, len(genuine)), st.binary(max_size=8), st.integers(0, len(genuine)))
    return st.binary(max_size=64) | cuts.map(lambda cut: genuine[: cut[0]] + cut[1] + genuine[cut[2] :])


@given(files=st.fixed_dictionaries({}, optional={name: contents(name) for name in FILES}), enclaves=st.binary())
def test_any_files_come_to_findings(files: dict[str, bytes], enclaves: bytes) -> None:
    """An application would die of an exception that says nothing, or, worse, catch it and go on."""
    for output in (enclaves, b"[" + enclaves + b"]"):
        readiness = look(files, output)
        assert len({finding.id for finding in readiness.findings}) == len(readiness.findings)
        assert all(finding.found.isascii() for finding in readiness.findings)


@pytest.mark.parametrize(
    ("name", "text", "check"),
    [
        ("proc/meminfo", f"MemTotal: {MANY_DIGITS} kB\nMemAvailable: 1 kB\n", CheckId.MEMORY_HEADROOM),
        ("proc/self/limits", f"Max open files   {MANY_DIGITS}   {MANY_DIGITS}   files", CheckId.FILES_LIMIT),
    ],
)
def test_numbers_without_end_in_an_enclave_fail(name: str, text: str, check: CheckId) -> None:
    """Python reads no number of more than 4300 digits, and raises."""
    assert _state(look({name: text.encode()}, b""), check) is State.FAILED


@pytest.mark.parametrize(
    ("name", "text", "check"),
    [
        ("proc/self/status", f"Uid: 1 {MANY_DIGITS} 1 1\nGid: 1 1 1 1\nGroups:\n", CheckId.PARENT_GROUP),
        ("etc/group", f"ne:x:{MANY_DIGITS}:\n", CheckId.PARENT_GROUP),
        ("etc/nitro_enclaves/allocator.yaml", f"memory_mib: {MANY_DIGITS}\ncpu_count: 2\n", CheckId.PARENT_ALLOCATOR),
    ],
)
def test_numbers_without_end_on_a_parent_fail(name: str, text: str, check: CheckId) -> None:
    """The same."""
    files = {other: content.encode() for other, content in PARENT.items()}
    assert _state(look(files | {name: text.encode()}, b"[]"), check) is State.FAILED


def _state(readiness: Readiness, check: CheckId) -> State:
    (state,) = (finding.state for finding in readiness.findings if finding.id is check)
    return state
