"""An Attestation Result for people: the verdict first, then why, then what it was about."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rich.panel import Panel
from rich.text import Text

from verifier.cli.display import BAD, DIM, GOOD, HEAD, WARN, describe_bytes, facts
from verifier.cli.escapes import plain
from verifier.cli.pcr_view import pcr_table
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.model import DebugMode
from verifier.result import Affirmed, AttestationResult, Claims, Rejected
from verifier.service.notation import write_time
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_SHA256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from verifier.policy.findings import Finding
    from verifier.policy.freshness import Freshness
    from verifier.policy.shadows import ShadowOutcome
    from verifier.result import AnchorReference, PolicyReference


def show_verdict(console: Console, result: AttestationResult) -> None:
    """Print a result; wherever it says "affirmed", a historical one says of which time."""
    match result:
        case Affirmed():
            body = Text(f"{_build(result.build)} of policy {result.policy.name}")
            console.print(_panel(body, result, GOOD))
            claims: Claims | None = result.claims
        case Rejected():
            reasons = Text("\n").join(_explain(finding) for finding in result.findings)
            console.print(_panel(reasons, result, BAD))
            claims = result.unaffirmed_claims
        case _:
            assert_never(result)
    console.print(facts(_circumstances(result)))
    if claims is not None:
        _show_claims(console, claims, affirmed=isinstance(result, Affirmed))


def _panel(body: Text, result: AttestationResult, style: str) -> Panel:
    then = f" as of {write_time(result.evaluated_at)}, not now (historical)" if result.historical else ""
    title = Text.assemble((result.verdict, style), (then, f"bold {WARN}"))
    return Panel(body, title=title, title_align="left", border_style=style.rpartition(" ")[2])


def _build(name: str | None) -> str:
    return "debug mode hides which build" if name is None else f"build {plain(name)}"


def _explain(finding: Finding) -> Text:
    """One finding: the code, what was found, what to do."""
    head = Text(finding.reason.value, style=HEAD)
    detail = f"\n{plain(finding.detail)}" if finding.detail else ""
    return Text.assemble(head, detail, (f"\n-> {finding.reason.hint}", DIM))


def _circumstances(result: AttestationResult) -> Iterator[tuple[str, Text | str]]:
    given = "  not now: the time was given" if result.historical else ""
    yield "evaluated at", Text.assemble(write_time(result.evaluated_at), (given, WARN))
    yield "policy", Text("none", style=DIM) if result.policy is None else _policy(result.policy)
    if result.freshness is not None:
        yield "freshness", _freshness(result.freshness)
    for outcome in result.shadows:
        yield "shadow", _shadow(outcome)
    yield "evidence", f"sha256 {result.evidence_sha256}"


def _shadow(outcome: ShadowOutcome) -> str:
    build = "" if outcome.build is None else f", build {plain(outcome.build)}"
    reasons = "".join(f"\n{reason}" for reason in outcome.reasons)
    return f"{outcome.change}{build} (policy {outcome.policy}; decides nothing){reasons}"


def _policy(policy: PolicyReference) -> Text:
    text = Text(f"{policy.name}  sha256 {policy.sha256}")
    if policy.debug is DebugMode.ALLOW:
        text.append("\nallows debug mode: for development only", style=WARN)
    return text


def _freshness(freshness: Freshness) -> Text:
    return Text(f"{freshness.mode}, {freshness.age_ms / 1000:.1f} s old, single use: {freshness.single_use}")


def _anchor(anchor: AnchorReference) -> Text:
    text = Text(f"{anchor.name}  sha256 {anchor.sha256}")
    if anchor.sha256 != AWS_NITRO_ROOT_G1_SHA256:
        text.append("\nnot AWS's commercial root: the verdict is worth what this root is", style=WARN)
    return text


def _show_claims(console: Console, claims: Claims, *, affirmed: bool) -> None:
    console.print()
    if affirmed:
        console.print(Text("claims", style=HEAD))
    else:
        console.print(Text("what the document says (authentic, not affirmed: do not act on it)", style=WARN))
    console.print(facts(_claims(claims)))
    console.print(pcr_table(claims.pcrs, console.width, claims.kind))


def _claims(claims: Claims) -> Iterator[tuple[str, Text | str]]:
    yield "module_id", plain(claims.module_id)
    if claims.kind is not EvidenceKind.ENCLAVE:
        yield "kind", f"{claims.kind}: of an EC2 instance, not of an enclave"
    yield "timestamp", write_time(claims.timestamp)
    yield "certified", f"{write_time(claims.not_before)} to {write_time(claims.not_after)}"
    yield "trust anchor", _anchor(claims.anchor)
    if claims.debug:
        yield "debug mode", Text("yes: the parent reads the enclave's console", style=WARN)
    for name, value in (("user_data", claims.user_data), ("public_key", claims.public_key), ("nonce", claims.nonce)):
        if value is not None:
            yield name, describe_bytes(value)
    if claims.unrecognised:
        yield "unrecognised", ", ".join(map(plain, claims.unrecognised))
