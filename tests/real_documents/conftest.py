from pathlib import Path

import pytest

from tests.conftest import RequireShared


@pytest.fixture(scope="session")
def genuine_folder(require_shared: RequireShared) -> Path:
    """The folder of genuine documents, or skip or fail as `require_shared` does."""
    return require_shared("real-documents")
