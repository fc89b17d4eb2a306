"""`issuer.vsock` over real vsocks: both directions, the loopback, peers that misbehave, forwarders, and `Attester`.

The other end is vhost-device-vsock, which passes on neither half-closes nor refusals: they are tried within the enclave
alone, or not at all.
"""

import secrets
import sys
from contextlib import closing
from pathlib import Path
from subprocess import run as run_here
from typing import Any, cast

import cbor2
import pytest

from issuer.challenges import Challenge, decode_answer, encode_challenge
from issuer.vsock import Forwarder, TcpAddress, UnixAddress, listen, pin_destination
from issuer.vsock.allowlist import AllowList
from nitro_demo.service import Service
from tests.e2e_enclave.host import answering, running
from tests.e2e_enclave.machine import CID, Enclave, RaisedInEnclaveError
from tests.e2e_enclave.test_command import run
from verifier.evidence.document import decode_document

MIB = 1024 * 1024
CLIENTS = pytest.mark.parametrize("client", ["sync", "async"])
# Ports of the enclave on which its agent answers, each with the bytes backwards.
ANSWERS, TAKEN, MISBEHAVED, STREAMED = 5201, 5202, 5203, 5204
LOOPBACK = {"sync": 5205, "async": 5206}
# Ports of the host, and of forwarders.
ASKED, NOBODY, TO_HOST, TO_VERIFIER = 5301, 5302, 5303, 5304
IN_GUEST_TCP, FROM_HOST, NOT_ALLOWED, IN_GUEST_STREAMED, CHALLENGED = 5401, 5402, 5403, 5404, 5405


def serve(enclave: Enclave, address: str, how: str = "answer") -> str:
    """Have the enclave answer messages on an address; tell which address that is."""
    return cast("str", enclave.ask("door", how, address=address))


def ask(enclave: Enclave, address: str, message: bytes, client: str = "sync", timeout: float = 30) -> bytes:
    """Have the enclave ask, and give the answer."""
    return cast("bytes", enclave.ask("door", "ask", address=address, message=message, client=client, timeout=timeout))


def host_address(enclave: Enclave, port: int) -> UnixAddress:
    """Where the host listens for port ``port`` of its CID."""
    return UnixAddress(path=str(enclave.host_socket(port)))


def test_the_enclave_has_the_cid_that_it_was_given(enclave: Enclave) -> None:
    """Everything else here could be something else than a vsock."""
    assert enclave.ask("door", "cid") == CID


def test_a_server_in_the_enclave_answers_the_host_and_knows_its_cid(enclave: Enclave) -> None:
    """Limits for each peer would count all of them as one, or each connection as another."""
    assert serve(enclave, f"vsock:any:{ANSWERS}") == f"vsock:any:{ANSWERS}"
    message = secrets.token_bytes(MIB)
    enclave.ask("door", "endings")
    assert enclave.exchange(ANSWERS, message) == message[::-1]
    assert enclave.exchange(ANSWERS, b"") == b""
    endings = cast("list[list[str | None]]", enclave.ask("door", "endings"))
    assert {tuple(ending) for ending in endings} == {("vsock:2", None)}


@CLIENTS
def test_the_enclave_asks_the_host(enclave: Enclave, client: str) -> None:
    """An application in an enclave has no other way out."""
    message = secrets.token_bytes(MIB)
    with answering(host_address(enclave, ASKED), lambda asked: asked[::-1]) as endings:
        assert ask(enclave, f"vsock:parent:{ASKED}", message, client) == message[::-1]
    assert endings == [None]


@CLIENTS
def test_within_the_enclave_one_process_asks_another(enclave: Enclave, client: str) -> None:
    """Enclave kernels have the loopback; the machines that run the other tests have none."""
    serve(enclave, f"vsock:any:{LOOPBACK[client]}")
    message = secrets.token_bytes(MIB // 4)
    assert ask(enclave, f"vsock:1:{LOOPBACK[client]}", message, client) == message[::-1]


def test_a_port_that_is_taken_is_not_listened_on(enclave: Enclave) -> None:
    """Two servers would share a port, and each would lose connections to the other."""
    serve(enclave, f"vsock:any:{TAKEN}")
    with pytest.raises(RaisedInEnclaveError, match="Address already in use") as refused:
        serve(enclave, f"vsock:any:{TAKEN}")
    assert refused.value.kind == "ListenFailedError"


@CLIENTS
@pytest.mark.parametrize("cid", ["parent", "3"])
def test_connecting_to_nobody_ends_in_time(enclave: Enclave, cid: str, client: str) -> None:
    """An application would hang; the backend leaves whoever is not there unanswered, CID 3 included."""
    with pytest.raises(RaisedInEnclaveError) as refused:
        ask(enclave, f"vsock:{cid}:{NOBODY}", b"", client, timeout=1)
    assert refused.value.kind == "ConnectFailedError"


MISBEHAVIOUR = {
    "leaves without a message": (b"", "ConnectionEndedError"),
    "leaves within its message": (b"\x00\x00\x00\x05ab", "TruncatedMessageError"),
    "announces too much": (b"\x00\x10\x00\x01", "MessageTooLargeError"),
}


def test_a_server_in_the_enclave_outlives_peers_that_misbehave(enclave: Enclave) -> None:
    """The parent, which is not trusted, could shut the enclave."""
    serve(enclave, f"vsock:any:{MISBEHAVED}")
    enclave.ask("door", "endings")
    for sent, _ in MISBEHAVIOUR.values():
        with closing(enclave.connect(MISBEHAVED)) as sock:
            sock.sendall(sent)
            if sent.startswith(b"\x00\x10"):
                assert sock.recv(1) == b""
    assert enclave.exchange(MISBEHAVED, b"abc") == b"cba"
    endings = cast("list[list[str | None]]", enclave.ask("door", "endings"))
    assert {error for _, error in endings} == {None, *(name for _, name in MISBEHAVIOUR.values())}


def started(enclave: Enclave, *command: str) -> int:
    """Start ``nitro-issuer`` in the enclave and wait until it says that it listens."""
    found = cast("dict[str, Any]", enclave.ask("programs", "start", command=["nitro-issuer", *command]))
    assert found["printed"].startswith(("forwarding ", "answering challenges on ")), found
    return cast("int", found["number"])


def test_a_client_that_knows_only_tcp_reaches_the_host_through_a_forwarder(enclave: Enclave) -> None:
    """boto3 in an enclave would reach no KMS."""
    message = secrets.token_bytes(MIB)
    number = started(
        enclave, "forward", f"tcp:127.0.0.1:{IN_GUEST_TCP}", f"vsock:parent:{TO_HOST}", "--parent-cid", "2"
    )
    with answering(host_address(enclave, TO_HOST), lambda asked: asked[::-1]):
        assert ask(enclave, f"tcp:127.0.0.1:{IN_GUEST_TCP}", message) == message[::-1]
    stopped = cast("dict[str, Any]", enclave.ask("programs", "stop", number=number))
    assert (stopped["code"], "Traceback" in stopped["stderr"]) == (0, False)


def test_the_host_reaches_a_tcp_server_in_the_enclave_if_the_allow_list_has_it(enclave: Enclave) -> None:
    """The other direction, and the list that decides what may be reached."""
    port = serve(enclave, "tcp:127.0.0.1:0").rpartition(":")[2]
    content = f"allowlist:\n- {{address: 127.0.0.1, port: {port}}}\n".encode()
    enclave.ask("programs", "write", path="/tmp/allow-list.yaml", content=content)  # noqa: S108 - in the enclave
    options = ["--allow-list", "/tmp/allow-list.yaml"]  # noqa: S108 - the same
    number = started(enclave, "forward", f"vsock:any:{FROM_HOST}", f"tcp:127.0.0.1:{port}", *options)
    message = secrets.token_bytes(MIB)
    assert enclave.exchange(FROM_HOST, message) == message[::-1]
    assert cast("dict[str, Any]", enclave.ask("programs", "stop", number=number))["code"] == 0
    refused = run(enclave, "nitro-issuer", "forward", f"vsock:any:{NOT_ALLOWED}", "tcp:127.0.0.1:22", *options)
    assert (refused["code"], "allow" in refused["stderr"]) == (2, True)


def test_the_end_of_one_direction_passes_through_a_vsock_and_a_forwarder_and_the_other_goes_on(
    enclave: Enclave,
) -> None:
    """A client that ends its request by closing its side would never be answered."""
    content = secrets.token_bytes(MIB // 4)
    assert serve(enclave, f"vsock:any:{STREAMED}", "answer_streams") == f"vsock:any:{STREAMED}"
    assert enclave.ask("door", "stream", address=f"vsock:1:{STREAMED}", content=content) == content[::-1]
    number = started(enclave, "forward", f"tcp:127.0.0.1:{IN_GUEST_STREAMED}", f"vsock:1:{STREAMED}")
    try:
        assert (
            enclave.ask("door", "stream", address=f"tcp:127.0.0.1:{IN_GUEST_STREAMED}", content=content)
            == content[::-1]
        )
    finally:
        enclave.ask("programs", "stop", number=number)


def test_an_enclave_answers_the_hosts_challenge_with_a_document_over_its_nonce(enclave: Enclave) -> None:
    """A Relying Party that can reach the enclave would learn nothing from it."""
    nonce = secrets.token_bytes(32)
    number = started(enclave, "serve-demo", f"vsock:any:{CHALLENGED}")
    answer = decode_answer(enclave.exchange(CHALLENGED, encode_challenge(Challenge(nonce=nonce))))
    assert isinstance(answer, bytes)
    assert decode_document(cbor2.loads(answer)[2]).nonce == nonce
    assert cast("dict[str, Any]", enclave.ask("programs", "stop", number=number))["code"] == 0


@pytest.fixture
def verifier(images: dict[str, Path], tmp_path: Path) -> Service:
    """`nitro-verifier serve` with the image's own policy, not yet started."""
    (tmp_path / "policies").mkdir()
    policy = str(tmp_path / "policies" / "e2e.toml")
    command = [sys.executable, "-m", "verifier.cli", "policy", "new", "--eif", str(images["signed"]), "-o", policy]
    command += ["--name", "e2e"]
    run_here(command, check=True, capture_output=True, timeout=60)
    return Service(["--policies", str(tmp_path / "policies")], tmp_path / "log")


def test_an_enclave_asks_the_verifier_for_a_nonce_and_learns_that_its_document_is_not_signed(
    enclave: Enclave, verifier: Service
) -> None:
    """The whole way of an application: `Attester`, the NSM, the vsock, the parent's forwarder, the service."""

    async def forward() -> None:
        target = TcpAddress(host="127.0.0.1", port=verifier.port)
        destination = await pin_destination(target, AllowList(entries=(target,)))
        await Forwarder(listen(host_address(enclave, TO_VERIFIER)), destination).run(drain=1)

    with verifier, running(forward()):
        address = f"vsock:parent:{TO_VERIFIER}"
        result = enclave.ask("door", "attest", address=address, policy="e2e", user_data=b"instance 7")
        assert verifier.stop() == 0
    found = cast("dict[str, Any]", result)
    assert (found["verdict"], found["codes"]) == ("rejected", ["envelope.algorithm-unsupported"])
    assert b"instance 7" in found["document"]
