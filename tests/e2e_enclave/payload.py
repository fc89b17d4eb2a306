"""What runs in the enclave: this Python, this package as a wheel, and what the wheel requires. Nothing is downloaded.

The interpreter and its libraries lie where they lie on this machine. The package is built and unpacked as an installer
would, with what its extra ``enclave`` requires: what an application's image has after
``pip install '.[enclave]'``, and nothing of the checkout but the tests' own agent. What the extra
``service`` requires beside it lies in a folder of its own, which ``nitro-verifier`` alone is shown.
"""

import marshal
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from importlib.metadata import distribution
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.e2e_enclave.initramfs import Ramdisk

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = str(Path(sys.executable).resolve())
SITE = "/opt/site-packages"
SERVICE_SITE = "/opt/service-packages"
AGENT = "/opt/agent"
TOOL_S = 120.0

_DISTRIBUTION = "nitro-verifier"
_LEFT_OUT = frozenset({
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip",
    "lib2to3", "pydoc_data",
})  # fmt: skip
_KEPT = frozenset({".py", ".so"})
_NEEDED = re.compile(r"(?:^\t|=> )(/\S+) \(0x", re.MULTILINE)
_UNCHECKED_HASH = (0b01).to_bytes(4, "little")  # PEP 552: never compared with the source, whose time is lost
_COMMAND = """#!{python}
import sys
from importlib.metadata import entry_points

sys.path += {folders}
sys.exit(entry_points(group="console_scripts")["{name}"].load()())
"""
_START = """#!/bin/sh
export PYTHONPATH={site} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONWARNINGS=error
PYTHONPATH={agent}:{site} exec {python} -m tests.e2e_enclave.guest.agent
"""


def application_ramdisk(work: Path) -> bytes:
    """Make the ramdisk that holds the application; ``/app`` starts it."""
    disk = Ramdisk()
    disk.add_file(PYTHON, Path(PYTHON).read_bytes(), executable=True)
    files = [Path(PYTHON), *_add_standard_library(disk)]
    application = _closure(_DISTRIBUTION, "enclave")
    for name in sorted(application):
        files += _add_distribution(disk, name, SITE)
    for name in sorted(_closure(_DISTRIBUTION, "service") - application):
        files += _add_distribution(disk, name, SERVICE_SITE)
    _add_wheel(disk, work)
    _add_libraries(disk, files)
    _add_agent(disk)
    _add_command(disk, "nitro-issuer")
    _add_command(disk, "nitro-verifier", SERVICE_SITE)
    disk.add_file("/app", _START.format(python=PYTHON, site=SITE, agent=AGENT).encode(), executable=True)
    return disk.encode()


def _add_standard_library(disk: Ramdisk) -> Iterator[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("config-"))
        for path in sorted(Path(folder) / name for name in names):
            if path.suffix in _KEPT and not path.name.startswith(("_test", "_tkinter")):
                yield _add(disk, path, str(path))


def _closure(name: str, extra: str = "") -> set[str]:
    """Name what a distribution requires on this machine, what that requires, and so on."""
    found: set[str] = set()
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            found |= {canonicalize_name(requirement.name)} | _closure(requirement.name)
    return found


def _add_distribution(disk: Ramdisk, name: str, site: str) -> Iterator[Path]:
    installed = distribution(name)
    for file in sorted(installed.files or ()):
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield _add(disk, Path(str(installed.locate_file(file))), f"{site}/{file}")


def _add_wheel(disk: Ramdisk, work: Path) -> None:
    """Build this package's wheel and unpack it, which is all there is to installing one."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(work)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=TOOL_S)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "wheel")
    for path in sorted((work / "wheel").rglob("*")):
        if path.is_file():
            _add(disk, path, f"{SITE}/{path.relative_to(work / 'wheel')}")


def _add_command(disk: Ramdisk, name: str, *folders: str) -> None:
    """Add a command of the wheel's; it finds packages in these folders, too."""
    script = _COMMAND.format(python=PYTHON, folders=list(folders), name=name)
    disk.add_file(f"/usr/bin/{name}", script.encode(), executable=True)


def _add_agent(disk: Ramdisk) -> None:
    for path in sorted((Path(__file__).parent / "guest").glob("*.py")):
        _add(disk, path, f"{AGENT}/{path.relative_to(CHECKOUT)}")


def _add(disk: Ramdisk, path: Path, to: str) -> Path:
    """Add a file, compiled too if it is Python's: the emulated machine would take minutes. Returns the file."""
    content = path.read_bytes()
    disk.add_file(to, content, executable=path.suffix == ".so")
    if path.suffix == ".py":
        code = SourceFileLoader("module", str(path)).get_code("module")
        folder, name = to.rsplit("/", 1)
        compiled = f"{folder}/__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
        disk.add_file(compiled, MAGIC_NUMBER + _UNCHECKED_HASH + source_hash(content) + marshal.dumps(code))
    return path


def _add_libraries(disk: Ramdisk, files: Iterable[Path]) -> None:
    """Add what those of these files that are libraries or programs need, the loader included, by the names it has."""
    command = ["ldd", *(str(path) for path in files if path.suffix == ".so" or str(path) == PYTHON)]
    listed = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=TOOL_S,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
    )
    for name in sorted(set(_NEEDED.findall(listed.stdout))):
        if name not in disk:
            disk.add_file(name, Path(name).read_bytes(), executable=True)
