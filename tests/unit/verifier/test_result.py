from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.support.core import AT, NONCE, PCRS, SIGNED_AT, anchor, appraise, document, fields, policy
from verifier import Affirmed, Claims, Rejected, SingleUse, Verdict
from verifier.policy.model import DebugMode


def test_the_claims_are_what_the_document_says() -> None:
    """A Relying Party would act on something that was not attested."""
    result = appraise(document(user_data=b"", public_key=b"key"))
    assert isinstance(result, Affirmed)
    claims = result.claims
    assert (claims.module_id, claims.digest, claims.pcrs) == (fields().module_id, "SHA384", PCRS)
    assert (claims.nonce, claims.user_data, claims.public_key) == (NONCE, b"", b"key")
    assert (claims.timestamp, claims.debug, claims.unrecognised) == (SIGNED_AT, False, ())
    assert (claims.not_before, claims.not_after) == (SIGNED_AT - timedelta(seconds=3), SIGNED_AT + timedelta(hours=3))
    assert (claims.anchor.name, claims.anchor.sha256) == (anchor().name, anchor().sha256)


def test_an_affirmation_says_by_which_policy_and_build() -> None:
    """Which rules applied could not be found out afterwards."""
    result = appraise(document())
    assert isinstance(result, Affirmed)
    assert result.verdict is Verdict.AFFIRMED
    assert (result.policy.name, result.policy.sha256) == ("payments", policy().sha256)
    assert (result.policy.debug, result.build) == (DebugMode.REJECT, "v1")
    assert result.evaluated_at == AT


def test_nothing_of_no_known_build_can_be_affirmed() -> None:
    """A slip in appraisal would affirm whatever runs; only debug mode that a policy allows hides the build."""
    result = appraise(document())
    assert isinstance(result, Affirmed)
    with pytest.raises(ValueError, match="no known build"):
        replace(result, build=None)
    debug = replace(result.claims, debug=True)
    with pytest.raises(ValueError, match="no known build"):
        replace(result, build=None, claims=debug)
    allowing = replace(result.policy, debug=DebugMode.ALLOW)
    assert replace(result, build=None, claims=debug, policy=allowing).build is None


def test_no_historical_affirmation_can_promise_single_use() -> None:
    """A result that used no nonce up would claim that nobody else can present its document."""
    result = appraise(document())
    assert isinstance(result, Affirmed)
    with pytest.raises(ValueError, match="uses no nonce up"):
        replace(result, historical=True)
    unguarded = replace(result.freshness, single_use=SingleUse.OFF)
    assert replace(result, historical=True, freshness=unguarded).historical


def test_a_rejection_of_an_authentic_document_has_its_facts_under_another_name() -> None:
    """A careless caller would read `claims` off a document that was refused."""
    result = appraise(document(), nonce=b"another")
    assert isinstance(result, Rejected)
    assert result.verdict is Verdict.REJECTED
    assert not hasattr(result, "claims")
    assert isinstance(result.unaffirmed_claims, Claims)


def test_a_forged_document_gets_no_word_in() -> None:
    """A forger's words would appear in logs and answers."""
    result = appraise(document()[:-1] + b"\x00")
    assert isinstance(result, Rejected)
    assert (result.unaffirmed_claims, result.freshness) == (None, None)


def test_the_digest_is_of_the_bytes_that_were_sent() -> None:
    """A log line could not be matched with a document."""
    tagged = appraise(document(tagged=True))
    assert tagged.evidence_sha256 != appraise(document()).evidence_sha256
    assert len(tagged.evidence_sha256) == 64


@pytest.mark.parametrize("timestamp", [10**12, 253_402_300_799_999, 253_402_300_799_001, 32_503_680_000_001])
def test_a_timestamp_is_shown_to_the_millisecond(timestamp: int) -> None:
    """A document of the far future would be shown with another time than it says."""
    result = appraise(document(timestamp=timestamp))
    assert isinstance(result, Rejected)
    assert result.unaffirmed_claims is not None
    since = result.unaffirmed_claims.timestamp - datetime(1970, 1, 1, tzinfo=UTC)
    assert since == timedelta(milliseconds=timestamp)
