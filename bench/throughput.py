"""What a second worker adds: answers a second of one worker and of two, in turns, and the processor time of each.

wrk (from Debian) asks over sixteen connections, and takes a part of the same cores: on two of them, two workers cannot
have both. So beside the answers a second there is what each costs all workers together, which is what more cores
multiply. Rounds alternate; ratios are within rounds.

    python bench/throughput.py [--rounds 6] [--seconds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.debian import UnavailableError, find_program
from bench.http_service import Corpus, serving, write_configuration
from bench.machine import Watch
from bench.unit import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.http_service import Server

DOCUMENTS = 500
CONNECTIONS = 16
WORKERS = (1, 2)
GOAL = 1.6
PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common", "libluajit2-5.1-2")
_ANSWERS = re.compile(r"(\d+) requests in ([\d.]+)(s|m)")
_SCRIPT = """
local requests, turn, headers = {}, 0, {["Content-Type"] = "application/cose"}
function init(args)
  for number = 1, %d do
    local file = io.open("%s/" .. number, "rb")
    requests[number] = wrk.format("POST", "/v1/verify?policy=open", headers, file:read("*a"))
    file:close()
  end
end
function request() turn = turn %% #requests + 1; return requests[turn] end
"""


def main() -> int:
    """Measure and print."""
    arguments = _arguments()
    try:
        program, environment = find_program("wrk", *PACKAGES)
    except UnavailableError as error:
        print(f"wrk is not to be had: {error}")
        return 1
    watch, corpus = Watch(), Corpus()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script = write_script(folder, corpus)
        servers = []
        for workers in WORKERS:
            (folder / f"{workers}").mkdir()
            configuration = write_configuration(folder / f"{workers}", corpus)
            servers.append(stack.enter_context(serving(folder, configuration, ("--workers", str(workers)))))
        command = (str(program), "-t1", f"-c{CONNECTIONS}", f"-d{arguments.seconds}s", "-s", str(script))
        rounds = [
            [answers(server, command, environment, arguments.seconds) for server in servers]
            for _ in range(arguments.rounds + 1)
        ][1:]
    report = _report(rounds) | {"others": watch.others()}
    for name, found in report.items():
        print(f"{name:26} {found}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _report(rounds: Sequence[Sequence[tuple[float, float]]]) -> dict[str, object]:
    ratios = {
        "answers, two / one": summarise([two[0] / one[0] for one, two in rounds]),
        "processor time, two / one": summarise([two[1] / one[1] for one, two in rounds]),
    }
    medians: dict[str, object] = {
        name: {
            str(workers): summarise([one[turn][part] for one in rounds]).middle for turn, workers in enumerate(WORKERS)
        }
        for part, name in enumerate(("per second", "us"))
    }
    return medians | {name: {"low": one.low, "middle": one.middle, "high": one.high} for name, one in ratios.items()}


def write_script(folder: Path, corpus: Corpus) -> Path:
    """Write documents, and what has wrk send them in turn."""
    documents = folder / "documents"
    documents.mkdir()
    for number in range(DOCUMENTS):
        (documents / str(number + 1)).write_bytes(corpus.document())
    script = folder / "requests.lua"
    script.write_text(_SCRIPT % (DOCUMENTS, documents))
    return script


def answers(server: Server, command: Sequence[str], environment: dict[str, str], seconds: int) -> tuple[float, float]:
    """Give the answers a second, and the processor time of each in microseconds; all must be 200."""
    before = server.processor_s()
    done = subprocess.run(
        (*command, f"http://127.0.0.1:{server.port}"),
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
        env=environment,
    )
    used = server.processor_s() - before
    found = _ANSWERS.search(done.stdout)
    assert found, done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    count = int(found[1])
    return count / seconds, used * 1e6 / count


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=3, help="for each number of workers in each round")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
