"""Vectors put to a service: its configuration, the requests, and the answers that are right."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from tests.service.harness import COSE, Reply, base64url
from tests.service.processes import write_request
from tests.support.vectors import VECTORS, Case, appraise_step, load_cases, make_verifier, read_evidence, run_case
from verifier import EngineName
from verifier.evidence.envelope import MAX_EVIDENCE_BYTES
from verifier.service.wire import result_body

Form = Literal["raw", "json"]
Answer = tuple[int, str | None, Mapping[str, Any]]
"""Status, the verdict's header, and the body without what each answer has of its own."""

THROWAWAY = "throwaway"
"""The service that trusts the throwaway root alone, and knows one nonce key; it only looks back."""
ISSUING = "issuing"
"""The one that has all nonce keys, whose nonces count once, and which trusts every root that a vector names."""
STRANGERS = "strangers"
"""The one to which the throwaway root is none."""
_STRANGERS = frozenset({"other-root", "aws-nitro-root-g1"})

_EMPTY_NONCE = "malformed-request"
"""A nonce of no bytes has no spelling: the service refuses to read one, as it would a slip of the pen."""
_NO_POLICY = "policy-missing"
"""A service appraises by a policy or not at all: the library alone can be asked without one."""
PROBLEMS = {
    "freshness.nonce-not-supplied.both-empty": _EMPTY_NONCE,
    "freshness.nonce-not-supplied.empty-caller": _EMPTY_NONCE,
    "freshness.nonce-not-supplied.empty-strict": _EMPTY_NONCE,
    "measurement.no-policy.debug-document": _NO_POLICY,
    "measurement.no-policy.good-document": _NO_POLICY,
    "measurement.no-policy.historical": _NO_POLICY,
    "measurement.no-policy.no-nonce": _NO_POLICY,
    "measurement.no-policy.no-policy": _NO_POLICY,
    "path.expired.without-policy": _NO_POLICY,
}
"""The vectors that cannot be put to a service, and the problem that it answers instead of a verdict."""


def by_service() -> Mapping[str, Sequence[Case]]:
    """Give all vectors by the service that they are put to.

    A service for each set of anchors would take a minute to start. So those which are not the throwaway root alone are
    trusted together, with none that would change a verdict; the results have to name the one that a vector trusts.
    """
    found: dict[str, list[Case]] = {}
    for case in load_cases("cases"):
        found.setdefault(_service_of(case), []).append(case)
    return found


def _service_of(case: Case) -> str:
    names = {anchor["name"] for anchor in case["anchors"]}
    if names <= _STRANGERS:
        return STRANGERS
    has_all_keys = "service" in case and case["service"]["keys"].keys() == {"current", "next", "previous"}
    return ISSUING if has_all_keys or names != {"throwaway-root"} else THROWAWAY


def write_policies(folder: Path) -> None:
    """Write all policies, and a second one of each for vectors about verifiers that issue no nonces.

    Those take the Relying Party's nonce where a nonce is required; so does every service for ``nonce = "caller"``.
    """
    for file in (VECTORS / "policies").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(text, encoding="utf-8")
        text = text.replace(f'name = "{file.stem}"', f'name = "{file.stem}-caller"', 1)
        text = text.replace('nonce = "required"', 'nonce = "caller"')
        mode = "" if "\nnonce = " in text else 'nonce = "caller"\n'
        (folder / f"{file.stem}-caller.toml").write_text(mode + text, encoding="utf-8")


def under(policies: Path, case: Case) -> Case:
    """Give a case with its policy as ``write_policies`` has written it for the case's verifier."""
    if case["policy"] is None:
        return case
    name = Path(case["policy"]).stem
    return {**case, "policy": str(policies / f"{name if 'service' in case else f'{name}-caller'}.toml")}


def write_service(folder: Path, cases: Sequence[Case], **options: object) -> Path:
    """Write the configuration of a service that knows what these cases know."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    lines += ["port = 0", "bundled_anchor = false", 'historical = "allow"', 'reload_interval = "0s"']
    for case in [case for case in cases if "service" in case][:1]:
        lines += _nonce_keys(folder, case["service"])
    for anchor in {anchor["name"]: anchor for case in cases for anchor in case["anchors"]}.values():
        lines += ["[[anchors]]", f'name = "{anchor["name"]}"', f'file = "{VECTORS / anchor["file"]}"']
        lines.append(f'sha256 = "{anchor["sha256"]}"')
    file = folder / "service.toml"
    file.write_text("\n".join([*lines, ""]))
    return file


def _nonce_keys(folder: Path, service: Mapping[str, Any]) -> Iterator[str]:
    yield f'audience = "{service["audience"]}"'
    yield "[nonce_keys]"
    for place, key in service["keys"].items():
        secret = folder / f"{place}.key"
        secret.write_text(key["secret"])
        secret.chmod(0o600)
        yield f'{place} = {{ id = {key["id"]}, file = "{secret}" }}'


def serve(configuration: Path, workers: int) -> list[str]:
    """Give the command that serves."""
    return [sys.executable, "-m", "verifier.cli", "serve", "--config", str(configuration), "--workers", str(workers)]


@cache
def _spellings(file: str) -> tuple[bytes, str]:
    evidence = read_evidence(file)
    return evidence, base64url(evidence)


def write_step(case: Case, step: Case, form: Form, *, historical: bool) -> bytes:
    """Write the request for a step of a case; as of now unless ``historical``."""
    evidence, text = _spellings(step["evidence"])
    fields = {}
    if case["policy"] is not None:
        fields["policy"] = Path(case["policy"]).stem
    if historical:
        fields["at"] = step["at"]
    if step["nonce"] is not None:
        fields["nonce"] = step["nonce"]
    if form == "raw" and len(evidence) <= MAX_EVIDENCE_BYTES:  # of a larger body nothing is looked at but its length
        return write_request(f"/v1/verify?{urlencode(fields)}", evidence, Content_Type=COSE)
    body = json.dumps({**fields, "document": text}).encode()
    return write_request("/v1/verify", body, Content_Type="application/json")


def answer_of(reply: Reply) -> Answer:
    """Give what of an answer does not differ from time to time."""
    body = reply.json
    body.pop("request_id")
    if reply.media_type == "application/problem+json":
        body = {"type": reply.problem}
    return reply.status, reply.headers.get("Attestation-Verdict"), body


def right_answer(case: Case, *, historical: bool) -> Answer:
    """Give the answer to a case's last step: all that the library says, which has to be what the vector says."""
    if (problem := PROBLEMS.get(case["id"])) is not None:
        return 400, None, {"type": problem}
    expected, body = case["expected"], _in_the_library(json.dumps({**case, "historical": historical}))
    codes = [reason["code"] for reason in body["reasons"]]
    assert (body["verdict"], codes) == (expected["verdict"], expected["reasons"]), case["id"]
    status = 422 if codes else 200
    return status, f"historical-{body['verdict']}" if historical else body["verdict"], body


@cache
def _in_the_library(case_text: str) -> Mapping[str, Any]:
    case = json.loads(case_text)
    verifier = make_verifier(case, EngineName.OPENSSL)
    result = appraise_step(verifier, case, case) if case["historical"] else run_case(verifier, case)
    body: dict[str, Any] = msgspec.to_builtins(result_body(result))
    body.pop("request_id")
    return body


class Clock:
    """The file that ``serve_at`` reads its time from."""

    def __init__(self, file: Path, at: str) -> None:
        self.file = file
        self.set(at)

    def set(self, at: str) -> None:
        """Make it this time, at once and whole."""
        new = self.file.with_suffix(".new")
        new.write_text(at, encoding="ascii")
        new.replace(self.file)
