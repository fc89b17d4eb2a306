"""One good document and four bad ones against the real service, then genuine ones of the past."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from nitro_demo.enclave import now
from nitro_demo.history import verify_genuine
from nitro_demo.service import Answer, DemoError, Service
from nitro_demo.show import Show
from verifier.service.notation import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POLICY, BUILD = "demo", "hello-enclave v1"
USER_DATA = b"hello from the enclave"
_CBOR = "application/cbor"

_POLICY_TEXT = """\
# Who may be affirmed: only the build below, only with a nonce of ours, never in debug mode.
name = "{policy}"

[[build]]
name = "{build}"
[build.pcrs]
{pcrs}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a step must lead to; ``reasons`` must be exactly those given, and none means affirmed."""

    title: str
    reasons: tuple[str, ...]

    def check(self, answer: Answer) -> None:
        """Compare an answer with it, its status too.

        Raises:
            DemoError: it is another one.
        """
        verdict, status = ("rejected", 422) if self.reasons else ("affirmed", 200)
        if (answer.status, answer.body.get("verdict"), reasons_of(answer)) != (status, verdict, self.reasons):
            raise DemoError(f"{self.title}: expected {status} {verdict} {self.reasons}, got {answer}")


def reasons_of(answer: Answer) -> tuple[str, ...]:
    """Read the codes out of a result."""
    reasons = answer.body.get("reasons")
    return tuple(str(reason["code"]) for reason in reasons) if isinstance(reasons, list) else ()


def main(args: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 when every step went as it should, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="nitro-verifier demo")
    parser.add_argument("--keep", action="store_true", help="keep the folder with everything the demo made")
    show = Show()
    try:
        with _folder(show, keep=parser.parse_args(args).keep) as folder:
            _run(show, folder)
    except DemoError as error:
        show.failed(str(error))
        return 1
    show.finished()
    return 0


@contextlib.contextmanager
def _folder(show: Show, *, keep: bool) -> Iterator[Path]:
    if keep:
        path = Path(tempfile.mkdtemp(prefix="nitro-demo-"))
        yield path
        show.say(f"kept in {path}")
        return
    with tempfile.TemporaryDirectory(prefix="nitro-demo-") as name:
        yield Path(name)


def _run(show: Show, folder: Path) -> None:
    pki = ThrowawayPki()
    show.step("A throwaway root, a policy, and the service")
    arguments = _configure(folder, pki)
    with Service(arguments, folder / "service.log") as service:
        show.say(f"nitro-verifier serve is ready on {service.url}")
        show.policy((folder / "policies" / f"{POLICY}.toml").read_text())
        _attest(show, service, pki, folder)
        verify_genuine(show, folder)
        show.step("Stop")
        code = service.stop()
        if code != 0:
            raise DemoError(
                f"the service ended with exit code {code} after SIGTERM:\n{(folder / 'service.log').read_text()}"
            )
        show.say("SIGTERM: the service finished what it was doing and ended with exit code 0")


def _configure(folder: Path, pki: ThrowawayPki) -> list[str]:
    """Write what an operator would, and give the service's arguments."""
    policies = folder / "policies"
    policies.mkdir()
    pcrs = "\n".join(f'{index} = "{value.hex()}"' for index, value in sorted(build_pcrs(BUILD).items()))
    (policies / f"{POLICY}.toml").write_text(_POLICY_TEXT.format(policy=POLICY, build=BUILD, pcrs=pcrs))
    root = folder / "throwaway-root.pem"
    root.write_text(pki.root_pem)
    state = folder / "state"
    state.mkdir(mode=0o700)
    pin = f"{root}#sha256={pki.root_sha256.hex()}"
    return [
        "--policies",
        str(policies),
        "--anchor",
        pin,
        "--single-use",
        "embedded",
        "--state",
        str(state / "nonces.sqlite"),
    ]


def _attest(show: Show, service: Service, pki: ThrowawayPki, folder: Path) -> None:
    good = SoftwareNsm(clock=now, pki=pki, build=BUILD)
    show.step("The Relying Party fetches a nonce")
    nonce = _fetch_nonce(service)
    show.say(f"POST /v1/nonces -> {len(nonce)} bytes, {nonce[:12].hex()}...")
    show.step("The enclave has its security module sign a document over it")
    document = good.attestation(nonce=nonce, user_data=USER_DATA)
    (folder / "document.cbor").write_bytes(document)
    show.say(f"{len(document)} bytes for {good.module_id} (a software NSM: no hardware here)")
    show.step("The service appraises it")
    _verify(show, service, document, Expectation(title="a good document", reasons=()))
    show.step("Four that must be refused")
    for expectation, refused in _refusals(service, pki, document):
        _verify(show, service, refused, expectation)


def _refusals(service: Service, pki: ThrowawayPki, used: bytes) -> Iterator[tuple[Expectation, bytes]]:
    yield Expectation(title="the same document again", reasons=("freshness.nonce-replayed",)), used
    other = SoftwareNsm(clock=now, pki=pki, build="hello-enclave v2")
    document = other.attestation(nonce=_fetch_nonce(service), user_data=USER_DATA)
    yield Expectation(title="another build", reasons=("measurement.pcr-mismatch",)), document
    debug = SoftwareNsm(clock=now, pki=pki, build=BUILD, debug=True)
    document = debug.attestation(nonce=_fetch_nonce(service), user_data=USER_DATA)
    yield Expectation(title="debug mode", reasons=("measurement.debug-mode",)), document
    good = SoftwareNsm(clock=now, pki=pki, build=BUILD)
    document = good.attestation(nonce=_fetch_nonce(service), user_data=USER_DATA)
    yield Expectation(title="one bit flipped in user_data", reasons=("signature.invalid",)), _flip(document)


def _flip(document: bytes) -> bytes:
    at = document.index(USER_DATA)
    return document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :]


def _fetch_nonce(service: Service) -> bytes:
    answer = service.post("/v1/nonces", f'{{"policy": "{POLICY}"}}'.encode(), "application/json")
    if answer.status != 201:  # noqa: PLR2004 - Created
        raise DemoError(f"POST /v1/nonces answered {answer}")
    return read_bytes(str(answer.body["nonce"]))


def _verify(show: Show, service: Service, document: bytes, expectation: Expectation) -> None:
    answer = service.post(f"/v1/verify?policy={POLICY}", document, _CBOR)
    expectation.check(answer)
    show.answer(expectation.title, answer)
