import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.core import AT, NONCE, SIGNED_AT, anchor, document, policy
from verifier import Policy
from verifier.audit import AuditItem, AuditJob, AuditRow, AuditSummary, ItemKind, audit_chunk, decode_row, make_job
from verifier.policy.model import NonceMode

OPEN = policy(name="open", nonce=NonceMode.NONE)
CALLER = policy(name="caller")
OWN, YEAR_LATER = "document", (AT + timedelta(days=365)).isoformat()


def job(*policies: Policy, at: str = OWN) -> AuditJob:
    return make_job([anchor()], policies or (OPEN,), at)


def item(content: bytes, kind: ItemKind = ItemKind.DOCUMENT, number: int = 0) -> AuditItem:
    return AuditItem(number=number, name="a.cbor", kind=kind, content=content)


def line(evidence: bytes = b"", **fields: object) -> AuditItem:
    text = json.dumps({"document": base64.b64encode(evidence or document()).decode()} | fields)
    return item(text.encode(), ItemKind.LINE)


def check(entry: AuditItem, *policies: Policy, at: str = OWN) -> AuditRow:
    (row,) = audit_chunk(job(*policies, at=at), [entry])
    return decode_row(row)


def test_an_old_document_is_affirmed_as_of_its_own_time_and_labelled() -> None:
    """Every document in an archive would be expired, or history would pass for now."""
    row = check(item(document()))
    assert (row.verdict, row.historical, row.reasons, row.problem) == ("affirmed", True, [], None)
    assert (row.id, row.policy, row.policy_sha256, row.build) == ("a.cbor", "open", OPEN.sha256, "v1")
    assert row.evaluated_at == row.timestamp == SIGNED_AT.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert row.anchor == "throwaway"


def test_a_time_can_be_chosen_for_all_and_for_each() -> None:
    """An auditor could not ask what an archive is worth at one time."""
    assert check(item(document()), at=YEAR_LATER).reasons == ["path.expired"]
    assert check(line(at=OWN), at=YEAR_LATER).verdict == "affirmed"
    assert check(line(at=YEAR_LATER)).reasons == ["path.expired"]


def test_a_line_says_which_policy_and_nonce() -> None:
    """Documents for several policies could not be audited together."""
    policies = (OPEN, CALLER)
    good = check(line(policy="caller", nonce=NONCE.hex(), id="order 7"), *policies)
    assert (good.id, good.policy, good.verdict) == ("order 7", "caller", "affirmed")
    assert check(line(policy="caller"), *policies).reasons == ["freshness.nonce-not-supplied"]
    assert check(line(policy="caller", nonce="00"), *policies).reasons == ["freshness.nonce-mismatch"]


UNJUDGED = {
    "no JSON": (item(b"{", ItemKind.LINE), "not a JSON object"),
    "not UTF-8": (item(b'{"document": "\xff"}', ItemKind.LINE), "not a JSON object"),
    "nested too deeply": (item(b"[" * 100_000, ItemKind.LINE), "not a JSON object"),
    "no document": (item(b"{}", ItemKind.LINE), "not a JSON object"),
    "an unknown key": (line(nonse="00"), "not a JSON object"),
    "an empty id": (line(id=""), "not a JSON object"),
    "no base64": (item(b'{"document": "!"}', ItemKind.LINE), "not base64"),
    "no nonce": (line(nonce="!"), "not base64"),
    "no time": (line(at="yesterday"), "not a time"),
    "another policy": (line(policy="nope"), "a policy that was not given"),
    "what could not be read": (item(b"too long", ItemKind.UNREADABLE), "too long"),
}


@pytest.mark.parametrize("case", UNJUDGED)
def test_what_is_no_entry_is_not_judged_and_stops_nothing(case: str) -> None:
    """One broken line would end an audit, or be counted as a judgement on a document."""
    broken, problem = UNJUDGED[case]
    rows = [decode_row(row) for row in audit_chunk(job(), [broken, replace(item(document()), number=1)])]
    assert [row.verdict for row in rows] == [None, "affirmed"]
    assert problem in (rows[0].problem or "")
    assert rows[0].evidence_sha256 is None


def test_an_entry_that_names_no_policy_needs_one_alone() -> None:
    """Which of several policies applied would be chance."""
    row = check(item(document()), OPEN, CALLER)
    assert (row.verdict, row.problem) == (None, "the entry names no policy, and there are several")


def test_without_any_policy_nothing_is_affirmed() -> None:
    """A forgotten option would affirm an archive."""
    (row,) = audit_chunk(make_job([anchor()], (), OWN), [item(document())])
    assert decode_row(row).reasons == ["measurement.no-policy"]


@pytest.mark.parametrize("evidence", [b"", b"noise", b"\x84" * 20_000])
def test_what_is_no_document_is_rejected_without_a_time(evidence: bytes) -> None:
    """A row would depend on when it was made, and a resumed audit differ from another."""
    row = check(item(evidence))
    assert (row.verdict, row.evaluated_at, row.module_id) == ("rejected", None, None)
    assert row.evidence_sha256


def test_an_empty_document_in_a_line_is_an_empty_document() -> None:
    """It would be a broken line, and nobody would learn that it was sent empty."""
    assert check(item(b'{"document": ""}', ItemKind.LINE)).reasons == ["evidence.empty"]


def test_a_forger_s_words_reach_no_row() -> None:
    """A table of an archive would show what somebody wants seen."""
    row = check(item(document()[:-1] + b"\x00"))
    assert (row.reasons, row.module_id, row.timestamp, row.anchor) == (["signature.invalid"], None, None, None)
    assert row.evaluated_at is not None


def test_the_same_job_gives_the_same_rows_in_any_chunks() -> None:
    """What was resumed, or ran elsewhere, would come out differently."""
    items = [item(document(user_data=bytes([number])), number=number) for number in range(6)]
    whole = audit_chunk(job(), items)
    assert [row for one in items for row in audit_chunk(job(), [one])] == whole


def test_a_summary_counts_each_reason_once_a_row() -> None:
    """A document with two denied builds would count twice."""
    summary = AuditSummary()
    twice = replace_reasons(check(item(b"")), ["measurement.build-denied"] * 2)
    for row in (twice, check(item(document())), check(line(policy="nope"))):
        summary.add(row)
    assert (summary.rows, summary.affirmed, summary.rejected, summary.not_judged) == (3, 1, 1, 1)
    assert summary.reasons == {"measurement.build-denied": 1}


def test_a_summary_says_why_the_first_was_not_judged() -> None:
    """Whoever audits a file that is no archive would read that nothing was judged, and not why."""
    summary = AuditSummary()
    for row in (check(item(document())), check(line(policy="nope")), check(line(id=""))):
        summary.add(row)
    assert summary.first_problem == "a.cbor: the entry names a policy that was not given"


def replace_reasons(row: AuditRow, reasons: list[str]) -> AuditRow:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return AuditRow(**(fields | {"reasons": reasons}))
