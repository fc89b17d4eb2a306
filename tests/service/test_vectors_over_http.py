"""Every vector through the service: with both engines, the cache cold, warm and off, in one and in two workers."""

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.service.harness import Reply
from tests.service.processes import Lane, Process, lanes_to
from tests.service.vector_services import (
    ISSUING,
    PROBLEMS,
    STRANGERS,
    THROWAWAY,
    Answer,
    Clock,
    Form,
    answer_of,
    by_service,
    right_answer,
    serve,
    under,
    write_policies,
    write_service,
    write_step,
)
from tests.support.vectors import Case
from verifier import EngineName

BY_SERVICE = by_service()
BEFORE_ALL_NONCES = "2025-12-31T00:00:00Z"
FORMS: tuple[Form, ...] = ("raw", "json")
"""The first finds a cold cache, the second what the first has left there."""

everywhere = pytest.mark.parametrize(
    ("engine", "path_cache", "workers"),
    [(engine, leaves, workers) for workers in (1, 2) for leaves in (4096, 0) for engine in EngineName],
    ids=lambda value: str(value),  # noqa: PLW0108 - pytest wants a function
)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the vectors' policies, as services need them."""
    folder = tmp_path_factory.mktemp("policies")
    write_policies(folder)
    return folder


def ask_all(lane: Lane, cases: Sequence[Case], forms: Sequence[Form]) -> Iterator[tuple[str, Form, Answer]]:
    """Put all cases to one worker as of their time, in one form after the other."""
    for form in forms:
        for case in cases:
            for step in case.get("before", ()):
                verdict = lane.ask(write_step(case, step, form, historical=True)).json["verdict"]
                assert verdict == step["verdict"], case["id"]
            yield case["id"], form, answer_of(lane.ask(write_step(case, case, form, historical=True)))


@everywhere
@pytest.mark.parametrize("name", [THROWAWAY, STRANGERS])
def test_a_vector_is_answered_as_it_says_by_every_worker(
    tmp_path: Path, policies: Path, name: str, engine: EngineName, path_cache: int, workers: int
) -> None:
    """What is affirmed would hang on who is asked, and on what that one was asked before."""
    cases = [under(policies, case) for case in BY_SERVICE[name]]
    right = {case["id"]: right_answer(case, historical=True) for case in cases}
    forms, shares = FORMS, [cases] * workers
    if not path_cache:  # who remembers nothing need not be asked again, nor what the other was asked
        forms, shares = FORMS[:1], [cases[place::workers] for place in range(workers)]
    options = {"policies": str(policies), "engine": engine.value, "path_cache": path_cache}

    with (
        Process(tmp_path, serve(write_service(tmp_path, cases, **options), workers), traced=False) as process,
        lanes_to(process, workers, policy="strict") as lanes,
        ThreadPoolExecutor(workers) as clients,
    ):
        answers = list(clients.map(lambda lane, share: list(ask_all(lane, share, forms)), lanes, shares))
        [started], hits = process.lines("starting"), process.metric('path_cache_hits_total{half="leaf"}')

    wrong = [each for of_one in answers for each in of_one if each[2] != right[each[0]]]
    assert wrong == []
    assert [len(of_one) for of_one in answers] == [len(forms) * len(share) for share in shares]
    assert len({lane.pid for lane in lanes}) == workers
    assert (started["engine"], started["workers"]) == (engine, workers)
    assert (hits > 0) is (path_cache > 0 and name != STRANGERS), "no path of a stranger's is remembered"


@everywhere
def test_a_nonce_of_a_vector_counts_once_among_all_workers(
    tmp_path: Path, policies: Path, engine: EngineName, path_cache: int, workers: int
) -> None:
    """The vectors about nonces that count once would hold within one process alone, or only when looking back."""
    cases, state = [under(policies, case) for case in BY_SERVICE[ISSUING]], tmp_path / "used"
    options = {"policies": str(policies), "engine": engine.value, "path_cache": path_cache}
    guard = {"single_use": "embedded", "state": str(state)}
    clock = Clock(tmp_path / "clock", BEFORE_ALL_NONCES)
    configuration = write_service(tmp_path, cases, **options, **guard)
    command = [sys.executable, "-m", "tests.service.serve_at", str(configuration), str(workers), str(clock.file)]

    wrong = []
    with Process(tmp_path, command, traced=False) as process, lanes_to(process, workers, policy="strict") as lanes:
        for turn, form in enumerate(FORMS):
            for case in cases:
                forget_nonces(state)
                right = right_answer(case, historical=is_looking_back(case, case))
                answer = ask_in_turn(lanes[turn % workers :] + lanes[: turn % workers], clock, case, form)
                wrong += [] if answer == right else [(case["id"], form, answer)]
        [started] = process.lines("starting")

    assert wrong == []
    assert len({lane.pid for lane in lanes}) == workers
    assert (started["engine"], started["workers"], started["single_use"]) == (engine, workers, "host")


def ask_in_turn(lanes: Sequence[Lane], clock: Clock, case: Case, form: Form) -> Answer:
    """Put the steps of a case to one worker after the other, and give the last answer."""
    for count, step in enumerate(case.get("before", ())):
        reply = ask_at(lanes[count % len(lanes)], clock, case, step, form)
        assert reply.json["verdict"] == step["verdict"], case["id"]
    return answer_of(ask_at(lanes[len(case.get("before", ())) % len(lanes)], clock, case, case, form))


def ask_at(lane: Lane, clock: Clock, case: Case, step: Case, form: Form) -> Reply:
    """Put a step to a worker, at the step's time or looking back to it."""
    looking_back = is_looking_back(case, step)
    if not looking_back:
        clock.set(step["at"])
    return lane.ask(write_step(case, step, form, historical=looking_back))


def is_looking_back(case: Case, step: Case) -> bool:
    """Whether it is about another time, or a verifier without a guard: who looks back asks none."""
    return step.get("historical", False) or not case.get("service", {}).get("single_use")


def forget_nonces(state: Path) -> None:
    """Leave the guard as it was made: each vector has one of its own."""
    with closing(sqlite3.connect(state)) as database, database:
        database.execute("DELETE FROM used")
        database.execute("UPDATE memory SET forgotten = 0")


def test_only_what_has_no_place_in_a_request_is_not_put_to_a_service() -> None:
    """A vector could be left out by calling it impossible."""
    cases = {case["id"]: case for cases in BY_SERVICE.values() for case in cases}
    assert {name for name, case in cases.items() if case["policy"] is None or case["nonce"] == ""} == set(PROBLEMS)
    assert sum(map(len, BY_SERVICE.values())) == len(cases) >= 1300
