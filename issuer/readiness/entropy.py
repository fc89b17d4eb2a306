"""Where randomness comes from."""

from typing import Final

from issuer.readiness.findings import Judgement, State
from issuer.readiness.machine import NSM_RNG, RNG, Machine

# linux/lib/kstrtox.c, kstrtobool: the first letter decides, and after an "o" the second.
_OFF: Final = ("0", "n", "N", "f", "F", "of", "oF", "Of", "OF")
_ON: Final = ("1", "y", "Y", "t", "T", "on", "oN", "On", "ON")


def judge_source(machine: Machine) -> Judgement:
    """Hold what the kernel reads from to the NSM."""
    current = machine.read(f"{RNG}/rng_current").strip()
    return (State.OK if current == NSM_RNG else State.FAILED), f"rng_current is {current[:80]!a}"


def judge_available(machine: Machine) -> Judgement:
    """Hold what the kernel could read from to include the NSM."""
    available = machine.read(f"{RNG}/rng_available").split()
    return (State.OK if NSM_RNG in available else State.FAILED), f"rng_available is {' '.join(available)[:80]!a}"


def judge_cpu_trust(machine: Machine) -> Judgement:
    """Say whether the kernel credits the CPU's instruction; the last word on the command line counts."""
    trusted: bool | None = None
    words = machine.read("proc/cmdline").split()
    for word in words[: words.index("--")] if "--" in words else words:  # what follows is for init
        name, _, value = word.partition("=")
        if name.replace("-", "_") == "random.trust_cpu":
            trusted = False if value.startswith(_OFF) else True if value.startswith(_ON) else trusted
    if trusted is None:
        return State.WARNING, "random.trust_cpu is not set: the kernel's build decides"
    return (State.WARNING, "random.trust_cpu is on") if trusted else (State.OK, "random.trust_cpu is off")
