"""What the NSM says of itself and of the enclave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from issuer.nsm import Nsm, NsmDescription
from issuer.nsm.pcrs import LOCKED_AT_BOOT, PCR_COUNT, ZERO, instance_pcr
from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Judgement, State

BUILD_PCRS: Final = (0, 1, 2)
INSTANCE_PCR: Final = 4
DIGEST: Final = "SHA384"


@dataclass(frozen=True, slots=True, kw_only=True)
class NsmFacts:
    """What was asked of the NSM, once."""

    description: NsmDescription
    pcrs: Mapping[int, bytes]


def ask_nsm(nsm: Nsm, expected: Expectations) -> NsmFacts:
    """Ask what it is and for the PCRs that checks look at.

    Raises:
        NsmError: it did not answer everything.
    """
    indices = sorted({*BUILD_PCRS, INSTANCE_PCR, *expected.pcrs})
    return NsmFacts(
        description=nsm.describe(),
        pcrs={index: nsm.describe_pcr(index).data for index in indices},
    )


def judge_locked(facts: NsmFacts) -> Judgement:
    """Hold the PCRs that are locked at boot to be locked."""
    missing = sorted(set(range(LOCKED_AT_BOOT)).difference(facts.description.locked_pcrs))
    if missing:
        return State.FAILED, f"not locked: {', '.join(f'PCR{index}' for index in missing)}"
    return State.OK, f"{len(facts.description.locked_pcrs)} PCRs are locked, 0 to {LOCKED_AT_BOOT - 1} among them"


def judge_pcr_count(facts: NsmFacts) -> Judgement:
    """Hold the NSM to the number of PCRs that the interface has."""
    count = facts.description.max_pcrs
    return (State.OK if count == PCR_COUNT else State.FAILED), f"{count} PCRs"


def judge_digest(facts: NsmFacts) -> Judgement:
    """Hold the NSM to SHA-384."""
    digest = facts.description.digest
    return (State.OK if digest == DIGEST else State.FAILED), f"digest is {digest[:80]!a}"


def judge_module_id(facts: NsmFacts) -> Judgement:
    """Hold the name of the enclave to what PCR4 measures of its parent."""
    module_id = facts.description.module_id
    instance, separator, _ = module_id.partition("-enc")
    found = f"module_id is {module_id[:80]!a}"
    if not separator:
        return State.FAILED, f"{found}, which names no instance"
    if facts.pcrs[INSTANCE_PCR] != instance_pcr(instance):
        return State.FAILED, f"{found}, but PCR4 measures another instance"
    return State.OK, f"{found}, as PCR4 has it"


def judge_debug_mode(facts: NsmFacts) -> Judgement:
    """Hold the PCRs of the build to be measured: zero is what debug mode shows."""
    zero = [index for index in BUILD_PCRS if facts.pcrs[index] == ZERO]
    if zero == list(BUILD_PCRS):
        return State.FAILED, "PCR0, PCR1 and PCR2 are zero: debug mode"
    if zero:
        return State.FAILED, f"zero: {', '.join(f'PCR{index}' for index in zero)}"
    return State.OK, "PCR0, PCR1 and PCR2 are measured"


def compare_pcrs(pcrs: Mapping[int, bytes], expected: Expectations) -> Judgement:
    """Compare every expected PCR; one that is not there differs."""
    if not expected.pcrs:
        return State.NOT_APPLICABLE, "no expected values were given"
    wrong = [f"PCR{index}" for index, value in sorted(expected.pcrs.items()) if pcrs.get(index) != value]
    if wrong:
        return State.FAILED, f"not as expected: {', '.join(wrong)}"
    return State.OK, f"as expected: {', '.join(f'PCR{index}' for index in sorted(expected.pcrs))}"
