"""`issuer.Attester` against the real service in a process of its own, under a throwaway root.

The vsock's place is taken by a Unix socket with `issuer.vsock.Forwarder` behind it, as the parent would have one;
docs/vsock.md says what that does not prove.
"""

import asyncio
import io
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer import Affirmed, Attester, Rejected
from issuer.attester import KeyKind, Limits, VerifierRefusedError, VerifierUnavailableError
from issuer.nsm import Nsm, SoftwareBackend, SoftwareNsm, ThrowawayPki, build_pcrs
from issuer.vsock import (
    Address,
    Forwarder,
    ForwarderLimits,
    TcpAddress,
    UnixAddress,
    bound_address,
    connect,
    listen,
    pin_destination,
)
from issuer.vsock.allowlist import AllowList
from nitro_demo.service import Service

BUILD = "payments v1"
PKI = ThrowawayPki(seed=b"tests of the attester")


def policy_text(*require: str) -> str:
    """A policy that trusts the one build, with what else it requires."""
    pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in sorted(build_pcrs(BUILD).items()))
    return f'[[build]]\nname = "v1"\npcrs = {{ {pcrs} }}\n[require]\n' + "".join(require)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`nitro-verifier serve`, whose nonces count once."""
    folder = tmp_path_factory.mktemp("verifier")
    (folder / "policies").mkdir()
    (folder / "policies" / "ec-p384.toml").write_text(
        policy_text('public_key = { kind = "ec", curves = ["secp384r1"] }')
    )
    (folder / "policies" / "rsa-2048.toml").write_text(policy_text('public_key = { kind = "rsa", bits = [2048] }'))
    (folder / "policies" / "payments.toml").write_text(policy_text())
    (folder / "root.pem").write_text(PKI.root_pem)
    (folder / "state").mkdir(mode=0o700)
    anchor = f"{folder / 'root.pem'}#sha256={PKI.root_sha256.hex()}"
    arguments = ["--policies", str(folder / "policies"), "--anchor", anchor]
    arguments += ["--single-use", "embedded", "--state", str(folder / "state" / "nonces.sqlite")]
    with Service(arguments, folder / "log") as started:
        yield started
        assert started.stop() == 0


def enclave(build: str = BUILD) -> Nsm:
    """An NSM as an enclave of that build has it."""
    return Nsm(SoftwareBackend(SoftwareNsm(clock=lambda: datetime.now(UTC), pki=PKI, build=build)))


def tcp(service: Service) -> TcpAddress:
    """Where the service listens."""
    return TcpAddress(host="127.0.0.1", port=service.port)


@contextmanager
def forwarded(destination: TcpAddress) -> Iterator[UnixAddress]:
    """Run a forwarder in a thread, and give its entrance."""
    with tempfile.TemporaryDirectory() as folder:
        entrance = UnixAddress(path=str(Path(folder) / "socket"))
        listener = listen(entrance)
        stop = asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def run() -> None:
            loops.append(asyncio.get_running_loop())
            pinned = await pin_destination(destination, AllowList(entries=(destination,)))
            task = asyncio.create_task(Forwarder(listener, pinned, limits=ForwarderLimits(idle_s=30)).run(drain=5))
            await stop.wait()
            task.cancel()
            await asyncio.wait({task})

        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        try:
            yield entrance
        finally:
            loops[0].call_soon_threadsafe(stop.set)
            thread.join(10)


@pytest.fixture(params=["tcp", "forwarder"])
def address(request: pytest.FixtureRequest, service: Service) -> Iterator[Address]:
    """The service itself, or a Unix socket that leads to it."""
    if request.param == "tcp":
        yield tcp(service)
        return
    with forwarded(tcp(service)) as entrance:
        yield entrance


@pytest.mark.parametrize("key", ["ec-p384", "rsa-2048"])
def test_an_enclave_of_the_right_build_is_affirmed(address: Address, key: KeyKind) -> None:
    """Nobody's application would start."""
    with enclave() as nsm:
        affirmed = Attester(nsm, address, policy=key, key=key).attest(user_data=b"v1").require()
    assert affirmed.body["build"] == "v1"
    assert affirmed.body["freshness"]["mode"] == "service-nonce"
    assert affirmed.body["claims"]["user_data"] == "djE"
    assert affirmed.public_key in affirmed.document


def test_an_enclave_with_an_event_loop_is_affirmed(address: Address) -> None:
    """The same application, in asyncio."""

    async def main() -> list[object]:
        attester = Attester(enclave(), address, policy="ec-p384")
        return list(await asyncio.gather(*(attester.attest_async() for _ in range(8))))

    results = asyncio.run(main())
    affirmed = [result for result in results if isinstance(result, Affirmed)]
    assert len({result.public_key for result in affirmed}) == 8


def test_an_enclave_of_another_build_learns_why_it_is_rejected(address: Address) -> None:
    """It would fail without a reason, or go on."""
    rejected = Attester(enclave("payments v2"), address, policy="rsa-2048").attest()
    assert isinstance(rejected, Rejected)
    codes = {reason.code for reason in rejected.reasons}
    assert codes == {"measurement.pcr-mismatch", "binding.public-key-unacceptable"}
    assert all(reason.detail and reason.hint for reason in rejected.reasons)


def test_a_policy_that_is_not_there_is_said_by_its_problem(address: Address) -> None:
    """A typing error would be tried again until the deadline."""
    with pytest.raises(VerifierRefusedError) as caught:
        Attester(enclave(), address, policy="nope").attest()
    assert (caught.value.status, caught.value.problem) == (404, "urn:nitro-verifier:problem:unknown-policy")


def test_a_forwarder_without_a_verifier_behind_it_is_one_that_is_unavailable() -> None:
    """The enclave would take the closed connection for an answer."""
    closed = listen(TcpAddress(host="127.0.0.1", port=0))
    nowhere = bound_address(closed)
    closed.close()
    assert isinstance(nowhere, TcpAddress)
    with forwarded(nowhere) as entrance, pytest.raises(VerifierUnavailableError):
        Attester(enclave(), entrance, limits=Limits(tries=2, pause_s=0.01)).attest()


def test_a_verdict_that_was_lost_on_the_way_is_asked_for_with_a_new_document(service: Service) -> None:
    """The first document's nonce is used up: sent again, a good enclave would be rejected as a replay."""
    listener = listen(TcpAddress(host="127.0.0.1", port=0))
    verdicts: list[bytes] = []
    with ThreadPoolExecutor() as threads:
        relay = threads.submit(_lose_the_second, listener, tcp(service), verdicts)
        affirmed = Attester(enclave(), bound_address(listener), policy="ec-p384").attest().require()
        relay.result(10)
    listener.close()
    assert isinstance(affirmed.private_key, ec.EllipticCurvePrivateKey)
    assert [answer.split(b" ")[1] for answer in verdicts] == [b"201", b"200", b"201", b"200"]
    replayed = service.post("/v1/verify?policy=ec-p384", affirmed.document, "application/cose")
    assert [reason["code"] for reason in _reasons(replayed.body)] == ["freshness.nonce-replayed"]


def test_every_example_of_the_page_runs(address: Address, checkout: Path) -> None:
    """The first thing a reader does is to copy it."""
    page = (checkout / "docs" / "attester.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [block.startswith("# Needs an enclave.\n") for block in blocks] == [True, False, False, False, False]
    compile(blocks[0], "docs/attester.md", "exec")
    for block in blocks[1:]:
        with redirect_stdout(io.StringIO()) as printed, enclave() as nsm:
            exec(compile(block, "docs/attester.md", "exec"), {"nsm": nsm, "address": address})  # noqa: S102 - our own page
        assert "rejected" not in printed.getvalue()


def _lose_the_second(listener: socket.socket, behind: TcpAddress, answers: list[bytes]) -> None:
    """Carry four questions to the service and its answers back, all but the second."""
    listener.settimeout(10)
    for turn in range(4):
        client, _ = listener.accept()
        with client, connect(behind) as server:
            client.settimeout(10)
            server.settimeout(10)
            server.sendall(_question(client))
            answer = b"".join(iter(lambda server=server: server.recv(65536), b""))  # type: ignore[misc]  # a lambda
            answers.append(answer)
            if turn != 1:
                client.sendall(answer)


def _question(client: socket.socket) -> bytes:
    with client.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n")) + b"\r\n"
        (length,) = (int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        return head + stream.read(length)


def _reasons(body: dict[str, object]) -> list[dict[str, str]]:
    reasons = body["reasons"]
    assert isinstance(reasons, list)
    return reasons
