"""Rotations and reloads under load: what clients see while keys and policies change beneath them.

Three rotations of the nonce keys and of the signing keys, and twenty exchanges of a pair of policies, five of them
broken, while clients fetch nonces, hold some back across a rotation, and have documents appraised, for JSON and for
tokens. Exits 1 when a request fails, when a verdict names a policy that was never whole, when the two policies of a
pair are ever seen apart, when a nonce or a token is refused that is still good, or a nonce taken that is not.

    python bench/reload.py [--seconds 60] [--workers 1] [--clients 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from nitro_demo.service import Service
from verifier import read_policy
from verifier.ear.keyrings import read_jwks
from verifier.ear.keys import generate_key
from verifier.ear.reading import read_token
from verifier.service.notation import read_bytes

BUILD = "reload under load"
ISSUER = "https://verifier.example"
KEY_ROTATIONS = 3
RELOADS = 20
BROKEN = ("", "name =", 'surprise = "x"\n', '[[build]]\nname = "b"\n', "\x00")
HELD_BACK = 3
"""Nonces that each client keeps before it uses the oldest."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    digests: set[tuple[str, str]] = field(default_factory=set)
    apart: int = 0
    tokens: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Deployment:
    """The files that an operator, or Kubernetes, changes beneath a running service."""

    def __init__(self, folder: Path) -> None:
        """Write the first version of everything."""
        self.folder = folder
        self.written: set[tuple[str, str]] = set()
        self._versions = itertools.count(1)
        self._pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in build_pcrs(BUILD).items())
        (folder / "policies").mkdir()
        self.exchange_policies()
        for name in ("left", "right"):
            (folder / "policies" / f"{name}.toml").symlink_to(f"..data/{name}.toml")
        self.key = self.live_key = 0
        """The newest key that was written, and the newest that every process has noticed."""
        self.rotate_keys()
        self.live_key = self.key

    def exchange_policies(self, broken: str | None = None) -> None:
        """Put the next pair in place as Kubernetes does: with one symbolic link. A broken pair has one good half."""
        number = next(self._versions)
        text = f'[[build]]\nname = "v{number}"\npcrs = {{ {self._pcrs} }}\n'
        version = self.folder / "policies" / f"..{number}"
        version.mkdir()
        (version / "left.toml").write_text(text)
        (version / "right.toml").write_text(text if broken is None else broken)
        if broken is None:
            self.written |= {(name, read_policy(text, name=name).sha256) for name in ("left", "right")}
        link = self.folder / "policies" / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.folder / "policies" / "..data")

    def rotate_keys(self) -> None:
        """Make the next key the current one, and announce another."""
        self.key += 1
        lines = ['policies = "policies"', f'issuer = "{ISSUER}"']
        places = {"current": self.key, "next": self.key + 1, "previous": self.key - 1}
        named = {name: number for name, number in places.items() if number}
        for number in named.values():
            self._make_keys(number)
        lines += ["[nonce_keys]", *(f'{name} = {{ id = {n}, file = "{n}.key" }}' for name, n in named.items())]
        lines += ["[signing_keys]", *(f'{name} = "{n}.jwk"' for name, n in named.items())]
        fresh = self.folder / "service.toml.new"
        fresh.write_text("\n".join([*lines, ""]))
        fresh.rename(self.folder / "service.toml")

    def _make_keys(self, number: int) -> None:
        signing = self.folder / f"{number}.jwk"
        if signing.exists():
            return
        private = generate_key().private
        assert private is not None
        for path, text in (
            (self.folder / f"{number}.key", f"{number:064x}"),
            (signing, json.dumps(private.as_dict(private=True))),
        ):
            path.write_text(text)
            path.chmod(0o600)


class Client(threading.Thread):
    """Fetches nonces and has documents appraised until told to stop."""

    def __init__(
        self, service: Service, nsm: SoftwareNsm, deployment: Deployment, seen: Seen, stop: threading.Event
    ) -> None:
        """Ask ``service`` about documents of ``nsm``."""
        super().__init__(daemon=True)
        self._service, self._nsm, self._seen, self._stop_asking = service, nsm, seen, stop
        self._deployment = deployment
        self._held: deque[tuple[int, bytes, str]] = deque()

    def run(self) -> None:
        """Ask on; whatever goes wrong is noted."""
        try:
            while not self._stop_asking.is_set():
                self._look_at_the_pair()
                self._held.append((self._deployment.live_key, self._fetch(), self._fetch_token()))
                if len(self._held) > HELD_BACK:
                    self._use(*self._held.popleft())
        except Exception as error:  # noqa: BLE001 - a request that failed, in whatever way
            self._seen.wrong.append(f"{type(error).__name__}: {error}")

    def _use(self, key: int, nonce: bytes, token: str) -> None:
        """Use what was made with a key, unless that is not believed any more, and rightly so."""
        if self._deployment.key <= key + 1:
            self._verify(nonce)
            self._read(token)

    def _fetch(self) -> bytes:
        answer = self._service.post("/v1/nonces", b"", "application/json")
        self._note(answer.status, 201)
        return read_bytes(str(answer.body["nonce"]))

    def _fetch_token(self) -> str:
        document = self._nsm.attestation(nonce=self._fetch())
        headers = {"Content-Type": "application/cose", "Accept": "application/eat+jwt"}
        request = urllib.request.Request(f"{self._service.url}/v1/verify?policy=left", document, headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            self._note(answer.status, 200)
            token: str = answer.read().decode()
        return token

    def _read(self, token: str) -> None:
        """Believe a token that was made a while ago by the keys of now."""
        published = self._service.get("/.well-known/jwks.json")
        self._note(published.status, 200)
        keys = read_jwks(json.dumps(published.body).encode())
        read_token(token, keys, at=datetime.now(UTC), issuer=ISSUER, audience=None, nonce=None)
        with self._seen.lock:
            self._seen.tokens += 1

    def _look_at_the_pair(self) -> None:
        answer = self._service.get("/v1/policies")
        policies = answer.body["policies"]
        assert isinstance(policies, list)
        builds = {policy["builds"][0]["name"] for policy in policies}
        with self._seen.lock:
            self._seen.apart += len(builds) != 1
        self._note(answer.status, 200)

    def _verify(self, nonce: bytes) -> None:
        name = random.choice(("left", "right"))
        document = self._nsm.attestation(nonce=nonce)
        begun = time.perf_counter()
        answer = self._service.post(f"/v1/verify?policy={name}", document, "application/cose")
        taken = time.perf_counter() - begun
        self._note(answer.status, 200)
        policy = answer.body["policy"]
        assert isinstance(policy, dict)
        with self._seen.lock:
            self._seen.seconds.append(taken)
            self._seen.digests.add((name, policy["sha256"]))

    def _note(self, status: int, expected: int) -> None:
        with self._seen.lock:
            self._seen.statuses[status] += 1
            if status != expected:
                self._seen.wrong.append(f"status {status}, not {expected}")


def outcomes(service: Service, item: str) -> Counter[str]:
    """How often each outcome of a reload was counted, over all processes."""
    text = str(service.get("/metrics").body["text"])
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith(f'nitro_verifier_reloads_total{{item="{item}"'):
            found[line.partition('outcome="')[2].partition('"')[0]] = int(float(line.rpartition(" ")[2]))
    return found


def await_outcome(service: Service, item: str, outcome: str, count: int) -> None:
    """Wait until every process has noticed."""
    deadline = time.monotonic() + 20
    while outcomes(service, item)[outcome] < count:
        assert time.monotonic() < deadline, f"{item}: {outcomes(service, item)} after 20 s"
        time.sleep(0.02)


def change_everything(deployment: Deployment, service: Service, seconds: float, workers: int) -> None:
    """Make all the changes, evenly spread, each seen by every process before the next."""
    plan = ["good"] * (RELOADS - len(BROKEN)) + ["broken"] * len(BROKEN)
    random.Random(1).shuffle(plan)
    for rotation in range(KEY_ROTATIONS, 0, -1):  # never two in a row: what was just fetched must stay good
        plan.insert(rotation * len(plan) // (KEY_ROTATIONS + 1), "keys")
    begun, done = time.monotonic(), Counter[str]()
    for number, kind in enumerate(plan, 1):
        done[kind] += 1
        match kind:
            case "keys":
                deployment.rotate_keys()
                for item in ("nonce-keys", "signing-keys"):
                    await_outcome(service, item, "loaded", done["keys"] * workers)
                deployment.live_key = deployment.key
            case "good":
                deployment.exchange_policies()
                await_outcome(service, "policies", "loaded", done["good"] * workers)
            case _:
                deployment.exchange_policies(BROKEN[done["broken"] - 1])
                await_outcome(service, "policies", "failed", done["broken"] * workers)
        time.sleep(max(0.0, begun + number * seconds / len(plan) - time.monotonic()))


def run(folder: Path, *, seconds: float, workers: int = 1, clients: int = 3) -> tuple[Seen, dict[str, object]]:
    """Do it all; give what clients saw, and the figures."""
    nsm = SoftwareNsm(clock=lambda: datetime.now(UTC), pki=ThrowawayPki(), build=BUILD)
    deployment = Deployment(folder)
    (folder / "root.pem").write_text(nsm.pki.root_pem)
    anchor = f"{folder / 'root.pem'}#sha256={nsm.pki.root_sha256.hex()}"
    arguments = ["--config", str(folder / "service.toml"), "--anchor", anchor, "--reload-interval", "100ms"]
    seen, stop = Seen(), threading.Event()
    with Service([*arguments, "--workers", str(workers), "--log-level", "error"], folder / "log") as service:
        first = read_bytes(str(service.post("/v1/nonces", b"", "application/json").body["nonce"]))
        asking = [Client(service, nsm, deployment, seen, stop) for _ in range(clients)]
        for client in asking:
            client.start()
        begun = time.monotonic()
        change_everything(deployment, service, seconds, workers)
        elapsed = time.monotonic() - begun
        stop.set()
        for client in asking:
            client.join(30)
        rotated_out = service.post("/v1/verify?policy=left", nsm.attestation(nonce=first), "application/cose")
        if rotated_out.status != 422:  # noqa: PLR2004 - rejected
            seen.wrong.append("a nonce whose key was rotated out was taken")
        reloads = {item: dict(outcomes(service, item)) for item in ("policies", "nonce-keys", "signing-keys")}
        if service.stop() != 0:
            seen.wrong.append("the service did not end in good order")
    if not seen.digests <= deployment.written:
        seen.wrong.append("a verdict under a policy that was never whole")
    if seen.apart:
        seen.wrong.append(f"the pair was seen apart {seen.apart} times")
    return seen, {
        "seconds": round(elapsed, 1),
        "workers": workers,
        "requests": seen.statuses.total(),
        "statuses": dict(seen.statuses),
        "tokens believed": seen.tokens,
        "versions seen": len(seen.digests),
        "verify p50, max (ms)": [round(1e3 * statistics.median(seen.seconds), 1), round(1e3 * max(seen.seconds), 1)],
        "reloads": reloads,
        "wrong": seen.wrong,
    }


def main() -> int:
    """Print the figures; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clients", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen, figures = run(Path(folder), seconds=options.seconds, workers=options.workers, clients=options.clients)
    for name, value in figures.items():
        print(f"{name:22} {value}")
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
