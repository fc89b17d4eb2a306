"""``nitro-issuer`` in the enclave, as installed there from the wheel, on the device."""

import hashlib
import json
from typing import Any, cast

import cbor2
import pytest

from tests.e2e_enclave.conftest import MODULE_ID
from tests.e2e_enclave.machine import Enclave
from tests.e2e_enclave.test_measurement import ZERO

EXTENDED_PCR, LOCKED_PCR = 24, 25


def run(enclave: Enclave, *command: str, stdin: bytes = b"") -> dict[str, Any]:
    """Run a command in the enclave to its end."""
    return cast("dict[str, Any]", enclave.ask("programs", "run", command=list(command), stdin=stdin))


def asked(enclave: Enclave, *command: str) -> dict[str, Any]:
    """Run ``nitro-issuer`` with ``--json`` and read what it prints."""
    ran = run(enclave, "nitro-issuer", *command, "--json")
    assert ran["code"] == 0, ran["stderr"]
    printed = cast("dict[str, Any]", json.loads(ran["stdout"]))
    assert printed["backend"] == "device"
    return printed


def test_it_describes_the_nsm(enclave: Enclave) -> None:
    """The first command that somebody tries in an enclave."""
    assert asked(enclave, "describe")["module_id"] == MODULE_ID


def test_it_shows_the_pcrs_that_were_measured(enclave: Enclave, measured: dict[str, dict[int, bytes]]) -> None:
    """What an operator compares by eye."""
    shown = asked(enclave, "pcr", "0", "1", "2", "3", "4", "8")["pcrs"]
    assert shown == {str(index): {"lock": True, "data": value.hex()} for index, value in measured["signed"].items()}


def test_it_extends_and_locks_and_a_document_carries_both(enclave: Enclave) -> None:
    """An init script's measurements would be lost."""
    value = hashlib.sha384(ZERO + b"configuration v7").hexdigest()
    command = ["extend", str(EXTENDED_PCR), "--text", "configuration v7", "--lock", "--yes"]
    assert asked(enclave, *command)["data"] == value
    assert {EXTENDED_PCR, LOCKED_PCR} <= set(asked(enclave, "lock", str(LOCKED_PCR), "--yes")["locked_pcrs"])
    command = ["attest", "--nonce", "00112233", "--user-data", "hello", "--output", "/tmp/document"]  # noqa: S108 - in the enclave, where nobody else is
    assert run(enclave, "nitro-issuer", *command)["code"] == 0
    document = cast("bytes", enclave.ask("programs", "read", path="/tmp/document"))  # noqa: S108 - the same
    payload = cbor2.loads(cbor2.loads(document)[2])
    assert (payload["nonce"], payload["user_data"]) == (bytes.fromhex("00112233"), b"hello")
    assert (payload["pcrs"][EXTENDED_PCR].hex(), payload["pcrs"][LOCKED_PCR]) == (value, ZERO)


def test_it_gives_random_bytes_beyond_what_the_nsm_gives_at_once(enclave: Enclave) -> None:
    """A seed would be shorter than asked for."""
    ran = run(enclave, "nitro-issuer", "random", "600", "--raw")
    assert (ran["code"], len(ran["stdout"]), len(set(ran["stdout"])) > 128) == (0, 600, True)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("extend", "0", "--text", "x", "--yes"), "ReadOnlyIndexError"),
        (("lock", "--below", "33", "--yes"), "InvalidIndexError"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_it_exits_with_1_and_names_the_refusal(enclave: Enclave, command: tuple[str, ...], says: str) -> None:
    """A script would go on."""
    ran = run(enclave, "nitro-issuer", *command)
    assert ran["code"] == 1
    assert says in ran["stderr"]
    assert "Traceback" not in ran["stderr"]
