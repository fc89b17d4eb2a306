"""Logs: enough to find a request again, nothing that a client chose."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.service.harness import Running, base64url, enclave, make_settings, running
from verifier.service.logs import bridge_library_logs, make_logger

SECRETS = ["user-data-marker", "nonce-marker-1234", "public-key-marker", "query-marker", "path-marker", "agent-marker"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service with an empty log."""
    with running(make_settings(tmp_path)) as started:
        yield started


def test_there_is_one_line_for_each_appraisal(service: Running) -> None:
    """A verdict that nobody can find again cannot be explained."""
    document = enclave().attestation()
    good = service.verify(document, "policy=open")
    bad = service.verify(b"noise", "policy=payments")

    first, second = service.lines("appraisal")

    assert first["verdict"] == "affirmed"
    assert first["module_id"] == enclave().module_id
    assert first["evidence_sha256"] == good.json["evidence_sha256"]
    assert first["request_id"] == good.headers["X-Request-Id"]
    assert second["verdict"] == "rejected"
    assert second["reasons"] == bad.reasons
    assert second["policy"] == "payments"
    assert second["module_id"] is None
    facts = {"request_id", "verdict", "reasons", "policy", "evidence_sha256", "module_id", "duration_us", "historical"}
    assert set(first) == set(second) == {"time", "level", "event"} | facts


def test_nothing_that_a_client_chose_is_logged(service: Running) -> None:
    """Logs are read by more people and machines than requests are meant for."""
    document = enclave().attestation(
        user_data=b"user-data-marker", nonce=b"nonce-marker-1234", public_key=b"public-key-marker"
    )
    nonce = service.nonce()
    nonce_text = base64url(nonce)
    service.verify(document, "policy=payments")
    service.verify(enclave().attestation(nonce=nonce))
    service.verify(document, f"policy=caller&nonce={base64url(b'nonce-marker-1234')}", User_Agent="agent-marker")
    service.verify_json(document=base64url(document), policy="query-marker")
    service.verify(document, "policy=open&query-marker=1")
    service.call("GET", "/path-marker?query-marker=1")
    service.call("BREW", "/path-marker")
    with service.connect() as stream:
        stream.sendall(b"path-marker HELLO\r\nquery-marker\r\n\r\n")
        stream.recv(4096)

    text = service.log.getvalue()

    for marker in (*SECRETS, nonce_text, nonce.hex()):
        assert marker.encode() not in text
        assert base64url(marker.encode()).encode() not in text
        assert marker.encode().hex().encode() not in text


def test_a_forged_module_id_is_not_logged(service: Running) -> None:
    """Whoever cannot sign could write other people's names into the log."""
    document = enclave().attestation()

    service.verify(document[:-1] + bytes([document[-1] ^ 1]), "policy=open")

    assert service.lines("appraisal")[-1]["module_id"] is None


def test_what_libraries_log_comes_without_what_was_put_into_it() -> None:
    """Aiohttp and asyncio quote clients in their messages."""
    stream = io.BytesIO()
    names = ("aiohttp", "asyncio", "gunicorn", "uvloop")
    before = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in names}
    bridge_library_logs(make_logger("debug", stream))
    try:
        logger = logging.getLogger("aiohttp.server")
        logger.warning("bad request from %s", "secret-client")
        logger.error("secret-in-template")
        logger.error("failed for %s", "secret-client", exc_info=ValueError("secret-in-exception"))
        logger.info("below the level")
    finally:
        for name, (handlers, propagate) in before.items():
            logging.getLogger(name).handlers[:] = handlers
            logging.getLogger(name).propagate = propagate
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert b"secret" not in stream.getvalue()
    assert [line["template"] for line in lines] == ["bad request from %s", "", "failed for %s"]
    assert lines[2]["error"] == "ValueError"


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warning", False)])
def test_the_level_decides_what_is_written(level: str, *, shown: bool) -> None:
    """An operator could not turn it down."""
    stream = io.BytesIO()
    log = make_logger(level, stream).bind(pid=7)
    log.info("appraisal", verdict="affirmed")
    log.put("info", "appraisal", {"verdict": "affirmed"})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert len(lines) == 2 * shown
    assert [{**line, "time": ""} for line in lines] == 2 * shown * [
        {"pid": 7, "verdict": "affirmed", "event": "appraisal", "level": "info", "time": ""}
    ]
    assert all(datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0) for line in lines)


def test_a_bound_log_writes_its_facts_in_every_line_and_the_other_does_not() -> None:
    """Lines of several workers could not be told apart, or would all name the same one."""
    stream = io.BytesIO()
    log = make_logger("info", stream)
    bound = log.bind(pid=1).bind(place=2)
    bound.error("here", place=3)
    log.warning("there")

    first, second = map(json.loads, stream.getvalue().splitlines())

    assert first.keys() == {"pid", "place", "event", "level", "time"}
    assert (first["pid"], first["place"], first["event"], first["level"]) == (1, 3, "here", "error")
    assert second.keys() == {"event", "level", "time"}


class Trickle(io.BytesIO):
    """A pipe that takes a few bytes at a time."""

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever has bytes
        """Take the first seven."""
        return super().write(bytes(data[:7]))


def test_a_line_that_is_taken_piece_by_piece_arrives_whole() -> None:
    """Half a line is no JSON, and spoils the next one too."""
    stream = Trickle()
    make_logger("info", stream).info("hello", who="world")

    assert json.loads(stream.getvalue())["who"] == "world"


def test_a_line_that_cannot_be_written_is_lost_and_counted(service: Running) -> None:
    """A verdict would be lost because nobody can read of it."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        loss = service.service.metrics.log_failures.inc
        service.service.log = make_logger("info", full, on_loss=loss)
        make_logger("info", full).info("lost, and nobody counts")
        status = service.verify(enclave().attestation(), "policy=open").status

    assert status == 200
    assert service.metric("log_failures_total") == 1
    assert service.metric("bugs_total") == 0


def test_by_default_lines_go_to_standard_error(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Standard output belongs to programs that print answers."""
    make_logger().info("hello")

    captured = capfdbinary.readouterr()
    assert json.loads(captured.err)["event"] == "hello"
    assert captured.out == b""
