"""What several workers cost: time from start to ready, memory of each, and how connections are shared out.

    python bench/workers.py [--workers 2] [--starts 5] [--json FILE]

Memory is the resident set (RSS, in which what is shared counts in full) and the proportional one (PSS), after a
thousand appraisals.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil

from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from nitro_demo.service import Service

BUILD = "workers"
APPRAISALS = 1000
CONNECTIONS = 64


def configure(folder: Path) -> tuple[SoftwareNsm, list[str]]:
    """Write a policy; give an enclave's NSM, and the command's arguments."""
    nsm = SoftwareNsm(clock=lambda: datetime.now(UTC), pki=ThrowawayPki(), build=BUILD)
    (folder / "policies").mkdir()
    pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in build_pcrs(BUILD).items())
    (folder / "policies" / "open.toml").write_text(f'nonce = "none"\n[[build]]\nname = "b"\npcrs = {{ {pcrs} }}\n')
    (folder / "root.pem").write_text(nsm.pki.root_pem)
    anchor = f"{folder / 'root.pem'}#sha256={nsm.pki.root_sha256.hex()}"
    return nsm, ["--policies", str(folder / "policies"), "--anchor", anchor, "--log-level", "error"]


def time_to_ready(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Start the service; give the time until ``/readyz`` says yes, and how much of it a processor was busy."""
    begun = time.perf_counter()
    with Service(arguments, folder / "log") as service:
        taken = time.perf_counter() - begun
        parent = find_parent(service.port)
        busy = sum(sum(process.cpu_times()[:2]) for process in (parent, *parent.children()))
        assert service.stop() == 0
    return taken, busy


def memory(workers: list[psutil.Process]) -> list[tuple[float, float]]:
    """RSS and PSS of each worker, in MB."""
    full = [worker.memory_full_info() for worker in workers]
    return [(each.rss / 1e6, each.pss / 1e6) for each in full]


def spread(port: int, workers: list[psutil.Process]) -> list[int]:
    """Open connections one after another; give how many each worker has."""
    opened = []
    for _ in range(CONNECTIONS):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/livez")
        connection.getresponse().read()
        opened.append(connection)
    found = [
        sum(each.laddr.port == port and each.status == "ESTABLISHED" for each in worker.net_connections())
        for worker in workers
    ]
    for connection in opened:
        connection.close()
    return found


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nsm, arguments = configure(folder)
        arguments += ["--workers", str(options.workers)]
        starts = [time_to_ready(arguments, folder) for _ in range(options.starts)]
        for what, values in zip(("start to ready (s)", "  of it CPU (s)"), zip(*starts, strict=True), strict=True):
            print(f"{what:21} best {min(values):.2f}, median {statistics.median(values):.2f}")
        with Service(arguments, folder / "log") as service:
            parent = find_parent(service.port)
            workers = parent.children() or [parent]
            document = nsm.attestation()
            statuses = Counter(
                service.post("/v1/verify?policy=open", document, "application/cose").status for _ in range(APPRAISALS)
            )
            assert statuses == {200: APPRAISALS}
            sizes = memory(workers)
            for worker, (rss, pss) in zip(workers, sizes, strict=True):
                print(f"worker {worker.pid:<14} RSS {rss:.1f} MB, PSS {pss:.1f} MB")
            print(f"{CONNECTIONS} connections        {spread(service.port, workers)}")
            text = str(service.get("/metrics").body["text"])
            print(re.findall(r"^nitro_verifier_workers .*$", text, re.MULTILINE)[0])
    if options.json is not None:
        ready, busy = (statistics.median(values) for values in zip(*starts, strict=True))
        figures = {"start to ready s": ready, "of it processor s": busy, "RSS MB": max(rss for rss, _ in sizes)}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def find_parent(port: int) -> psutil.Process:
    """Find the service that we started at this port."""
    return next(child for child in psutil.Process().children() if str(port) in child.cmdline())


if __name__ == "__main__":
    sys.exit(main())
