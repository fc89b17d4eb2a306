"""`check_readiness`: carries out every check that belongs to a place, and lets none of them fall silent."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

from issuer.nsm import DeviceBackend, Nsm, NsmError
from issuer.readiness import access, allocator, clock, entropy, resources, security_module
from issuer.readiness import enclaves as described
from issuer.readiness.catalogue import CheckId
from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Finding, Judgement, Place, Readiness, State
from issuer.readiness.machine import NSM_DEVICE, Machine, UnreadableError
from issuer.readiness.security_module import ask_nsm, compare_pcrs

_Judge: TypeAlias = Callable[[], Judgement]
_Check: TypeAlias = tuple[CheckId, _Judge]

_DEFAULTS: Final = Expectations()
_NSM_JUDGES: Final = MappingProxyType(
    {
        CheckId.NSM_LOCKED_PCRS: security_module.judge_locked,
        CheckId.NSM_PCR_COUNT: security_module.judge_pcr_count,
        CheckId.NSM_DIGEST: security_module.judge_digest,
        CheckId.NSM_MODULE_ID: security_module.judge_module_id,
        CheckId.NSM_DEBUG_MODE: security_module.judge_debug_mode,
    }
)
_NSM_ASKED_FURTHER: Final = (CheckId.NSM_EXPECTED_PCRS, CheckId.CLOCK_TIME)
_ENCLAVE_CHECKS: Final = (CheckId.PARENT_ENCLAVE_STATE, CheckId.PARENT_ENCLAVE_FLAGS, CheckId.PARENT_ENCLAVE_PCRS)


def check_readiness(
    *,
    place: Place = Place.ENCLAVE,
    nsm: Nsm | None = None,
    expected: Expectations = _DEFAULTS,
    machine: Machine | None = None,
    enclaves: bytes | None = None,
) -> Readiness:
    """Look at everything that belongs to a place; changes nothing, and raises nothing for what it finds.

    In an enclave, and on a parent, what is missing has failed. Elsewhere it does not apply. The place is taken as said,
    never guessed: an enclave without its NSM would look like no enclave.

    Args:
        place: whose checks; elsewhere, both.
        nsm: who is asked, and left open; None is the device of the enclave, opened for this and closed.
        expected: what the machine is held to.
        machine: where files and time come from; None is this one.
        enclaves: the output of ``nitro-cli describe-enclaves``; None has a parent run it.
    """
    machine = machine or Machine()
    findings: list[Finding] = []
    if place is not Place.PARENT:
        findings += _on_files(machine, expected, place)
        findings += _on_nsm(nsm, machine, expected, place)
    if place is not Place.ENCLAVE:
        findings += _on_parent(machine, expected, place)
        findings += _on_enclaves(machine, expected, place, enclaves)
    order = list(CheckId)
    return Readiness(place=place, findings=tuple(sorted(findings, key=lambda finding: order.index(finding.id))))


def _on_files(machine: Machine, expected: Expectations, place: Place) -> Iterator[Finding]:
    checks: tuple[_Check, ...] = (
        (CheckId.ENTROPY_SOURCE, partial(entropy.judge_source, machine)),
        (CheckId.ENTROPY_AVAILABLE, partial(entropy.judge_available, machine)),
        (CheckId.ENTROPY_CPU_TRUST, partial(entropy.judge_cpu_trust, machine)),
        (CheckId.FILES_LIMIT, partial(resources.judge_files, machine, expected)),
        (CheckId.MEMORY_HEADROOM, partial(resources.judge_memory, machine, expected)),
        (CheckId.CPU_COUNT, partial(resources.judge_cpus, machine, expected)),
    )
    is_here = place is Place.ENCLAVE
    source = partial(clock.judge_source, machine, expected)
    yield from (_finding(check, judge if is_here else _in_no_enclave) for check, judge in checks)
    yield _finding(CheckId.CLOCK_SOURCE, source if is_here else partial(_at_most_warning, source))


def _on_nsm(nsm: Nsm | None, machine: Machine, expected: Expectations, place: Place) -> list[Finding]:
    """Ask the NSM, and no more once it failed: one that hangs takes two minutes each time."""
    if nsm is None and place is not Place.ENCLAVE:
        return [_finding(check, _in_no_enclave) for check in (*_NSM_JUDGES, *_NSM_ASKED_FURTHER)]
    try:
        with nullcontext(nsm) if nsm else Nsm(DeviceBackend(machine.root / NSM_DEVICE)) as opened:
            facts = ask_nsm(opened, expected)
            return [
                *(_finding(check, partial(judge, facts)) for check, judge in _NSM_JUDGES.items()),
                _finding(CheckId.NSM_EXPECTED_PCRS, lambda: compare_pcrs(facts.pcrs, expected)),
                _finding(CheckId.CLOCK_TIME, lambda: clock.judge_time(clock.read_clock(opened, machine), expected)),
            ]
    except NsmError as error:
        found = _error_text(error)
        return [_finding(check, lambda: (State.FAILED, found)) for check in (*_NSM_JUDGES, *_NSM_ASKED_FURTHER)]


def _on_parent(machine: Machine, expected: Expectations, place: Place) -> Iterator[Finding]:
    checks: tuple[_Check, ...] = (
        (CheckId.PARENT_DEVICE, partial(access.judge_device, machine)),
        (CheckId.PARENT_GROUP, partial(access.judge_group, machine)),
        (CheckId.PARENT_ALLOCATOR, partial(allocator.judge_configuration, machine, expected)),
        (CheckId.PARENT_RESERVED, partial(allocator.judge_reserved, machine)),
        (CheckId.PARENT_HEADROOM, partial(allocator.judge_headroom, machine, expected)),
    )
    is_here = place is Place.PARENT
    yield from (_finding(check, judge if is_here else _on_no_parent) for check, judge in checks)


def _on_enclaves(machine: Machine, expected: Expectations, place: Place, output: bytes | None) -> Iterator[Finding]:
    """Judge what nitro-cli says; nothing is known of enclaves if it says nothing."""
    try:
        if output is None and place is not Place.PARENT:
            judges: tuple[_Judge, ...] = (_on_no_parent,) * len(_ENCLAVE_CHECKS)
        else:
            enclaves = described.decode_enclaves(machine.describe_enclaves() if output is None else output)
            judges = (
                partial(described.judge_states, enclaves),
                partial(described.judge_flags, enclaves),
                partial(described.judge_pcrs, enclaves, expected),
            )
    except UnreadableError as error:
        found = str(error)
        judges = (lambda: (State.UNKNOWN, found),) * len(_ENCLAVE_CHECKS)
    yield from map(_finding, _ENCLAVE_CHECKS, judges)


def _finding(check: CheckId, judge: _Judge) -> Finding:
    """Carry out one check; what cannot be looked at has failed."""
    try:
        state, found = judge()
    except UnreadableError as error:
        state, found = State.FAILED, str(error)
    except NsmError as error:
        state, found = State.FAILED, _error_text(error)
    return Finding(id=check, state=state, found=found)


def _error_text(error: NsmError) -> str:
    return f"{type(error).__name__}: {error}"


def _at_most_warning(judge: _Judge) -> Judgement:
    """Judge what matters in an enclave where there is none: worth knowing, and no more."""
    try:
        state, found = judge()
    except UnreadableError:
        return _in_no_enclave()
    return (state if state is State.OK else State.WARNING), f"{found}; this is no enclave"


def _in_no_enclave() -> Judgement:
    return State.NOT_APPLICABLE, "this is no enclave"


def _on_no_parent() -> Judgement:
    return State.NOT_APPLICABLE, "this is no parent instance"
