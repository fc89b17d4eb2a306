"""Without the extra, whoever imports the client is told what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys

sys.modules.update(dict.fromkeys(sys.argv[1:]))  # as if they were not installed
try:
    import verifier.client
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("missing", "said"),
    [(["aiohttp"], "aiohttp"), (["joserfc"], "joserfc"), (["aiohttp", "joserfc"], "aiohttp and joserfc")],
)
def test_what_is_missing_is_said_with_the_way_to_get_it(missing: list[str], said: str, checkout: Path) -> None:
    """A newcomer would see the name of a package that no page mentions."""
    command = [sys.executable, "-c", SCRIPT, *missing]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=checkout).stdout
    assert printed == f"verifier.client needs {said}: pip install 'nitro-verifier[client]'\n"
