"""Nonces that are used at the same moment: written together, each used once, each answered, in order."""

import asyncio
import gc
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web

from tests.service.harness import Running, enclave, make_settings, read_raw, running
from tests.service.short_way import connection_of, post, statuses, watched
from verifier import Affirmed, GuardUnavailableError, Rejected
from verifier.pipeline import Undecided
from verifier.service.connections import MAX_HEAD_BYTES, Connection
from verifier.service.guard import EmbeddedGuard
from verifier.service.uses import MAX_TOGETHER, Use, Uses

GUARDED = "/v1/verify?policy=payments"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service in which a nonce counts once."""
    with running(make_settings(tmp_path, single_use="embedded", state=tmp_path / "used.sqlite3")) as started:
        yield started


def fresh(service: Running) -> bytes:
    """A request with a nonce that was never used."""
    return post(GUARDED, enclave().attestation(nonce=service.nonce()))


@contextmanager
def clients(service: Running, count: int) -> Iterator[tuple[list[socket.socket], list[Connection]]]:
    """Connect so many times; give both sides."""
    way = watched(service)
    with ExitStack() as stack:
        streams = [stack.enter_context(service.connect()) for _ in range(count)]
        yield streams, [connection_of(service, way, stream) for stream in streams]


def arrive(service: Running, connections: list[Connection], requests: list[bytes]) -> None:
    """Have each request arrive at its connection, all before the event loop looks again."""

    def receive() -> None:
        for connection, request in zip(connections, requests, strict=True):
            connection.data_received(request)

    service.in_loop(receive)


def writes(service: Running) -> float:
    return service.metric("single_use_seconds_count")


def test_nonces_that_come_together_are_written_together(service: Running) -> None:
    """Each would cost a transaction: a loaded service would spend a fifth of its time on them."""
    requests = [fresh(service) for _ in range(5)]
    with clients(service, 5) as (streams, connections):
        arrive(service, connections, requests)
        assert [read_raw(stream).status for stream in streams] == [200] * 5
        assert writes(service) == 1
        arrive(service, connections, requests)
        replies = [read_raw(stream) for stream in streams]
    assert [reply.reasons for reply in replies] == [["freshness.nonce-replayed"]] * 5
    assert (writes(service), service.metric("nonces_total", event="replayed")) == (2, 5)


def test_a_use_in_the_long_way_is_measured_as_well(service: Running) -> None:
    """The histogram would be without those that a proxy's odd heads send there."""
    with clients(service, 1) as (streams, connections):
        document = enclave().attestation(nonce=service.nonce())
        arrive(service, connections, [post(GUARDED, document, "Connection: close")])
        assert read_raw(streams[0]).status == 200
    assert writes(service) == 1


def test_a_nonce_that_comes_twice_together_counts_once(service: Running) -> None:
    """Whoever sends a document twice at the same moment would have it affirmed twice."""
    one, other = fresh(service), fresh(service)
    with clients(service, 4) as (streams, connections):
        arrive(service, connections, [one, other, one, one])
        assert [read_raw(stream).status for stream in streams] == [200, 200, 422, 422]
    assert writes(service) == 1


def test_no_more_wait_for_each_other_than_is_worth_it(service: Running) -> None:
    """The first would wait for the signatures of all that came with it."""
    requests = [fresh(service) for _ in range(MAX_TOGETHER + 1)]
    undecided: list[bool] = []
    with clients(service, MAX_TOGETHER + 1) as (streams, connections):

        def receive() -> None:
            for connection, request in zip(connections, requests, strict=True):
                connection.data_received(request)
                undecided.append(connections[0].is_undecided)

        service.in_loop(receive)
        assert [read_raw(stream).status for stream in streams] == [200] * len(streams)
    assert undecided == [True] * (MAX_TOGETHER - 1) + [False] * 2
    assert writes(service) == 2


@pytest.mark.parametrize("second", [post(GUARDED, b"noise"), b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n\0"])
def test_answers_keep_the_order_of_their_requests(service: Running, second: bytes) -> None:
    """A client would take the answer to its second document for that to its first: a wrong verdict."""
    request = fresh(service)
    first = statuses_of(service, lambda connection: connection.data_received(second))
    with clients(service, 1) as (streams, connections):
        arrive(service, [connections[0], connections[0]], [request, second])
        assert statuses(streams[0], 2) == [200, *first]


def statuses_of(service: Running, act: Callable[[Connection], None]) -> list[int]:
    """What a connection is answered by itself."""
    with clients(service, 1) as (streams, connections):
        service.in_loop(lambda: act(connections[0]))
        return statuses(streams[0], 1)


def test_a_request_in_the_same_piece_waits_for_the_one_before(service: Running) -> None:
    """It would be answered first, as above."""
    with clients(service, 1) as (streams, connections):
        arrive(service, connections, [fresh(service) + post(GUARDED, b"noise") + fresh(service)])
        assert statuses(streams[0], 3) == [200, 422, 200]


def test_a_request_in_a_piece_too_large_for_one_step_waits_too(service: Running) -> None:
    """A read may bring two requests of which the second is seen only when the first waits already."""
    document = enclave().attestation(nonce=service.nonce())
    padding = [f"X-{number}: {'x' * 7000}" for number in range(3)]
    rest = MAX_HEAD_BYTES - len(post(GUARDED, document, *padding)) - len("X-3: \r\n")
    first = post(GUARDED, document, *padding, f"X-3: {'x' * (rest - 10)}")
    assert len(first) == MAX_HEAD_BYTES - 10
    with clients(service, 1) as (streams, connections):
        arrive(service, connections, [first + post(GUARDED, b"noise")])
        assert statuses(streams[0], 2) == [200, 422]


def test_a_service_that_ends_answers_before_it_closes(service: Running) -> None:
    """A rolling update would use up nonces for nothing."""
    request = fresh(service)
    ends = []
    with clients(service, 1) as (streams, connections):

        def receive() -> None:
            ends.append(asyncio.ensure_future(connections[0].shutdown(1.0)))  # its turn is before the guard's
            connections[0].data_received(request)

        service.in_loop(receive)
        assert read_raw(streams[0]).status == 200
        service.until(ends[0].done)


def test_a_client_that_has_said_all_is_answered(service: Running) -> None:
    """Its nonce would be used up for nothing: some clients close their side behind the last request."""
    request = fresh(service)
    with clients(service, 1) as (streams, connections):

        def receive() -> None:
            connections[0].data_received(request)
            connections[0].eof_received()
            connections[0]._wire.close()  # as the event loop does then

        service.in_loop(receive)
        assert read_raw(streams[0]).status == 200


def test_a_client_that_went_away_keeps_nobody_from_an_answer(service: Running) -> None:
    """One reset connection would cost seven others their nonces."""
    requests, failed = [fresh(service) for _ in range(3)], []
    service.loop.set_exception_handler(lambda _, context: failed.append(context))
    with clients(service, 3) as (streams, connections):

        def receive() -> None:
            for connection, request in zip(connections, requests, strict=True):
                connection.data_received(request)
            connections[1].cut_off()
            connections[0].connection_lost(None)

        service.in_loop(receive)
        assert read_raw(streams[2]).status == 200
    assert service.metric("appraisals_total", verdict="affirmed", policy="payments") == 3
    assert (failed, service.metric("bugs_total")) == ([], 0)


def test_nothing_is_affirmed_while_the_file_cannot_be_written(service: Running, tmp_path: Path) -> None:
    """What cannot be known would be taken for unused; and a nonce that was not written would be lost."""
    requests = [fresh(service) for _ in range(3)]
    with clients(service, 3) as (streams, connections), sqlite3.connect(tmp_path / "used.sqlite3") as other:
        other.execute("BEGIN IMMEDIATE")
        arrive(service, connections, requests)
        replies = [read_raw(stream) for stream in streams]
        other.execute("ROLLBACK")
        assert [reply.problem for reply in replies] == ["guard-unavailable"] * 3
        assert service.metric("appraisals_total", verdict="affirmed", policy="payments") == 0
        arrive(service, connections, requests)
        assert [read_raw(stream).status for stream in streams] == [200] * 3
    other.close()
    assert len(service.lines("guard-unavailable")) == 3


def test_a_newcomer_takes_no_place_of_one_who_is_about_to_be_answered(tmp_path: Path) -> None:
    """Its nonce would be used up, and the answer lost, though another connection is idle."""
    settings = make_settings(tmp_path, single_use="embedded", state=tmp_path / "used.sqlite3", max_connections=2)
    with running(settings) as service:
        request = fresh(service)
        with clients(service, 2) as (streams, connections):
            crowd = connections[0]._crowd

            def receive() -> None:
                connections[0].data_received(request)
                newcomer = Connection(cast("web.Server", connections[0]._manager), crowd, service.service)
                crowd.join(newcomer)
                crowd.leave(newcomer)

            service.in_loop(receive)
            assert read_raw(streams[0]).status == 200
            assert streams[1].recv(1) == b""


def test_what_waits_for_the_guard_is_not_late(service: Running) -> None:
    """A sweep at that very moment would cut it off, as it does with connections that were idle for too long."""
    request = fresh(service)
    with clients(service, 1) as (streams, connections):

        def receive() -> None:
            connections[0].data_received(request)
            connections[0].deadline = 0.0
            connections[0]._crowd.sweep()

        service.in_loop(receive)
        assert read_raw(streams[0]).status == 200


def test_what_fails_behind_one_use_keeps_no_other_from_going_on(service: Running, tmp_path: Path) -> None:
    """A defect in one answer would leave seven clients waiting."""
    uses, told = Uses(service.service.guard, service.service.metrics), []
    waiting = [Use(undecided(service)) for _ in range(3)]

    def fail() -> None:
        msg = "a defect"
        raise ValueError(msg)

    def add() -> None:
        uses.add(waiting[0], lambda: told.append(waiting[0]))
        uses.add(waiting[1], fail)
        uses.add(waiting[2], lambda: told.append(waiting[2]))

    service.in_loop(add)
    service.until(lambda: len(told) == 2)
    assert [use.is_first for use in waiting] == [True] * 3


class Defective(Connection):
    """A connection whose answers cannot be sent."""

    __slots__ = ()

    def send(self, answer: bytes, *, close: bool) -> None:  # noqa: ARG002 - the signature
        """Fail as no connection does."""
        msg = "a defect"
        raise ValueError(msg)


def test_an_answer_that_fails_takes_no_other_along(service: Running) -> None:
    """Whoever had the guard asked would be cut off, or answered before its own first request: a wrong verdict."""
    requests, failed = [fresh(service), fresh(service), post(GUARDED, b"noise")], []
    service.loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    with clients(service, 2) as (streams, connections):
        connections[0].__class__ = Defective
        arrive(service, [*connections, connections[1]], requests)
        assert statuses(streams[1], 2) == [200, 422]
        assert streams[0].recv(1) == b"", "its client would wait for what never comes"
    assert ([type(error) for error in failed], service.metric("bugs_total")) == ([ValueError], 1)


def test_an_answer_that_fails_does_not_end_the_sweeps(service: Running) -> None:
    """Nobody would be late any more."""
    request, failed = fresh(service), []
    service.loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    with clients(service, 1) as (streams, connections):
        connections[0].__class__ = Defective

        def receive() -> None:
            connections[0].data_received(request)
            connections[0]._crowd.sweep()

        service.in_loop(receive)
        assert streams[0].recv(1) == b""
    assert len(failed) == 1


class DefectiveGuard(EmbeddedGuard):
    """A guard with a defect: it fails as no guard may."""

    def consume_all(self, uses: Sequence[tuple[bytes, int]], *, at: int) -> list[bool]:  # noqa: ARG002 - the signature
        """Fail."""
        msg = "a defect"
        raise ValueError(msg)


def test_a_defect_of_the_guard_is_ours_and_no_verdict(service: Running) -> None:
    """It would be taken for a full disk, and the connection that had the guard asked be cut off for it."""
    requests, failed = [fresh(service) for _ in range(MAX_TOGETHER)], []
    service.loop.set_exception_handler(lambda _, context: failed.append(context))
    assert service.service.guard is not None
    service.service.guard.__class__ = DefectiveGuard
    with clients(service, MAX_TOGETHER) as (streams, connections):
        arrive(service, connections, requests)
        assert [read_raw(stream).problem for stream in streams] == ["internal-error"] * MAX_TOGETHER
    assert (service.metric("bugs_total"), failed) == (MAX_TOGETHER, [])


def test_the_log_says_of_each_where_it_failed_and_nothing_of_others(service: Running, tmp_path: Path) -> None:
    """Each would add its own to what is kept of the one before, until the next collection of garbage."""
    requests = [fresh(service) for _ in range(3)]
    with clients(service, 3) as (streams, connections), sqlite3.connect(tmp_path / "used.sqlite3") as other:
        other.execute("BEGIN IMMEDIATE")
        gc.collect()
        gc.disable()
        try:
            arrive(service, connections, requests)
            assert [read_raw(stream).problem for stream in streams] == ["guard-unavailable"] * 3
            service.in_loop(lambda: None)  # so that all is over there
            kept = [each for each in gc.get_objects() if isinstance(each, GuardUnavailableError)]
        finally:
            gc.enable()
        other.execute("ROLLBACK")
    other.close()
    one, *others = [line["where"] for line in service.lines("guard-unavailable")]
    assert others == [one, one]
    assert kept == []


class Listening:
    """A guard that only remembers what time it was told."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def consume_all(self, uses: list[tuple[bytes, int]], *, at: int) -> list[bool]:
        """Say that all of them are new."""
        self.told.append(at)
        return [True] * len(uses)


def test_the_guard_is_told_the_time_of_verification(service: Running) -> None:
    """It would forget no nonce for as long as it runs, or one that is still good."""
    guard = Listening()
    uses = Uses(cast("EmbeddedGuard", guard), service.service.metrics)
    waiting = [Use(undecided(service)) for _ in range(2)]

    def add() -> None:
        for use in waiting:
            uses.add(use, lambda: None)
        uses.settle()

    service.in_loop(add)
    assert guard.told == [waiting[-1].at]


def undecided(service: Running) -> Undecided:
    """An appraisal that is good if its nonce is."""
    document = enclave().attestation(nonce=service.nonce())
    judge = service.service
    found = judge.verifier.appraise_up_to_use(
        document, judge.find_policy("payments"), (), None, judge.now(), historical=False, on_stage=None
    )
    assert isinstance(found, Undecided)
    return found


def test_a_use_of_which_nothing_is_known_is_no_first_one(service: Running) -> None:
    """Whoever went on with a request too early would affirm it."""
    waiting = Use(undecided(service)).__await__()
    next(waiting)
    with pytest.raises(GuardUnavailableError):
        next(waiting)


def test_only_the_very_word_of_the_guard_affirms(service: Running) -> None:
    """Anything that is true enough would be taken for it."""
    for word in (False, None, 1, "yes"):
        result = undecided(service).decide(is_first_use=word)  # type: ignore[arg-type]  # that is what is asked
        assert isinstance(result, Rejected)
    assert isinstance(undecided(service).decide(is_first_use=True), Affirmed)
