"""Directory trees that look like machines, written below a folder of the test's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

RNG: Final = "sys/devices/virtual/misc/hw_random"
CLOCK: Final = "sys/devices/system/clocksource/clocksource0"
CPUS: Final = "sys/devices/system/cpu"
NE_CPUS: Final = "sys/module/nitro_enclaves/parameters/ne_cpus"
ALLOCATOR: Final = "etc/nitro_enclaves/allocator.yaml"
PAGES: Final = "sys/kernel/mm/hugepages"
LIMITS: Final = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max processes             95990                95990                processes \n"
    "Max open files            1024                 4096                 files     \n"
)

ENCLAVE: Final[Mapping[str, str]] = {
    f"{RNG}/rng_current": "nsm-hwrng\n",
    f"{RNG}/rng_available": "nsm-hwrng \n",
    f"{CLOCK}/current_clocksource": "kvm-clock\n",
    f"{CLOCK}/available_clocksource": "kvm-clock tsc acpi_pm \n",
    "proc/cmdline": "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=off\n",
    "proc/self/limits": LIMITS,
    "proc/meminfo": "MemTotal:        2048000 kB\nMemFree:  9 kB\nMemAvailable:    1536000 kB\n",
    f"{CPUS}/online": "0-1\n",
}
"""An enclave with nothing to complain of, except that its /dev/nsm has to be given."""

PARENT: Final[Mapping[str, str]] = {
    ALLOCATOR: "---\n# Enclave configuration file.\nmemory_mib: 4096\n# How many CPUs\ncpu_count: 2\n# cpu_pool: 2,3\n",
    NE_CPUS: "1,5\n",
    f"{PAGES}/hugepages-1048576kB/nr_hugepages": "4\n",
    f"{PAGES}/hugepages-2048kB/nr_hugepages": "0\n",
    f"{CPUS}/present": "0-7\n",
    "proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    1536000 kB\n",
    "proc/self/status": "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t10 988 1000 \n",
    "etc/group": "root:x:0:\nne:x:988:ec2-user\n",
}
"""A parent with nothing to complain of, except that its device has to be given."""


def plant(root: Path, files: Mapping[str, str | None]) -> Path:
    """Write the files below a root; None leaves one out."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)
    return root


def plant_device(root: Path, name: str, target: str = "/dev/null") -> None:
    """Put a character device there that everybody may open."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def plant_nitro_cli(root: Path, script: str) -> None:
    """Put a nitro-cli there that does as the script says."""
    path = root / "usr/bin/nitro-cli"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
