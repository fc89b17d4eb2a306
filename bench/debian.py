"""Tools of Debian's that a benchmark needs: taken from the system where it has them, else unpacked beside the checkout.

Nothing is installed, and no service is started by an installation: packages are downloaded and unpacked.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "debian"
_PATIENCE_S = 180.0


class UnavailableError(Exception):
    """A tool is neither on the system nor to be had; the message says why."""


def find_library(pattern: str, *packages: str) -> Path:
    """Give the file under a ``lib`` folder that matches, from the system or from ``packages``.

    Raises:
        UnavailableError: there is none.
    """
    found = sorted(Path("/usr/lib").glob(pattern)) or sorted(_unpacked(packages).glob(f"usr/lib/{pattern}"))
    if not found:
        msg = f"no {pattern} in {', '.join(packages)}"
        raise UnavailableError(msg)
    return found[0]


def find_program(name: str, *packages: str) -> tuple[Path, dict[str, str]]:
    """Give the program, from the system or from ``packages``, and what its environment must hold.

    Raises:
        UnavailableError: there is none.
    """
    if there := shutil.which(name):
        return Path(there), {}
    folder = _unpacked(packages)
    program = folder / "usr" / "bin" / name
    if not program.exists():
        msg = f"no {name} in {', '.join(packages)}"
        raise UnavailableError(msg)
    libraries = [path.parent for path in folder.glob("usr/lib/**/*.so*")]
    return program, {"LD_LIBRARY_PATH": ":".join(sorted({str(path) for path in libraries}))}


def _unpacked(packages: tuple[str, ...]) -> Path:
    """Download and unpack packages once; give the folder that stands for the root of the file system."""
    folder = FOLDER / packages[0]
    if not folder.exists():
        if shutil.which("apt-get") is None:
            msg = f"this is no Debian: install {packages[0]} by other means"
            raise UnavailableError(msg)
        partial = FOLDER / f"{packages[0]}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _run("apt-get", "download", *packages, folder=partial)
        for package in partial.glob("*.deb"):
            _run("dpkg-deb", "--extract", str(package), ".", folder=partial)
        partial.rename(folder)
    return folder


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        lines = [*done.stderr.strip().splitlines(), "it failed"]
        msg = f"{command[0]}: {lines[-2] if len(lines) > 1 else lines[0]} (is `apt-get update` due?)"
        raise UnavailableError(msg)
