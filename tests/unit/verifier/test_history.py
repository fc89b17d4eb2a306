from datetime import UTC, datetime

import pytest

from tests.support.core import AT, SIGNED_AT, document
from verifier.history import OwnTime, document_time, time_of_verification


def test_a_documents_own_time_is_its_timestamp() -> None:
    """An archive would be checked as of another time than its documents were made."""
    assert document_time(document()) == SIGNED_AT
    assert time_of_verification(document(), OwnTime.DOCUMENT, otherwise=AT) == SIGNED_AT


def test_a_chosen_time_is_that_time() -> None:
    """The document would choose when it is judged."""
    chosen = datetime(2020, 1, 1, tzinfo=UTC)
    assert time_of_verification(document(), chosen, otherwise=AT) == chosen


@pytest.mark.parametrize("evidence", [b"", b"noise", document()[:-100]])
def test_what_is_no_document_has_no_time_and_gets_one(evidence: bytes) -> None:
    """One broken file would stop the audit of an archive."""
    assert document_time(evidence) is None
    assert time_of_verification(evidence, OwnTime.DOCUMENT, otherwise=AT) == AT


@pytest.mark.parametrize("timestamp", [10**12, 253_402_300_799_999])
def test_the_ends_of_what_is_read_are_times(timestamp: int) -> None:
    """A document could crash who looks at it."""
    found = document_time(document(timestamp=timestamp))
    assert found is not None
    assert round(found.timestamp() * 1000) == timestamp
