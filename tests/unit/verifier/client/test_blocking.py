"""The blocking face: its thread begins with the first call and ends with it, wherever and however it is used."""

import asyncio
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.core import AT
from tests.unit.verifier.client.attacks.forge import EXPECTED, JWKS, RESULT_NONCE, Genuine, affirmed
from tests.unit.verifier.client.conftest import QUICK
from tests.unit.verifier.client.fakes import NONCE, Request, always, give_nonce, http, verifier
from verifier.client import Limits, TokenVerifier, VerifierClient


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "nitro-verifier-client"]


def test_there_is_no_thread_before_the_first_call_and_none_after_the_last() -> None:
    """Each client would leave a thread behind, and its connections."""
    with verifier(give_nonce) as fake:
        client = VerifierClient(fake.url, limits=QUICK)
        assert workers() == []
        client.nonce()
        client.nonce()
        assert len(workers()) == 1
        client.close()
    assert workers() == []
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.nonce()


def test_a_client_that_was_never_used_closes() -> None:
    """It would fail at the end of a block that had nothing to ask."""
    with VerifierClient("https://verifier.example"), TokenVerifier("https://verifier.example", EXPECTED):
        pass
    assert workers() == []


def test_a_client_that_nobody_holds_any_more_ends_its_thread() -> None:
    """A client for each request would be a thread for each request, for ever."""
    with verifier(give_nonce) as fake:
        client = VerifierClient(fake.url, limits=QUICK)
        client.nonce()
        (worker,) = workers()
        del client
        gc.collect()
        worker.join(10)
    assert workers() == []


def test_a_client_that_is_collected_in_its_own_thread_does_not_wait_for_itself() -> None:
    """Garbage is collected in any thread, and a thread that joins itself is an error."""
    with verifier(give_nonce) as fake:
        client = VerifierClient(fake.url, limits=QUICK)
        client.nonce()
        (worker,) = workers()
        background = client._background
        running = background._worker
        assert running is not None

        async def collect() -> None:
            running.stop()

        background.run(lambda _: collect())
        worker.join(10)
        assert workers() == []
        client.close()


def test_what_is_wrong_with_the_arguments_is_said_at_once() -> None:
    """It would be said in the first call, far from the mistake."""
    with pytest.raises(ValueError, match="https"):
        VerifierClient("ftp://verifier.example")
    with pytest.raises(ValueError, match="plain HTTP"):
        TokenVerifier("http://verifier.example", EXPECTED)
    with pytest.raises(TypeError, match="timeout"):
        VerifierClient("https://verifier.example", timeout=3)  # type: ignore[call-arg]  # that is what is tested


def test_it_works_where_an_event_loop_is_running() -> None:
    """`asyncio.run` in it would fail there, and a shared loop would wait for itself."""

    async def main() -> bytes:
        return client.nonce().value

    with verifier(give_nonce) as fake, VerifierClient(fake.url, limits=QUICK) as client:
        assert asyncio.run(main()) == NONCE


def test_many_threads_share_one() -> None:
    """A web server with threads would need a client for each."""
    with (
        verifier(give_nonce) as fake,
        VerifierClient(fake.url, limits=QUICK) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        found = list(threads.map(lambda _: client.nonce().value, range(64)))
        assert len(workers()) == 1
    assert found == [NONCE] * 64


def test_tokens_are_read_from_many_threads_with_keys_that_are_asked_for_once() -> None:
    """As above, for whoever verifies offline."""
    token = Genuine().jwt(affirmed())
    with (
        verifier(always(http(200, JWKS))) as fake,
        TokenVerifier(fake.url, EXPECTED, now=lambda: AT, limits=QUICK) as tokens,
        ThreadPoolExecutor(8) as threads,
    ):
        results = list(threads.map(lambda _: tokens.require_affirmed(token, nonce=RESULT_NONCE), range(32)))
        assert tokens.read(token, nonce=None).affirmed
    assert all(result.affirmed for result in results)
    assert len(fake.requests) == 1


def test_closing_during_a_call_ends_the_call() -> None:
    """Its thread would wait for ever for a loop that is gone."""
    asked, released = threading.Event(), threading.Event()

    def dawdle(_: Request) -> bytes:
        asked.set()
        released.wait(30)
        return b""

    with verifier(dawdle) as fake, ThreadPoolExecutor() as threads:
        client = VerifierClient(fake.url, limits=Limits(tries=1, exchange_s=30))
        call = threads.submit(client.nonce)
        assert asked.wait(30)
        client.close()
        released.set()
        with pytest.raises(RuntimeError, match="during the call"):
            call.result(30)
    assert workers() == []


SCRIPT = """
import os, signal, sys, threading
from verifier.client import Limits, VerifierClient

client = VerifierClient(sys.argv[1], limits=Limits(tries=1, exchange_s=30))
print("parent", len(client.nonce().value), flush=True)
"""
FORK = """
child = os.fork()
said = f"{'child' if child == 0 else 'parent'} {len(client.nonce().value)}\\n"
os.write(1, said.encode())  # at once: both write into one pipe
client.close()
if child:
    print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
FORK_IN_A_HURRY = """
with client._background._lock:  # as another thread holds it that is just beginning a call
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        print("child", len(client.nonce().value), flush=True)
        os._exit(0)
print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
INTERRUPT = """
try:
    press = lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    threading.Timer(0.3, press).start()
    client.verify(b"slow", policy=None, nonce=None)
except KeyboardInterrupt:
    print("interrupted", len(client.nonce().value))
"""


def run(script: str, url: str) -> list[str]:
    """Run a script in a process of its own, which must end by itself and say nothing but what it prints."""
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", SCRIPT + script, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=Path.cwd())
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


def test_a_process_that_closes_nothing_ends() -> None:
    """A script would hang after its last line, or end with a complaint."""
    with verifier(give_nonce) as fake:
        assert run("", fake.url) == ["parent 58"]


def test_a_client_works_on_both_sides_of_a_fork() -> None:
    """A web server that forks its workers would hang in the first request of each."""
    with verifier(give_nonce) as fake:
        printed = run(FORK, fake.url)
    assert sorted(printed) == ["child 58", "parent 58", "parent 58", "status 0"]


def test_a_fork_in_the_middle_of_another_thread_s_call_hangs_nowhere() -> None:
    """A server that forks while it serves would now and then have a worker that answers nothing."""
    with verifier(give_nonce) as fake:
        assert sorted(run(FORK_IN_A_HURRY, fake.url)) == ["child 58", "parent 58", "status 0"]


def test_the_thread_of_another_process_is_left_alone() -> None:
    """A child of a fork would wait at its end for a thread that it does not have."""
    with verifier(give_nonce) as fake, VerifierClient(fake.url, limits=QUICK) as client:
        client.nonce()
        worker = client._background._worker
        assert worker is not None
        here = worker.pid
        object.__setattr__(worker, "pid", 0)  # no process that runs Python
        worker.stop()
        assert len(workers()) == 1
        object.__setattr__(worker, "pid", here)


def test_a_call_can_be_interrupted_and_the_client_used_again() -> None:
    """Ctrl-C would have to wait for the network."""
    released = threading.Event()

    def slow(request: Request) -> bytes:
        if request.body == b"slow":
            released.wait(60)
        return give_nonce(request)

    with verifier(slow) as fake:
        try:
            assert run(INTERRUPT, fake.url) == ["parent 58", "interrupted 58"]
        finally:
            released.set()
