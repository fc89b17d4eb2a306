"""Auditing an archive: throughput over a plain loop on one core, kills that lose and repeat nothing, and Dask.

Makes an archive of documents, a few of them wrong, and checks it with the command: in one process, in two, killed again
and again with SIGKILL, and on a Dask cluster of two worker processes. All outputs must be the same, byte for byte.
Exits 1 when one is not, or anything is left behind. Where others use the machine, compare CPU time.

    python bench/audit.py [--documents 20000] [--leaves 200] [--kills 8]
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.pki import AT, Corpus, make_corpus
from verifier import PathCache, Verifier, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED = 20_000
_WRONG_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds by the clock, and of all processors together."""

    wall: float
    cpu: float


def main() -> int:
    """Measure and print; 1 when outputs differ or a process is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--leaves", type=int, default=200)
    parser.add_argument("--kills", type=int, default=8)
    arguments = parser.parse_args()
    corpus = make_corpus(leaves=arguments.leaves, documents_per_leaf=arguments.documents // arguments.leaves)
    documents = list(_documents(corpus))
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder), corpus, documents, arguments.kills)


def _measure(folder: Path, corpus: Corpus, documents: list[bytes], kills: int) -> int:
    common = _write_archive(folder, corpus, documents)
    count = len(documents)
    print(f"{count} documents, {sum(map(len, documents)) / count / 1024:.1f} KiB each")
    loop = _loop(corpus, documents)
    _print("plain loop, one core", count, loop, loop)
    reference = b""
    for workers in (1, 2):
        out = folder / f"{workers}.jsonl"
        taken = _timed([*common, "--out", str(out), "--workers", str(workers)])
        _print(f"audit, {workers} process{'es' if workers > 1 else ''}", count, taken, loop)
        reference = reference or out.read_bytes()
        assert out.read_bytes() == reference, f"{workers} processes give other rows"
    numbers = [json.loads(line)["number"] for line in reference.splitlines()]
    assert numbers == list(range(count)), "a row is lost or repeated"
    killed = _kill_and_resume(folder, common, kills, count)
    assert killed == reference, "what was killed and resumed differs"
    taken, rows = _dask(folder, common)
    _print("audit on Dask, 2 worker processes", count, taken, loop)
    assert rows == reference, "Dask gives other rows"
    print("all outputs are the same, byte for byte")
    # Python's tracker of shared resources lives as long as whoever started a cluster.
    left = [each for each in psutil.Process().children(recursive=True) if "resource_tracker" not in str(each.cmdline())]
    print(f"{len(left)} processes left")
    return int(bool(left))


def _documents(corpus: Corpus) -> Iterator[bytes]:
    """Give the documents of all leaves in turn, now and then one whose signature is wrong."""
    number = 0
    for of_leaf in corpus.documents:
        for document in of_leaf:
            number += 1
            yield document if number % _WRONG_EVERY else document[:-1] + bytes([document[-1] ^ 1])


def _write_archive(folder: Path, corpus: Corpus, documents: list[bytes]) -> list[str]:
    archive, policy, root = folder / "archive.jsonl", folder / "bench.toml", folder / "root.der"
    with archive.open("w") as file:
        for document in documents:
            file.write(json.dumps({"document": base64.b64encode(document).decode()}) + "\n")
    policy.write_text(write_policy(corpus.policy))
    root.write_bytes(corpus.anchor.certificate.der)
    command = [sys.executable, "-m", "verifier.cli", "audit", str(archive), "--policy", str(policy)]
    return [*command, "--anchor", f"{root}#sha256={corpus.anchor.sha256}", "--json"]


def _loop(corpus: Corpus, documents: list[bytes]) -> Taken:
    """Appraise everything in this process and keep nothing: what one core can do."""
    verifier = Verifier(anchors=(corpus.anchor,), cache=PathCache())
    wall, cpu = time.perf_counter(), time.process_time()
    for document in documents:
        verifier.appraise(document, policy=corpus.policy, at=AT, historical=True)
    return Taken(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def _timed(command: list[str]) -> Taken:
    wall, cpu = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr.decode()  # some are rejected
    return Taken(wall=time.perf_counter() - wall, cpu=_cpu_of_children() - cpu)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _kill_and_resume(folder: Path, common: list[str], kills: int, count: int) -> bytes:
    """Kill the command again and again as rows are written, then let it end."""
    out, chance = folder / "killed.jsonl", random.Random(_SEED)
    command = [*common, "--out", str(out), "--workers", "2"]
    found = []
    for kill in range(1, kills + 1):
        running = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = count * kill // (kills + 1)
        while running.poll() is None and _rows(out) < wanted:
            time.sleep(0.01)
        time.sleep(chance.random() / 50)
        workers = running.children(recursive=True)
        running.kill()
        running.wait()
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive, "a worker outlived its parent"
        found.append(_rows(out))
    torn = bool(out.read_bytes()) and not out.read_bytes().endswith(b"\n")
    with out.open("ab") as file:  # a kill within a write, whether or not one happened
        file.write(b"" if torn else b'{"number":%d,"id":"li' % _rows(out))
    _timed(command)
    print(f"killed with SIGKILL {kills} times, at {', '.join(map(str, found))} rows, and once within a row")
    return out.read_bytes()


def _rows(out: Path) -> int:
    return out.read_bytes().count(b"\n") if out.exists() else 0


def _dask(folder: Path, common: list[str]) -> tuple[Taken, bytes]:
    """Check on a cluster of this machine, on loopback, and close it."""
    from distributed import LocalCluster  # noqa: PLC0415 - started when everything else was measured

    out = folder / "dask.jsonl"
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None)  # type: ignore[no-untyped-call]
    with cluster:
        taken = _timed([*common, "--out", str(out), "--scheduler", cluster.scheduler_address])
    return taken, out.read_bytes()


def _print(name: str, count: int, taken: Taken, loop: Taken) -> None:
    rate = f"{taken.wall:7.2f} s {count / taken.wall:7.0f} documents/s, {loop.wall / taken.wall:5.2f} times the loop"
    print(f"{name:34} {rate}; CPU {taken.cpu:7.2f} s, {taken.cpu / loop.cpu:5.2f} times the loop's")


if __name__ == "__main__":
    sys.exit(main())
