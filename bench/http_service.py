"""What a request costs the full-feature service, in verifications (V) of the same run.

Starts ``nitro-verifier serve`` as a process of its own with everything on: metrics, request ids, a log line for each
appraisal into a file, and in two of the four series nonces of its own and the single-use guard. A client in this
process sends over kept-alive connections and looks at every answer. Rounds of all series and of V are interleaved, and
processor time is compared. Beside it the floors: a bare protocol, and aiohttp with one handler.

The service has one core and the client another, which watches for answers without ever sleeping: to wake somebody up on
another core of a virtual machine takes the service some 50 us an answer, as the last series shows, and behind a network
there is nobody to wake. V is measured on the service's core.

It is not called http.py, because Python looks for its own module of that name in a script's folder first.

    python bench/http_service.py [--rounds 12] [--requests 400] [--connections 16] [--json FILE] [--serve "OPTIONS"]
"""

from __future__ import annotations

import argparse
import base64
import json
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil

from bench.load import Client, on_core, pin
from bench.unit import Summary, processor_us, summarise, verification
from issuer.nsm import SoftwareNsm, ThrowawayPki
from verifier.nonces import Keyring, NonceKey, NonceService

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LEAVES = 50
WARM_UP = 200
V_CALLS = 100
"""Verifications in one sample of V."""
SERVICE = (sys.executable, "-m", "verifier.cli", "serve")
FLOOR = (sys.executable, str(Path(__file__).parent / "floor.py"))

_SEED = b"nitro-verifier benchmarks, throwaway"
_AUDIENCE = "bench"
_PORT = re.compile(r'127\.0\.0\.1:(\d+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process that serves, with all its workers."""

    process: psutil.Process
    port: int

    def processor_s(self) -> float:
        """Give the processor time that it and its children have used."""
        family = (self.process, *self.process.children(recursive=True))
        # The clock of another process (clock_getcpuclockid): psutil's figures come in hundredths of a second.
        return sum(time.clock_gettime(~member.pid << 3 | 2) for member in family)

    def memory_mb(self) -> float:
        """Give the resident memory of it and its children."""
        family = (self.process, *self.process.children(recursive=True))
        return cast("float", sum(member.memory_info().rss for member in family) / 1e6)


@dataclass(slots=True, kw_only=True)
class Series:
    """Requests of one kind to one server, and what they cost in each round."""

    name: str
    server: Server
    requests: list[bytes]
    sleeps: bool = False
    """Whether the client sleeps until there is an answer."""
    per_request_us: list[float] = field(default_factory=list)


def send(port: int, requests: Sequence[bytes], connections: int, *, sleeps: bool = False) -> None:
    """Send all requests, so many at a time; every answer must be 200."""
    client = Client(port, connections, sleeps=sleeps)
    try:
        outcome = client.run(iter(requests), repeat(0.0, len(requests)))
    finally:
        client.close()
    assert outcome.statuses == {HTTPStatus.OK: len(requests)}, outcome.statuses


class Corpus:
    """Fifty enclaves, and documents of theirs with nonces of the service under test."""

    def __init__(self) -> None:
        """Make the enclaves; their leaves begin now."""
        self.pki = ThrowawayPki(seed=_SEED)
        self.secret = bytes(range(32))
        self._nonces = NonceService(Keyring(current=NonceKey(id=1, secret=self.secret)), audience=_AUDIENCE)
        self._enclaves = [
            SoftwareNsm(pki=self.pki, clock=_now, build="bench", enclave_id=number.to_bytes(8))
            for number in range(1, LEAVES + 1)
        ]
        self._made = 0

    @property
    def pcrs(self) -> Mapping[int, bytes]:
        """What the policies expect."""
        return {index: self._enclaves[0].describe_pcr(index).data for index in (0, 1, 2)}

    def document(self) -> bytes:
        """Make the next enclave's document, with a nonce that was never used."""
        self._made += 1
        nonce = self._nonces.issue(at=int(_now().timestamp() * 1000), ttl=3600)
        return self._enclaves[self._made % LEAVES].attestation(nonce=nonce.value, public_key=bytes(294))

    def binary(self, policy: str, count: int) -> list[bytes]:
        """Give requests with the document as it is."""
        return [self.request_for(self.document(), policy) for _ in range(count)]

    @staticmethod
    def request_for(document: bytes, policy: str) -> bytes:
        """Give the request with a document as it is."""
        return _request(f"POST /v1/verify?policy={policy} HTTP/1.1\r\nContent-Type: application/cose\r\n", document)

    def json(self, policy: str, count: int) -> list[bytes]:
        """Give requests with the document in JSON."""
        head = "POST /v1/verify HTTP/1.1\r\nContent-Type: application/json\r\n"
        return [
            _request(head, json.dumps({"document": _text(self.document()), "policy": policy}).encode())
            for _ in range(count)
        ]


def _now() -> datetime:
    return datetime.now(UTC)


def _text(document: bytes) -> str:
    return base64.b64encode(document).decode()


def _request(head: str, body: bytes) -> bytes:
    common = f"Host: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + common).encode() + body


def write_configuration(folder: Path, corpus: Corpus) -> Path:
    """Write what the service starts with: two policies, a root, a nonce key, the guard's file."""
    values = ", ".join(f'{index} = "{value.hex()}"' for index, value in corpus.pcrs.items())
    build = f'max_age = "1h"\n[[build]]\nname = "v1"\npcrs = {{ {values} }}\n'
    (folder / "policies").mkdir()
    (folder / "policies" / "open.toml").write_text(f'nonce = "none"\n{build}')
    (folder / "policies" / "guarded.toml").write_text(f'nonce = "required"\n{build}')
    (folder / "root.der").write_bytes(corpus.pki.root_der)
    (folder / "nonce.key").write_bytes(corpus.secret)
    (folder / "nonce.key").chmod(0o600)
    file = folder / "service.toml"
    file.write_text(
        f'policies = "policies"\nport = 0\naudience = "{_AUDIENCE}"\nsingle_use = "embedded"\nstate = "used.sqlite3"\n'
        '[nonce_keys]\ncurrent = { id = 1, file = "nonce.key" }\n'
        f'[[anchors]]\nname = "throwaway"\nfile = "root.der"\nsha256 = "{corpus.pki.root_sha256.hex()}"\n'
    )
    return file


@contextmanager
def serving(folder: Path, configuration: Path, options: Sequence[str] = ()) -> Iterator[Server]:
    """Run the service, its log going into a file, until the block ends."""
    log = folder / f"{time.monotonic_ns()}.log"
    with log.open("wb") as stream:
        process = psutil.Popen([*SERVICE, "--config", str(configuration), *options], stderr=stream)
    try:
        while (port := _PORT.search(log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            time.sleep(0.01)
        yield Server(process=process, port=int(port[1]))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def floor(name: str) -> Iterator[Server]:
    """Run a floor until the block ends."""
    process = psutil.Popen([*FLOOR, name], stdout=subprocess.PIPE)
    try:
        yield Server(process=process, port=int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()


def measure(series: Sequence[Series], document: bytes, rounds: int, connections: int) -> list[float]:
    """Take all rounds of all series, and give V of each round."""
    verify = verification(document)
    core = pin(*{each.server.process.pid: each.server.process for each in series}.values())
    units = []
    size = [len(each.requests) // (rounds + 1) for each in series]
    for _ in range(rounds + 1):  # the first warms up
        with on_core(core):
            unit = processor_us(verify, V_CALLS)
        for each, count in zip(series, size, strict=True):
            taken, each.requests[:] = each.requests[:count], each.requests[count:]
            before = each.server.processor_s()
            send(each.server.port, taken, connections, sleeps=each.sleeps)
            each.per_request_us.append((each.server.processor_s() - before) * 1e6 / count)
        # V on both sides of what is compared with it: the machine may slow down in between.
        with on_core(core):
            units.append((unit + processor_us(verify, V_CALLS)) / 2)
    for each in series:
        del each.per_request_us[0]
    return units[1:]


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    corpus = Corpus()
    count = arguments.requests * (arguments.rounds + 1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        configuration = write_configuration(folder, corpus)
        server = stack.enter_context(serving(folder, configuration, shlex.split(arguments.serve)))
        floors = {name: stack.enter_context(floor(name)) for name in ("protocol", "aiohttp")}
        series = [
            Series(name="binary", server=server, requests=corpus.binary("open", count)),
            Series(name="JSON", server=server, requests=corpus.json("open", count)),
            Series(name="binary, single use", server=server, requests=corpus.binary("guarded", count)),
            Series(name="JSON, single use", server=server, requests=corpus.json("guarded", count)),
            Series(
                name="binary, single use, the client sleeps",
                server=server,
                requests=corpus.binary("guarded", count),
                sleeps=True,
            ),
            *(
                Series(name=f"floor: {name}", server=each, requests=corpus.binary("open", count))
                for name, each in floors.items()
            ),
        ]
        units = measure(series, corpus.document(), arguments.rounds, arguments.connections)
        memory = server.memory_mb()
    report = _report(series, units)
    print(
        f"{platform.machine()}, Python {platform.python_version()}, {arguments.rounds} rounds of {arguments.requests}"
    )
    print(f"V {summarise(units).middle:.1f} us; {memory:.0f} MB resident\n")
    print(f"{'':38} {'us/request':>10} {'V':>6} {'quartiles':>12}")
    for name, (cost, ratio) in report.items():
        print(f"{name:38} {cost.middle:10.1f} {ratio.middle:6.2f} {ratio.low:7.2f}-{ratio.high:.2f}")
    if arguments.json is not None:
        plain: dict[str, object] = {
            name: {"microseconds": cost.middle, "in V": ratio.middle, "low": ratio.low, "high": ratio.high}
            for name, (cost, ratio) in report.items()
        }
        plain |= {"V": summarise(units).middle, "memory MB": memory}
        arguments.json.write_text(json.dumps(plain, indent=1) + "\n")


def _report(series: Sequence[Series], units: Sequence[float]) -> dict[str, tuple[Summary, Summary]]:
    return {
        each.name: (
            summarise(each.per_request_us),
            summarise([cost / unit for cost, unit in zip(each.per_request_us, units, strict=True)]),
        )
        for each in series
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--requests", type=int, default=400, help="in each round of each series")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--serve", default="", help="further options, such as '--engine openssl'")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
