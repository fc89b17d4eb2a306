"""A key pair for each test; making one takes about as long as one test should."""

import pytest

from issuer.kms import RecipientKey


@pytest.fixture
def recipient_key() -> RecipientKey:
    """A fresh 2048-bit key pair, which a test may close."""
    return RecipientKey()
