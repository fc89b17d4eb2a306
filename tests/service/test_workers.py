"""Several processes that serve as one: none of their clients can tell, whatever becomes of any of them."""

import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.service.harness import COSE, HOST, POLICIES, enclave
from tests.service.processes import FOLDER, Process
from tests.service.test_lifecycle import write_configuration

AFFIRMED = 'appraisals_total{policy="open",verdict="affirmed"}'


class Service(Process):
    """``nitro-verifier serve --workers 2`` as a process of its own."""

    def __init__(self, folder: Path, *, workers: int | None = 2, options: dict[str, str] | None = None) -> None:
        self.configuration = write_configuration(folder, reload_interval="100ms", **(options or {}))
        command = [sys.executable, "-m", "verifier.cli", "serve", "--config", str(self.configuration)]
        if workers is None:  # what is on the command line could not change
            self.configuration.write_text("workers = 2\n" + self.configuration.read_text())
        else:
            command += ["--workers", str(workers)]
        super().__init__(folder, command)

    def exchanges(self) -> list[dict[str, Any]]:
        """What was said of exchanges of all workers."""
        return [line for line in self.lines("reloaded") if line["item"] == "configuration"]


@contextmanager
def service(folder: Path, **options: str) -> Iterator[Service]:
    """A service of which both workers serve."""
    with Service(folder, options=options) as started:
        started.wait_for_all()
        yield started


def test_two_workers_are_one_service_from_start_to_end(tmp_path: Path) -> None:
    """Replacing one process by two would change what clients and operators see."""
    with service(tmp_path, unix_socket="s") as running:
        document = enclave().attestation()
        statuses = [running.verify(document)[0] for _ in range(20)]
        running.until_counted(AFFIRMED, 20)
        requests = running.metric('http_requests_total{method="POST",route="/v1/verify",status="200"}')
        workers, ready = running.metric("workers"), running.ask("GET", "/readyz")
        pids = {line["pid"] for line in running.lines("appraisal")}
        files = list((tmp_path / FOLDER).iterdir())
        modes = [path.stat().st_mode & 0o777 for path in files]
        code = running.end()
        left = [*(tmp_path / FOLDER).iterdir(), *tmp_path.glob("s")]

    assert statuses == [200] * 20
    assert (requests, workers, ready[0]) == (20, 2, 200)
    assert pids <= running.serving()
    assert (code, modes, left) == (0, [0o700], [])
    events = [line["event"] for line in map(json.loads, running.log.read_text().splitlines())]
    assert events[:4] == ["configuration", "nonce-key-ephemeral", "starting", "listening"]
    assert events.count("stopped") == 2


def test_the_death_of_a_worker_is_not_noticed_and_what_it_counted_stays(tmp_path: Path) -> None:
    """One crash would be an outage, and a counter that falls back an alert."""
    document, statuses, stop = enclave().attestation(), [], threading.Event()
    with service(tmp_path) as running:
        before = [running.verify(document)[0] for _ in range(10)]
        running.until_counted(AFFIRMED, 10)
        [first, other] = running.workers()

        def ask_on() -> None:
            while not stop.is_set():
                with_luck = running.ask("GET", "/livez")[0]
                statuses.append(with_luck)

        os.kill(first, signal.SIGSTOP)  # so that it holds no request of ours when it dies
        time.sleep(0.05)
        asking = threading.Thread(target=ask_on)
        os.kill(first, signal.SIGKILL)
        asking.start()
        running.until(lambda: other in running.workers() and len(running.workers()) == 2)
        running.wait_for_all()
        stop.set()
        asking.join()
        running.until(lambda: running.metric("workers") == 2)
        counted = running.metric(AFFIRMED)
        again = [running.metric(AFFIRMED) for _ in range(5)]
        left = list((tmp_path / FOLDER).glob(f"*/*_{first}.db"))
        code = running.end()

    assert before == [200] * 10
    assert set(statuses) == {200}
    assert (counted, set(again), left, code) == (10, {10}, [], 0)
    assert any("SIGKILL" in line["detail"] for line in running.lines("workers"))


def test_a_nonce_counts_once_whichever_worker_is_asked(tmp_path: Path) -> None:
    """A replay need only be sent to the other process."""
    with service(tmp_path, single_use="embedded", state="used") as running:
        documents = [enclave().attestation(nonce=running.nonce()) for _ in range(40)]

        def present(document: bytes) -> tuple[int, list[str]]:
            status, result = running.verify(document, "payments")
            return status, [reason["code"] for reason in result["reasons"]]

        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(present, [document for document in documents for _ in range(4)]))
        pids = {line["pid"] for line in running.lines("appraisal")}
        for event, count in {"issued": 40, "accepted": 40, "replayed": 120}.items():
            running.until_counted(f'nonces_total{{event="{event}"}}', count)

    groups = [answers[start : start + 4] for start in range(0, len(answers), 4)]
    assert [sorted(status for status, _ in group) for group in groups] == [[200, 422, 422, 422]] * len(documents)
    assert {tuple(codes) for status, codes in answers if status == 422} == {("freshness.nonce-replayed",)}
    assert len(pids) == 2, "both must have been asked, or nothing was shown"


def test_sighup_exchanges_the_workers_without_losing_a_request_or_a_nonce(tmp_path: Path) -> None:
    """Each change of a setting would cost somebody an error."""
    statuses: list[int] = []
    stop = threading.Event()
    with service(tmp_path) as running:
        old, nonce = set(running.workers()), running.nonce()

        def ask_on() -> None:
            while not stop.is_set():
                statuses.append(running.ask("GET", "/livez")[0])

        asking = threading.Thread(target=ask_on)
        asking.start()
        text = running.configuration.read_text()
        running.configuration.write_text(f'default_policy = "open"\nport = 1\n{text.replace("port = 0", "")}')
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: running.exchanges() and not old & set(running.workers()))
        stop.set()
        asking.join()
        without_policy = running.ask("POST", "/v1/verify", enclave().attestation(), Content_Type=COSE)
        with_old_nonce = running.verify(enclave().attestation(nonce=nonce), "payments")
        loaded = running.metric('reloads_total{item="configuration",outcome="loaded"}')
        code = running.end()

    assert set(statuses) == {200}
    assert (without_policy[0], with_old_nonce[0], loaded, code) == (200, 200, 1, 0)
    assert any("restart to apply" in line["detail"] for line in running.lines("configuration"))


def test_sighup_with_a_broken_configuration_keeps_what_works(tmp_path: Path) -> None:
    """A typing mistake would end the service."""
    with service(tmp_path) as running:
        old = set(running.workers())
        running.configuration.write_text("x = 1\n" + running.configuration.read_text())
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: [line for line in running.lines("reload-failed") if line["item"] == "configuration"])
        after = set(running.workers())
        failed = running.metric('reloads_total{item="configuration",outcome="failed"}')
        status, code = running.verify(enclave().attestation())[0], running.end()

    assert (after, failed, status, code) == (old, 1, 200, 0)


def test_new_workers_that_cannot_start_leave_the_old_ones_and_are_tried_again(tmp_path: Path) -> None:
    """The machine's trouble of a moment would become an outage."""
    with service(tmp_path) as running:
        old, [folder] = set(running.workers()), (tmp_path / FOLDER).iterdir()
        shutil.rmtree(folder)  # nobody can count any more, so nobody can start
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: running.lines("worker-failed") and running.lines("reload-failed"))
        status = running.verify(enclave().attestation())[0]
        kept = set(running.workers()) & old
        os.kill(max(old), signal.SIGABRT)
        running.until(lambda: len(running.lines("worker-failed")) >= 4)
        folder.mkdir(mode=0o700)
        running.wait_for_all()
        code = running.end()

    assert (status, kept, code) == (200, old, 0)
    assert running.lines("worker-failed")[0]["error"] == "FileNotFoundError"


def test_a_changed_policy_reaches_every_worker(tmp_path: Path) -> None:
    """The answer would depend on who is asked, for good."""
    with service(tmp_path) as running:
        (tmp_path / "policies" / "new.toml").write_text(POLICIES["open"])
        running.until(lambda: len(running.lines("reloaded")) == 2)
        statuses = {running.verify(enclave().attestation(), "new")[0] for _ in range(20)}
        loaded = running.metric('reloads_total{item="policies",outcome="loaded"}')

    assert (statuses, loaded) == ({200}, 2)
    assert {line["pid"] for line in running.lines("reloaded")} == running.serving()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_finished_before_the_end(tmp_path: Path, number: int) -> None:
    """Every deployment would cut some off."""
    document = enclave().attestation()
    with service(tmp_path) as running:
        connection = http.client.HTTPConnection(HOST, running.port, timeout=30)
        connection.putrequest("POST", "/v1/verify?policy=open")
        connection.putheader("Content-Type", COSE)
        connection.putheader("Content-Length", str(len(document)))
        connection.endheaders(document[:100])
        time.sleep(0.2)
        running.process.send_signal(number)
        running.until(lambda: len(running.lines("draining")) == 2)
        with pytest.raises(ConnectionRefusedError):
            running.ask("GET", "/livez")
        connection.send(document[100:])
        status = connection.getresponse().status
        connection.close()
        code = running.process.wait(30)

    assert (status, code) == (200, 0)


def test_workers_end_when_their_parent_was_killed(tmp_path: Path) -> None:
    """They would hold the port against the next start, and serve yesterday's configuration."""
    with service(tmp_path) as running:
        workers = [psutil.Process(pid) for pid in running.workers()]
        running.process.kill()
        running.process.wait(10)
        _, alive = psutil.wait_procs(workers, timeout=20)

    assert alive == []
    assert len(running.lines("stopped")) == 2


def test_what_cannot_work_is_said_before_anything_is_forked(tmp_path: Path) -> None:
    """As with one process: exit code 2 and one line."""
    with service(tmp_path) as running:
        command = [sys.executable, "-m", "verifier.cli", "serve", "--config", str(running.configuration)]
        taken = subprocess.run(
            [*command, "--workers", "2", "--port", str(running.port)], capture_output=True, check=False, timeout=60
        )

    assert taken.returncode == 2
    assert b"cannot listen" in taken.stderr
    assert b"Traceback" not in taken.stderr


UNABLE = """
import sys
from dataclasses import replace
from verifier.service.config import load_settings
from verifier.service.workers import run
sys.exit(run(replace(load_settings(file=sys.argv[1]), workers=2, default_policy="nobody's")))
"""


def test_when_no_worker_can_start_the_service_ends(tmp_path: Path) -> None:
    """An orchestrator would wait for one that never comes."""
    configuration = write_configuration(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", UNABLE, str(configuration)], capture_output=True, check=False, timeout=60
    )

    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert done.returncode == 3
    assert "worker-failed" in events
    assert "workers" in events


def test_the_files_of_workers_that_ended_do_not_pile_up(tmp_path: Path) -> None:
    """Scrapes would become slower with every restart."""
    with service(tmp_path) as running:
        running.verify(enclave().attestation())
        for count in range(1, 4):
            running.process.send_signal(signal.SIGHUP)
            running.until(lambda count=count: len(running.exchanges()) == count)  # type: ignore[misc]  # mypy does not infer it
            running.until(lambda: len(running.workers()) == 2)
        running.until(lambda: len(list((tmp_path / FOLDER).glob("*/histogram_*.db"))) == 3)
        counted = running.metric(AFFIRMED)
        cpu = re.findall(r"^process_cpu_seconds_total (\S+)$", running.ask("GET", "/metrics")[1], re.MULTILINE)
        ours = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in running.workers())

    assert counted == 1
    assert float(cpu[0]) > ours * 0.9


def test_one_worker_is_the_plain_service(tmp_path: Path) -> None:
    """What nobody asked for would be between a client and its answer."""
    imports = "import sys, verifier.service.server; sys.exit('gunicorn' in sys.modules)"
    with Service(tmp_path, workers=1) as running:
        running.until(lambda: running.ask("GET", "/readyz")[0] == 200)
        children, code = running.workers(), running.end()

    assert (children, code) == ([], 0)
    assert subprocess.run([sys.executable, "-c", imports], check=False, timeout=60).returncode == 0


def test_keys_made_at_the_start_live_through_an_exchange_of_the_workers(tmp_path: Path) -> None:
    """Every token that is out would be refused after each SIGHUP."""
    with Service(tmp_path, options={"issuer": "https://verifier.example", "ephemeral_signing_key": "true"}) as running:
        running.wait_for_all()
        (tmp_path / "nonce.key").write_text("5a" * 32)
        keys = '[nonce_keys]\ncurrent = { id = 1, file = "nonce.key" }\n'
        running.configuration.write_text(running.configuration.read_text() + keys)
        kids = [running.ask("GET", "/.well-known/jwks.json")[1]["keys"][0]["kid"] for _ in range(4)]
        for count in (1, 2):
            running.process.send_signal(signal.SIGHUP)
            running.until(lambda count=count: len(running.exchanges()) == count)  # type: ignore[misc]  # mypy does not infer it
        kids += [running.ask("GET", "/.well-known/jwks.json")[1]["keys"][0]["kid"] for _ in range(4)]
        code = running.end()

    assert (len(set(kids)), code) == (1, 0)


def test_nonce_keys_that_are_gone_are_refused_by_the_parent_too(tmp_path: Path) -> None:
    """A mistake in an editor and a SIGHUP would refuse every nonce that is out."""
    with Service(tmp_path) as running:
        running.wait_for_all()
        without = running.configuration.read_text()
        (tmp_path / "nonce.key").write_text("5a" * 32)
        running.configuration.write_text(without + '[nonce_keys]\ncurrent = { id = 1, file = "nonce.key" }\n')
        running.process.send_signal(signal.SIGHUP)
        running.until(running.exchanges)
        running.configuration.write_text(without)
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: [line for line in running.lines("reload-failed") if line["item"] == "configuration"])
        keys = running.ask("GET", "/readyz")[1]["reloads"]["nonce-keys"]["live"]
        exchanges, code = len(running.exchanges()), running.end()

    assert (keys, exchanges, code) == ("current=1", 1, 0)


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_workers_can_change_and_none_of_the_sockets_is_left_alone(tmp_path: Path, count: int) -> None:
    """Connections that the kernel puts into a queue that nobody empties would wait for ever."""
    with Service(tmp_path, workers=None) as running:
        running.wait_for_all()
        text = running.configuration.read_text()
        running.configuration.write_text(text.replace("workers = 2", f"workers = {count}"))
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: running.exchanges() and len(running.workers()) == count)
        statuses = {running.ask("GET", "/livez")[0] for _ in range(40)}
        serving = running.metric("workers")
        code = running.end()

    assert (statuses, serving, code) == ({200}, count, 0)
