"""Every check by its stable id, why it matters and what to do when it does not hold.

Ids are public, as they stand in JSON and in docs/readiness.md; they are never reworded. The texts are for people.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class CheckId(StrEnum):
    """What is looked at, in the order in which it is shown."""

    ENTROPY_SOURCE = "entropy.source"
    ENTROPY_AVAILABLE = "entropy.available"
    ENTROPY_CPU_TRUST = "entropy.cpu-trust"
    CLOCK_SOURCE = "clock.source"
    CLOCK_TIME = "clock.time"
    NSM_LOCKED_PCRS = "nsm.locked-pcrs"
    NSM_PCR_COUNT = "nsm.pcr-count"
    NSM_DIGEST = "nsm.digest"
    NSM_MODULE_ID = "nsm.module-id"
    NSM_DEBUG_MODE = "nsm.debug-mode"
    NSM_EXPECTED_PCRS = "nsm.expected-pcrs"
    FILES_LIMIT = "files.limit"
    MEMORY_HEADROOM = "memory.headroom"
    CPU_COUNT = "cpu.count"
    PARENT_DEVICE = "parent.device"
    PARENT_GROUP = "parent.group"
    PARENT_ALLOCATOR = "parent.allocator"
    PARENT_RESERVED = "parent.reserved"
    PARENT_HEADROOM = "parent.headroom"
    PARENT_ENCLAVE_STATE = "parent.enclave-state"
    PARENT_ENCLAVE_FLAGS = "parent.enclave-flags"
    PARENT_ENCLAVE_PCRS = "parent.enclave-pcrs"


@dataclass(frozen=True, slots=True)
class Topic:
    """What is to be said of a check whatever it finds."""

    why: str
    remedy: str


TOPICS: Final = MappingProxyType(
    {
        CheckId.ENTROPY_SOURCE: Topic(
            "Keys are only as secret as what they are made from, and the NSM is the one source of randomness in an "
            "enclave that the parent has no part in.",
            "Write nsm-hwrng to /sys/devices/virtual/misc/hw_random/rng_current before anything makes a key.",
        ),
        CheckId.ENTROPY_AVAILABLE: Topic(
            "Without its driver the NSM never feeds the kernel's pool, and nothing can choose it.",
            "Build the image with a kernel that has the NSM driver, or load nsm.ko in init.",
        ),
        CheckId.ENTROPY_CPU_TRUST: Topic(
            "The kernel credits the CPU's own instruction at boot, before the NSM's driver is there. "
            "Amazon's stock command line says random.trust_cpu=on.",
            "Build the image with random.trust_cpu=off; that changes PCR0 and PCR1. Or accept it: the NSM feeds the "
            "same pool.",
        ),
        CheckId.CLOCK_SOURCE: Topic(
            "On a clock that does not follow the hypervisor the enclave may boot in 1999, and certificates, tokens "
            "and ages mean nothing.",
            "Write the expected name to /sys/devices/system/clocksource/clocksource0/current_clocksource, or say which "
            "other one is right (--clock-source).",
        ),
        CheckId.CLOCK_TIME: Topic(
            "An enclave's clock drifts by seconds a week and nothing corrects it; the NSM's documents carry the "
            "hypervisor's time.",
            "Discipline the clock (chrony on /dev/ptp0), or set it from a document's timestamp at startup.",
        ),
        CheckId.NSM_LOCKED_PCRS: Topic(
            "PCR0 to 15 are locked at boot. If one is not, whoever runs in the enclave can change what it measures.",
            "Do not attest. This is no Nitro hypervisor, or one that has changed: report it.",
        ),
        CheckId.NSM_PCR_COUNT: Topic(
            "An NSM with another number of PCRs is one that this code was never tried on.",
            "Do not attest before somebody has read what changed.",
        ),
        CheckId.NSM_DIGEST: Topic(
            "Expected values are SHA-384; with another digest no measurement can match.",
            "Do not attest before somebody has read what changed.",
        ),
        CheckId.NSM_MODULE_ID: Topic(
            "PCR4 measures the parent instance that module_id names. If they differ, one of the two is not true.",
            "Do not attest. Outside Nitro (QEMU) give the machine a parent-id.",
        ),
        CheckId.NSM_DEBUG_MODE: Topic(
            "In debug mode the parent reads the console, and PCR0 to 2 are zero, so that no verifier should accept "
            "the enclave.",
            "Run the enclave without --debug-mode.",
        ),
        CheckId.NSM_EXPECTED_PCRS: Topic(
            "An enclave with other PCRs is not the image that you built.",
            "Investigate before anything else; if the image was rebuilt, update the policies and what is expected.",
        ),
        CheckId.FILES_LIMIT: Topic(
            "Every connection takes a descriptor, a forwarded one two; at the limit the enclave stops answering.",
            "Raise the limit (ulimit -n) before the application starts, and cap its connections below it.",
        ),
        CheckId.MEMORY_HEADROOM: Topic(
            "An enclave has no swap, and its files lie in memory too; when that is used up, the kernel kills the "
            "application.",
            "Give run-enclave more --memory, at least twice the working set, and raise the allocator's reservation.",
        ),
        CheckId.CPU_COUNT: Topic(
            "One CPU shares its time between the application and everything that feeds it.",
            "Give run-enclave --cpu-count 2 or more.",
        ),
        CheckId.PARENT_DEVICE: Topic(
            "nitro-cli starts enclaves through /dev/nitro_enclaves.",
            "Launch the instance with EnclaveOptions enabled, install aws-nitro-enclaves-cli, join the group ne.",
        ),
        CheckId.PARENT_GROUP: Topic(
            "/dev/nitro_enclaves belongs to the group ne; outside of it only root can start enclaves.",
            "Run `sudo usermod -aG ne $USER` and log in again.",
        ),
        CheckId.PARENT_ALLOCATOR: Topic(
            "Enclaves get what the allocator has reserved; from a configuration that it cannot use, nothing.",
            "Correct /etc/nitro_enclaves/allocator.yaml: memory_mib, and one of cpu_count and cpu_pool; then restart "
            "nitro-enclaves-allocator.service.",
        ),
        CheckId.PARENT_RESERVED: Topic(
            "A reservation that is only in the file makes run-enclave fail with insufficient resources.",
            "Run `sudo systemctl restart nitro-enclaves-allocator.service`; if memory is too fragmented, reboot.",
        ),
        CheckId.PARENT_HEADROOM: Topic(
            "The parent runs the proxies that enclaves talk through; starved, it takes them all down.",
            "Leave it 2 CPUs and 2 GiB: reserve less, or use a larger instance.",
        ),
        CheckId.PARENT_ENCLAVE_STATE: Topic(
            "Connections are refused while no enclave runs, and go nowhere with the wrong CID.",
            "Start the enclave, wait until it is RUNNING, and connect to the CID shown here.",
        ),
        CheckId.PARENT_ENCLAVE_FLAGS: Topic(
            "Only flags NONE is an enclave whose console the parent cannot read.",
            "Terminate it and run it without --debug-mode.",
        ),
        CheckId.PARENT_ENCLAVE_PCRS: Topic(
            "What the hypervisor measured is what verifiers and KMS will see, whatever describe-eif says.",
            "If they are not your build's, investigate at once; after a rebuild, update policies and key policies.",
        ),
    }
)
