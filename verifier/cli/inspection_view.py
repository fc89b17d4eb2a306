"""An inspection for people, marked unverified from top to bottom."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from verifier.cli.chain_view import chain_table, span
from verifier.cli.display import BAD, DIM, HEAD, WARN, describe_bytes, facts
from verifier.cli.escapes import plain
from verifier.cli.pcr_view import pcr_table
from verifier.evidence.pcrs import EvidenceKind
from verifier.explanation.ties import Outcome
from verifier.service.notation import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from verifier.cli.inspection import DocumentShape, EnvelopeShape, Inspection, TieShape
    from verifier.service.wire import ReasonBody

# No green anywhere on this page: nothing on it was found good.
_OUTCOME_STYLES = {Outcome.AGREES: HEAD, Outcome.DIFFERS: WARN, Outcome.NOT_APPLICABLE: DIM}
_KINDS = {"enclave": "a Nitro Enclave's attestation document", "nitro-tpm": "a NitroTPM document, not an enclave's"}


def show_inspection(console: Console, inspection: Inspection) -> None:
    """Print all that could be read, and why the rest could not."""
    what = _KINDS.get(inspection.kind or "", "not an attestation document")
    head = Text.assemble((what, HEAD), "\nNothing below was verified: anyone can write a document that says this.")
    console.print(Panel(head, title=Text("unverified", style=f"bold {WARN}"), title_align="left", border_style=WARN))
    _section(console, "envelope")
    console.print(facts(_envelope(inspection)))
    if inspection.document is not None and inspection.kind is not None:
        kind = EvidenceKind(inspection.kind)
        _show_document(console, inspection.document, kind, datetime.fromisoformat(inspection.inspected_at))
    if inspection.problem is not None:
        console.print()
        console.print(_explain(inspection.problem))


def _section(console: Console, title: str) -> None:
    console.print()
    console.print(Rule(Text.assemble((title, HEAD), ("  unverified", WARN)), align="left", style=DIM))


def _show_document(console: Console, document: DocumentShape, kind: EvidenceKind, at: datetime) -> None:
    _section(console, "claims")
    console.print(facts(_claims(document, kind, at)))
    _section(console, "measurements")
    pcrs = {int(index): bytes.fromhex(value) for index, value in document.pcrs.items()}
    console.print(pcr_table(pcrs, console.width, kind))
    _section(console, "certificates")
    console.print(chain_table(document.certificates, at))
    _section(console, "identity")
    console.print(facts(_ties(document.identity)))


def _envelope(inspection: Inspection) -> Iterator[tuple[str, Text | str]]:
    yield "evidence", f"{inspection.evidence_bytes} bytes, sha256 {inspection.evidence_sha256}"
    if inspection.envelope is not None:
        yield from _opened(inspection.envelope)


def _opened(envelope: EnvelopeShape) -> Iterator[tuple[str, Text | str]]:
    yield "COSE_Sign1", "untagged" if envelope.tag is None else f"tag {envelope.tag}"
    yield "alg", envelope.alg
    yield "payload", f"{envelope.payload_bytes} bytes"
    yield "signature", f"{envelope.signature_bytes} bytes, not checked"


def _claims(document: DocumentShape, kind: EvidenceKind, at: datetime) -> Iterator[tuple[str, Text | str]]:
    yield "module_id", plain(document.module_id)
    age = (at - datetime.fromisoformat(document.timestamp)).total_seconds()
    yield "timestamp", Text.assemble(document.timestamp, (f"  {_age(age)}", DIM))
    yield "digest", document.digest
    if kind is EvidenceKind.ENCLAVE:  # an EC2 instance has no such mode
        debug = Text("yes: PCR0, PCR1 and PCR2 are all zero", style=BAD) if document.debug else Text("no")
        yield "debug mode", debug
    for name in ("public_key", "user_data", "nonce"):
        value: str | None = getattr(document, name)
        yield name, describe_bytes(None if value is None else read_bytes(value) if value else b"")
    if document.unrecognised_fields:
        yield "unrecognised", ", ".join(map(plain, document.unrecognised_fields))


def _age(seconds: float) -> str:
    return f"{span(seconds)} old" if seconds >= 0 else f"{span(-seconds)} in the future"


def _ties(ties: Sequence[TieShape]) -> Iterator[tuple[str, Text | str]]:
    for tie in ties:
        outcome = Outcome(tie.outcome)
        yield tie.outcome, Text.assemble((tie.name, _OUTCOME_STYLES[outcome]), f"\n{plain(tie.detail)}")


def _explain(problem: ReasonBody) -> Panel:
    body = Text.assemble((problem.code, HEAD), f"\n{plain(problem.detail)}" if problem.detail else "")
    body.append(f"\n-> {problem.hint}", style=DIM)
    return Panel(body, title=Text("cannot be read", style=BAD), title_align="left", border_style="red")
