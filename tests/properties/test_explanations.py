"""For any bytes there is an explanation, and it finds fault exactly where a verdict does."""

from datetime import datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_appraisal import DOCUMENTS, JUDGE, MOMENTS, POLICY, changed
from tests.support.core import AT, NONCE, reasons
from verifier.explanation import Origin, explain
from verifier.service.explanations import explanation_body


@given(st.one_of(st.sampled_from(DOCUMENTS), changed(), st.binary(max_size=2000)), st.one_of(st.just(AT), MOMENTS))
def test_any_bytes_at_any_time_are_explained_as_they_are_judged(evidence: bytes, at: datetime) -> None:
    """An explanation would find nothing wrong with what is refused, or crash on what somebody sends."""
    found = explain(JUDGE, evidence, policy=POLICY, nonce=NONCE, at=at)
    judged = set(reasons(JUDGE.appraise(evidence, policy=POLICY, nonce=NONCE, at=at, historical=True)))
    assert judged <= set(found.reasons)
    assert bool(judged) == bool(found.failed)
    if found.origin is Origin.PROVEN:
        assert judged == set(found.reasons)
    assert len(msgspec.json.encode(explanation_body(found))) < 64 * 1024
