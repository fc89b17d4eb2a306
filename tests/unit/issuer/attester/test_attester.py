import asyncio
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

import issuer
from issuer.attester import (
    Affirmed,
    Attester,
    AttesterTimeoutError,
    KeyKind,
    Limits,
    NonceError,
    Rejected,
    RejectedError,
    VerifierProtocolError,
    VerifierRefusedError,
    VerifierUnavailableError,
)
from issuer.nsm import Nsm, NsmError, NsmUnavailableError
from issuer.vsock import Address, AddressError, TcpAddress, bound_address, listen
from tests.unit.issuer.attester.fakes import (
    NONCE,
    FakeNsm,
    FakeVerifier,
    Handler,
    Request,
    affirm,
    always,
    base64url,
    hang_up,
    http,
    nonce,
    problem,
    reject,
    verifier,
)

QUICK = Limits(total_s=5, connect_s=1, exchange_s=2, tries=3, pause_s=0.01, longest_pause_s=0.02)


def make(fake: FakeVerifier, nsm: FakeNsm | None = None, **options: Any) -> Attester:  # noqa: ANN401 - passed on
    given: dict[str, Any] = {"policy": "payments", "limits": QUICK, **options}
    return Attester(nsm or FakeNsm(), fake.address, **given)


def test_an_enclave_gets_its_verdict_with_the_key_that_the_document_binds(address: Address) -> None:
    """The three lines of the documentation would not work."""
    nsm = FakeNsm()
    with verifier(address, nonce, affirm) as fake:
        affirmed = make(fake, nsm).attest(user_data=b"v1").require()
    assert (affirmed.verdict, affirmed.reasons) == ("affirmed", ())
    public_key = load_der_public_key(affirmed.public_key)
    assert public_key == affirmed.private_key.public_key()
    expected = {"user_data": base64url(b"v1"), "nonce": base64url(NONCE), "public_key": base64url(affirmed.public_key)}
    assert nsm.documents == [expected]
    assert json.loads(affirmed.document)["serial"] == 1
    assert affirmed.body["claims"]["module_id"] == "i-x"
    assert fake.targets() == ["/v1/nonces", "/v1/verify?policy=payments"]
    assert json.loads(fake.requests[0].body) == {"policy": "payments"}
    assert fake.requests[1].headers["content-type"] == "application/cose"


def test_a_rejection_is_a_verdict_without_a_key(tcp: TcpAddress) -> None:
    """An application could not tell why, or would use a key that nobody trusts."""
    with verifier(tcp, nonce, reject) as fake:
        rejected = make(fake).attest()
    assert isinstance(rejected, Rejected)
    assert rejected.verdict == "rejected"
    assert [reason.code for reason in rejected.reasons] == ["measurement.pcr-mismatch"]
    assert not hasattr(rejected, "private_key")
    with pytest.raises(RejectedError, match=r"measurement\.pcr-mismatch") as caught:
        rejected.require()
    assert caught.value.codes == ("measurement.pcr-mismatch",)


@pytest.mark.parametrize(("kind", "shape"), [("ec-p384", ec.EllipticCurvePrivateKey), ("rsa-2048", rsa.RSAPrivateKey)])
def test_the_key_is_of_the_kind_that_was_chosen_and_another_each_time(
    tcp: TcpAddress, kind: KeyKind, shape: type
) -> None:
    """A policy that wants RSA would reject every document."""
    with verifier(tcp, nonce, affirm, nonce, affirm) as fake:
        attester = make(fake, key=kind)
        first, second = attester.attest().require(), attester.attest().require()
    assert isinstance(first.private_key, shape)
    assert first.private_key.key_size == {"ec-p384": 384, "rsa-2048": 2048}[kind]
    assert first.public_key != second.public_key


def test_secrets_and_documents_do_not_show_when_a_result_is_printed(tcp: TcpAddress) -> None:
    """A log line would carry the key object, the document and the claims."""
    with verifier(tcp, nonce, affirm) as fake:
        assert repr(make(fake).attest()) == "Affirmed()"


def test_without_a_policy_none_is_named(tcp: TcpAddress) -> None:
    """A verifier's default policy could not be used."""
    with verifier(tcp, nonce, affirm) as fake:
        assert isinstance(make(fake, policy=None).attest(), Affirmed)
    assert fake.targets() == ["/v1/nonces", "/v1/verify"]
    assert json.loads(fake.requests[0].body) == {}


def test_the_name_of_a_policy_cannot_become_another_parameter(tcp: TcpAddress) -> None:
    """A name from configuration could change the question."""
    with verifier(tcp, nonce, always(problem(404, "unknown-policy"))) as fake, pytest.raises(VerifierRefusedError):
        make(fake, policy="a&reject_status=200 #").attest()
    assert fake.targets()[1] == "/v1/verify?policy=a%26reject_status%3D200+%23"


def test_a_coroutine_gets_the_same(address: Address) -> None:
    """An application with an event loop would have to write it itself."""
    with verifier(address, nonce, affirm) as fake:
        result = asyncio.run(make(fake).attest_async(user_data=b"x"))
    assert isinstance(result, Affirmed)


LOST: dict[str, Handler] = {
    "closed": hang_up,
    "half a status": always(b"HTTP/1.1 20"),
    "half a head": always(b"HTTP/1.1 200 X\r\nContent-Ty"),
    "one byte less of a head": always(b"HTTP/1.1 200 X\r\n\r"),
    "half a body": always(http(200, b"{}", Content_Length="9")),
    "no body": always(http(200, b"", Content_Length="9")),
    "half a chunk": always(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
    "overloaded": always(problem(503, "overloaded", Retry_After="0")),
    "guard": always(problem(503, "guard-unavailable")),
    "a gateway": always(http(502, b"<html>", "text/html")),
}


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer_leads_to_a_new_nonce_and_never_to_the_same_document(tcp: TcpAddress, name: str) -> None:
    """A nonce that was used up would make a good enclave look like a replay."""
    nsm = FakeNsm()
    with verifier(tcp, nonce, LOST[name], LOST[name], nonce, affirm) as fake:
        make(fake, nsm).attest().require()
    verify = "/v1/verify?policy=payments"
    assert fake.targets() == ["/v1/nonces", verify, "/v1/nonces", "/v1/nonces", verify]
    presented = [request.body for request in fake.requests if request.target == verify]
    assert len(set(presented)) == len(presented) == len(nsm.documents) == 2
    assert len({document["public_key"] for document in nsm.documents}) == 1


def test_it_is_given_up_after_as_many_tries_as_are_allowed(tcp: TcpAddress) -> None:
    """An enclave would hammer a verifier that is down."""
    with (
        verifier(tcp, always(problem(503, "overloaded", Retry_After="0"))) as fake,
        pytest.raises(VerifierUnavailableError, match="urn:nitro-verifier:problem:overloaded") as caught,
    ):
        make(fake).attest()
    assert (caught.value.status, caught.value.problem, caught.value.retry_after) == (
        503,
        "urn:nitro-verifier:problem:overloaded",
        0,
    )
    assert len(fake.requests) == 3


def test_nobody_there_is_tried_again_and_then_said(tcp: TcpAddress) -> None:
    """An enclave that starts before its verifier would not come up, or would wait for ever."""
    with verifier(tcp, nonce) as fake:
        attester = make(fake)
    with pytest.raises(VerifierUnavailableError, match="Connection refused"):
        attester.attest()
    with pytest.raises(VerifierUnavailableError, match="leads to no address"):
        Attester(FakeNsm(), TcpAddress(host="nowhere.invalid", port=1), limits=QUICK).attest()


def test_a_verifier_that_asks_for_more_time_than_there_is_is_not_waited_for(tcp: TcpAddress) -> None:
    """A start-up would hang until its deadline, to fail all the same."""
    began = time.monotonic()
    with (
        verifier(tcp, always(problem(503, "overloaded", Retry_After="60"))) as fake,
        pytest.raises(VerifierUnavailableError),
    ):
        make(fake).attest()
    assert time.monotonic() - began < 3
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (problem(404, "unknown-policy"), VerifierRefusedError, 404),
        (problem(500, "internal-error"), VerifierRefusedError, 500),
        (http(404, b"<html>", "text/html"), VerifierProtocolError, 404),
        (http(400, b"[", "application/problem+json"), VerifierProtocolError, 400),
        (http(400, {"type": "a\nb"}, "application/problem+json"), VerifierProtocolError, 400),
        (http(302, b"", Location="http://elsewhere.invalid/"), VerifierProtocolError, 302),
        (http(200, {"nonce": "AAAA"}), VerifierProtocolError, 200),
        (http(201, b"\xff"), NonceError, 201),
        (http(201, b"[" * 60_000), NonceError, 201),
        (http(201, {}), NonceError, 201),
        (http(201, {"nonce": ""}), NonceError, 201),
        (http(201, {"nonce": "A"}), NonceError, 201),
        (http(201, {"nonce": "A+=="}), NonceError, 201),
        (http(201, {"nonce": "\u00e9\u00e9\u00e9\u00e9"}), NonceError, 201),
        (http(201, {"nonce": "A" * 700}), NonceError, 201),
        (b"SSH-2.0-OpenSSH_9.2\r\n", VerifierProtocolError, None),
        (b"HTTP/1.1 999999 X\r\n\r\n", VerifierProtocolError, None),
        (b"HTTP/1.1 200 X\r\n" + b"A: b\r\n" * 200 + b"\r\n", VerifierProtocolError, None),
        (b"HTTP/1.1 200 X\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", VerifierProtocolError, None),
    ],
)
def test_what_is_no_nonce_is_an_error_and_is_not_tried_again(
    tcp: TcpAddress, answer: bytes, error: type[VerifierProtocolError], status: int | None
) -> None:
    """A document would be made over anything at all, or a mistake would be retried until the deadline."""
    nsm = FakeNsm()
    with verifier(tcp, always(answer)) as fake, pytest.raises(VerifierProtocolError) as caught:
        make(fake, nsm).attest()
    assert type(caught.value) is error
    assert caught.value.status == status
    assert len(fake.requests) == 1
    assert not nsm.documents


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"a" * 65_537),
        http(200, b"", Content_Length="99999999999999"),
        b"HTTP/1.0 200 X\r\n\r\n" + b"a" * 70_000,
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"a" * 4096 + b"\r\n" + b"F" * 70_000,
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n",
        b"HTTP/1.1 100 X\r\n\r\n" * 10_000,
    ],
    ids=["length", "claimed length", "until it ends", "a chunk's head", "small chunks", "informational answers"],
)
def test_an_answer_that_does_not_end_is_not_read_to_its_end(tcp: TcpAddress, answer: bytes) -> None:
    """The parent could fill the enclave's memory."""
    with verifier(tcp, always(answer)) as fake, pytest.raises(VerifierProtocolError):
        make(fake).attest()


def test_an_answer_that_drips_is_over_when_its_time_is(tcp: TcpAddress) -> None:
    """A byte each second would hold the start-up for a day."""
    stop = threading.Event()
    listener = listen(tcp)

    def drip() -> None:
        listener.settimeout(None)
        sock, _ = listener.accept()
        with sock, suppress(OSError):
            while not stop.wait(0.05):
                sock.sendall(b"H")

    began = time.monotonic()
    with ThreadPoolExecutor() as threads:
        threads.submit(drip)
        with pytest.raises(AttesterTimeoutError):
            Attester(FakeNsm(), bound_address(listener), limits=Limits(total_s=0.4, exchange_s=5, tries=1)).attest()
        stop.set()
    listener.close()
    assert time.monotonic() - began < 3


def test_a_verifier_that_keeps_silent_costs_one_try_and_not_the_call(tcp: TcpAddress) -> None:
    """One stuck worker of a proxy would use up all the time there is."""
    stop = threading.Event()

    def silent(_: Request) -> None:
        stop.wait(5)

    with verifier(tcp, silent, nonce, affirm) as fake:
        result = make(fake, limits=Limits(total_s=5, exchange_s=0.5, tries=2, pause_s=0)).attest()
        stop.set()
    assert isinstance(result, Affirmed)


def test_a_slow_nsm_is_found_out_before_its_document_is_sent(tcp: TcpAddress) -> None:
    """A verdict would come after the deadline that the application relies on."""

    class SlowNsm(FakeNsm):
        def attestation(self, *, user_data: bytes | None, nonce: bytes | None, public_key: bytes | None) -> bytes:
            time.sleep(0.3)
            return FakeNsm.attestation(self, user_data=user_data, nonce=nonce, public_key=public_key)

    with verifier(tcp, nonce, affirm) as fake, pytest.raises(AttesterTimeoutError):
        make(fake, SlowNsm(), limits=Limits(total_s=0.25)).attest()
    assert fake.targets() == ["/v1/nonces"]


def test_what_the_nsm_says_no_to_is_said_unchanged(tcp: TcpAddress) -> None:
    """The reason would be hidden behind one of ours, or tried again."""
    with verifier(tcp, nonce) as fake, pytest.raises(NsmError, match="1024"), Nsm.open("software") as nsm:
        Attester(nsm, fake.address, limits=QUICK).attest(user_data=bytes(1025))
    assert len(fake.requests) == 1


def test_without_a_device_there_is_no_attester() -> None:
    """A service in the wrong place would attest with a make-believe NSM."""
    with pytest.raises(NsmUnavailableError):
        Attester(Nsm.open(), "vsock:parent:8080")
    with pytest.raises(TypeError):
        Attester(verifier="vsock:parent:8080")  # type: ignore[call-arg]  # the point of the test


def test_mistakes_of_configuration_are_found_before_anything_is_asked() -> None:
    """They would be found at the first start in production."""
    with pytest.raises(AddressError):
        Attester(FakeNsm(), "http://127.0.0.1:8080")
    with pytest.raises(ValueError, match="ec-p384, rsa-2048"):
        Attester(FakeNsm(), "tcp:127.0.0.1:1", key="ed25519")  # type: ignore[arg-type]  # the point of the test


def test_a_cancelled_call_takes_no_further_step(tcp: TcpAddress) -> None:
    """A call that nobody waits for would go on to make documents."""
    nsm = FakeNsm()
    asked, go = threading.Event(), threading.Event()

    def late(request: Request) -> bytes:
        asked.set()
        assert go.wait(5)
        return nonce(request)

    async def main(fake: FakeVerifier) -> None:
        task = asyncio.create_task(make(fake, nsm).attest_async())
        assert await asyncio.to_thread(asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()

    with verifier(tcp, late, affirm) as fake:
        asyncio.run(main(fake))  # waits for the thread
    assert fake.targets() == ["/v1/nonces"]
    assert not nsm.documents


def test_the_package_names_it_and_loads_it_only_then() -> None:
    """`issuer.Attester` would not be there, or a forwarder would load an HTTP client."""
    assert issuer.Attester is Attester
    with pytest.raises(AttributeError, match="attestor"):
        _ = issuer.attestor  # type: ignore[attr-defined]  # the point of the test
    check = "import sys, issuer.vsock; sys.exit('http.client' in sys.modules or 'issuer.attester' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
