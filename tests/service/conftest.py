"""Services that tests share: starting one costs more than asking it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.harness import Running, make_settings, running


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one file of tests."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(module_folder: Path) -> Iterator[Running]:
    """A service with the usual policies whose nonces count once."""
    settings = make_settings(module_folder, single_use="embedded", state=module_folder / "used.sqlite3")
    with running(settings) as started:
        yield started
