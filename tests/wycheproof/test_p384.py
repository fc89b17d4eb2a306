"""Project Wycheproof's P-384 vectors (`../shared/wycheproof`) through the one door that verifies anything."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RequireShared
from verifier.trust.der import DerError
from verifier.trust.ecdsa import EngineName, PublicKey, decode_signature, select_engine

DER = "ecdsa_secp384r1_sha384_test.json"
RAW = "ecdsa_secp384r1_sha384_p1363_test.json"
ENGINES = [name for name in EngineName if name is not EngineName.AWS_LC or sys.platform == "linux"]


@pytest.fixture(scope="module")
def vectors(require_shared: RequireShared) -> Path:
    """The folder of vectors, or skip or fail as `require_shared` does."""
    return require_shared("wycheproof")


def cases(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Give each case with its group's key."""
    for group in json.loads(path.read_text())["testGroups"]:
        assert (group["publicKey"]["curve"], group["sha"]) == ("secp384r1", "SHA-384")
        for case in group["tests"]:
            yield bytes.fromhex(group["publicKeyDer"]), case


def verifies_der(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Verify a signature as a certificate carries it."""
    try:
        return key.verify(message, decode_signature(signature))
    except DerError:
        return False


def disagreements(path: Path, engine: EngineName, *, der: bool) -> list[str]:
    """Name every case whose verdict is not the file's."""
    loader, found = select_engine(engine), []
    for spki, case in cases(path):
        key, message, signature = loader.load_key(spki), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
        verdict = verifies_der(key, message, signature) if der else key.verify(message, signature)
        if verdict is not (case["result"] == "valid"):
            found.append(f"{case['tcId']} {case['comment']}: {case['result']}, not {verdict}")
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_raw_signatures_are_judged_as_the_vectors_say(engine: EngineName, vectors: Path) -> None:
    """A document's signature would be accepted that is none, or refused though it is right."""
    assert disagreements(vectors / RAW, engine, der=False) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_der_signatures_are_judged_as_the_vectors_say(engine: EngineName, vectors: Path) -> None:
    """A certificate's signature would have second forms, or be accepted though it is wrong."""
    assert disagreements(vectors / DER, engine, der=True) == []


def test_the_files_are_whole_and_leave_nothing_to_taste(vectors: Path) -> None:
    """A shortened file would pass, or an "acceptable" case be decided by nobody: there is none in these files."""
    results = {name: [case["result"] for _, case in cases(vectors / name)] for name in (DER, RAW)}
    assert {name: len(found) for name, found in results.items()} == {DER: 504, RAW: 280}
    assert {result for found in results.values() for result in found} == {"valid", "invalid"}
