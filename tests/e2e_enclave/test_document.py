"""A document over a nonce that the host chose and sent over the vsock, and what a verifier makes of it."""

import json
import secrets
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import cbor2
import pytest

from issuer.vsock import UnixAddress
from tests.e2e_enclave.conftest import MODULE_ID
from tests.e2e_enclave.host import answering
from tests.e2e_enclave.machine import Enclave
from verifier import Policy, Reason, Rejected, Verifier, read_policy
from verifier.evidence.document import decode_document

ES384 = bytes.fromhex("a1013822")
PORT = {"sync": 5101, "async": 5102}


@pytest.fixture(scope="module")
def policy(images: dict[str, Path]) -> Policy:
    """The policy that `nitro-verifier policy new` writes for the image."""
    command = [sys.executable, "-m", "verifier.cli", "policy", "new", "--eif", str(images["signed"]), "--name", "e2e"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return read_policy(text)


@pytest.mark.parametrize("client", ["sync", "async"])
def test_a_nonce_of_the_hosts_comes_back_in_the_document_and_the_verifier_rejects_the_missing_signature(
    enclave: Enclave, policy: Policy, client: str
) -> None:
    """QEMU signs nothing: a verifier that affirmed this would affirm anything."""
    nonce = secrets.token_bytes(32)
    asked: list[bytes] = []

    def challenge(message: bytes) -> bytes:
        asked.append(message)
        return nonce

    with answering(UnixAddress(path=str(enclave.host_socket(PORT[client]))), challenge):
        address = f"vsock:parent:{PORT[client]}"
        enclave.ask("door", "prove", address=address, client=client)
    hello, document = asked
    assert hello == b"a nonce, please"
    assert decode_document(cbor2.loads(document)[2]).nonce == nonce
    result = Verifier().appraise(document, policy=policy, nonce=nonce, at=datetime.now(UTC))
    assert isinstance(result, Rejected)
    assert [finding.reason for finding in result.findings] == [Reason.ENVELOPE_ALGORITHM_UNSUPPORTED]


def test_the_verifier_reads_everything_else_in_the_document(enclave: Enclave) -> None:
    """The payload, which is the device's own, would be refused in a genuine document too."""
    document = cast("bytes", enclave.nsm("attestation", nonce=b"n", user_data=b"", public_key=bytes(1024)))
    read = decode_document(cbor2.loads(document)[2])
    assert (read.module_id, read.nonce, read.user_data, read.public_key) == (MODULE_ID, b"n", b"", bytes(1024))
    assert read.unrecognised == ()
    assert set(range(16)) <= set(read.pcrs)
    made = datetime.fromtimestamp(read.timestamp_ms / 1000, UTC)
    assert abs(datetime.now(UTC) - made) < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [(bytes(64), Reason.ENVELOPE_SIGNATURE_INVALID), (bytes(96), Reason.PATH_ROOT_UNTRUSTED)],
    ids=["QEMU's zeros", "as many zeros as a signature has"],
)
def test_a_document_that_claims_the_right_algorithm_is_rejected_for_what_is_behind_it(
    enclave: Enclave, policy: Policy, signature: bytes, reason: Reason
) -> None:
    """Everything outside the payload is anybody's to write."""
    protected, _, payload, zeros = cbor2.loads(cast("bytes", enclave.nsm("attestation", nonce=b"n")))
    assert (protected, zeros) == (bytes.fromhex("a10120"), bytes(64))
    claimed = cbor2.dumps([ES384, {}, payload, signature])
    result = Verifier().appraise(claimed, policy=policy, nonce=b"n", at=datetime.now(UTC))
    assert isinstance(result, Rejected)
    assert [finding.reason for finding in result.findings] == [reason]


def test_the_command_rejects_it_too_and_says_why(enclave: Enclave, tmp_path: Path) -> None:
    """Operators would be told something else than the library decides."""
    file = tmp_path / "document.cbor"
    file.write_bytes(cast("bytes", enclave.nsm("attestation")))
    command = [sys.executable, "-m", "verifier.cli", "verify", str(file), "--json"]
    ran = subprocess.run(command, check=False, capture_output=True, timeout=60)
    body = json.loads(ran.stdout)
    assert (ran.returncode, body["verdict"]) == (1, "rejected")
    assert [reason["code"] for reason in body["reasons"]] == ["envelope.algorithm-unsupported"]
